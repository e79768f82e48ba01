"""The five minutes of docs/streaming.md, run by their own words against a real Redis."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.brokers import MissingBroker, run_broker
from tests.docs.written import snippets
from tests.machines import make_machines

PAGE = "docs/streaming.md"


def list_commands() -> list[list[str]]:
    lines = [line for block in snippets("bash") if block.page == PAGE for line in block.text.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith(("pynomaly", "redis-cli"))]


@pytest.mark.flow
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_from_a_broker_to_alerts_by_the_words_of_the_page(tmp_path: Path) -> None:
    import redis

    make_machines(28).drop(columns="anomaly").to_csv(tmp_path / "machines.csv", index=False)
    (settings,) = [block.text for block in snippets("yaml") if block.page == PAGE]
    program = str(Path(sys.executable).with_name("pynomaly"))
    try:
        with run_broker("redis", tmp_path) as server:
            sink = 'topic: "machines.{what}", address_env: BUS'
            text = settings.replace("redis://127.0.0.1:6379", server.address)
            (tmp_path / "live.yaml").write_text(text.replace('topic: "machines.{what}"', sink))
            with redis.Redis.from_url(server.address) as client:
                for words in list_commands():
                    if words[0] == "redis-cli":
                        client.xadd(words[2], {words[4]: words[5]})
                        continue
                    if words == ["pynomaly", "stream", "live.yaml"]:
                        words = [*words, "--until-idle", "3"]
                    values = (f"BUS={server.address}", f"PYNOMALY_HOME={tmp_path / 'home'}")
                    done = subprocess.run(
                        [
                            "env",
                            *values,
                            program,
                            *words[1:],
                        ],
                        cwd=tmp_path,
                        capture_output=True,
                        text=True,
                    )
                    assert done.returncode == 0, (words, done.stderr[-2000:])
                events = [orjson.loads(fields[b"data"]) for _, fields in client.xrange("machines.alerts")]
    except MissingBroker as missing:
        pytest.skip(str(missing))
    assert "org.pynomaly.alert.opened" in {event["type"] for event in events}
