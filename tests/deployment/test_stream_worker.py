"""The stream worker of docker/compose.yaml, started by its own words beside its broker."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
import yaml

from pynomaly.config import load_pipeline
from pynomaly.data.brokers import BlockingPublisher, Outgoing, open_publisher
from pynomaly.records.ledger import Ledger
from tests.brokers import find_free_port
from tests.deployment.test_broker import run_service
from tests.deployment.test_compose import OF_STREAMS, services
from tests.flows.machine.test_up import until
from tests.machines import make_machines, make_small_settings


def test_it_is_started_with_the_broker_alone_and_knows_its_password_only_there() -> None:
    service = services()["stream"]
    assert service["profiles"] == services()["broker"]["profiles"] == ["stream"]
    assert service["entrypoint"] == ["pynomaly", "stream"]
    assert service["command"] == ["configs/live.yaml"]
    words = [*service["entrypoint"], *service["command"], *service["healthcheck"]["test"]]
    assert OF_STREAMS["REDIS_PASSWORD"] not in " ".join(words)


@pytest.mark.server
@pytest.mark.slow
def test_it_reads_its_broker_by_the_words_of_the_file_and_ends_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("redis: redis-server is not installed")
    port = find_free_port()
    service = services()["stream"]
    monkeypatch.setenv(
        "PYNOMALY_BROKER",
        service["environment"]["PYNOMALY_BROKER"].replace("broker:6379", f"127.0.0.1:{port}"),
    )
    settings = make_small_settings(
        stream={"broker": "redis", "address_env": "PYNOMALY_BROKER", "topic": "rows"}
    )
    settings["data"] |= {"source": "stream", "path": "rows"}
    (tmp_path / "configs").mkdir()
    file = tmp_path / "configs" / "live.yaml"
    file.write_text(yaml.safe_dump(settings))
    pipeline = load_pipeline(file)
    records = make_machines(1).assign(time=lambda rows: rows["time"].map(str)).to_dict("records")
    with run_service(tmp_path, port), BlockingPublisher(open_publisher(pipeline.stream)) as publisher:
        publisher.publish("rows", [Outgoing(orjson.dumps(record)) for record in records])
        check = [sys.executable if word == "python" else word for word in service["healthcheck"]["test"][1:]]
        assert subprocess.run(check, check=False).returncode == 0
        words = [*service["entrypoint"], *service["command"]]
        words[0] = str(Path(sys.executable).with_name(words[0]))
        worker = subprocess.Popen(words, cwd=tmp_path, env=dict(os.environ), stderr=subprocess.DEVNULL)

        def has_rows() -> None:
            with Ledger.open(pipeline.ledger_url) as ledger:
                windows = ledger.stream.list_open_windows(pipeline.name)
            assert sum(item.rows for item in windows) == len(records)

        try:
            until(has_rows, 120)
        finally:
            worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
