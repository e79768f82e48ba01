"""A worker of a stream killed at random instants while rows flow: the windows are those of batch.

``PYNOMALY_KILLS=all`` kills forty times, ``PYNOMALY_INSTANTS=100`` a hundred times; else twice. The seed is
printed (``PYNOMALY_SEED``).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import yaml
from pandas.testing import assert_frame_equal

from pynomaly.config import Pipeline, load_pipeline
from pynomaly.data.brokers import Outgoing, open_publisher
from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger
from pynomaly.records.store import Store
from tests.brokers import BrokerServer, MissingBroker, run_broker
from tests.faults.streaming import close_all, work
from tests.machines import make_machines, make_small_settings
from tests.processes import make_fork_context, make_process
from tests.steps.conftest import start_with_champion
from tests.steps.streaming.trials import score_by_batch

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("PYNOMALY_INSTANTS", "40" if os.environ.get("PYNOMALY_KILLS") == "all" else "2"))


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[BrokerServer]:
    folder = tmp_path / "redis"
    folder.mkdir()
    try:
        with run_broker("redis", folder) as server:
            yield server
    except MissingBroker as error:
        pytest.skip(str(error))


def write_pipelines(folder: Path, broker: BrokerServer) -> tuple[Pipeline, Path]:
    make_machines(28).to_csv(folder / "machines.csv", index=False)
    settings = make_small_settings(windows={"reference": "14d", "score": "6h"})
    (folder / "batch.yaml").write_text(yaml.safe_dump(settings))
    settings["data"] |= {"source": "stream", "path": "rows"}
    settings["stream"] = {
        "broker": "redis",
        "address": broker.address,
        "topic": "readings",
        "linger_ms": 10,
        "max_rows": 16,
        "lateness": "1h",
        "correct": "3650d",
    }
    (folder / "live.yaml").write_text(yaml.safe_dump(settings))
    return load_pipeline(folder / "batch.yaml"), folder / "live.yaml"


@pytest.mark.timeout(300 if KILLS < 10 else 7200)
def test_a_worker_killed_at_any_instant_loses_and_doubles_nothing(
    tmp_path: Path, redis: BrokerServer
) -> None:
    batch, config = write_pipelines(tmp_path, redis)
    start_with_champion(batch)
    live = load_pipeline(config)
    seed = os.environ.get("PYNOMALY_SEED", "20260120")
    draw = random.Random(f"{seed}:stream")
    rows = make_machines(28).drop(columns="anomaly")
    rows = rows[(rows["time"] >= "2026-01-20") & (rows["time"] < f"2026-01-{21 + min(10, KILLS // 4)}")]
    records = rows.assign(time=rows["time"].map(str)).to_dict("records")
    bodies = [orjson.dumps(record) for record in records]
    for place in sorted(draw.sample(range(len(bodies)), 10), reverse=True):
        bodies.insert(place, f"bad {place}".encode())
    forked, killed = make_fork_context("tests.faults.streaming"), 0
    lives = KILLS + 1
    for life in range(lives):
        share = bodies[life * len(bodies) // lives : (life + 1) * len(bodies) // lives]
        asyncio.run(publish(live, share))
        is_last = life == lives - 1
        begun = forked.Event()
        worker = make_process(forked, work, str(config), 3.0 if is_last else 3600.0, begun)
        worker.start()
        if not is_last:
            begun.wait(60)
            worker.join(draw.uniform(0, 0.5))
            worker.kill()
            killed += 1
        worker.join()
        assert worker.exitcode == (0 if is_last else -signal.SIGKILL)
        worker.close()
    closing = make_process(forked, close_all, str(config))
    closing.start()
    closing.join()
    assert closing.exitcode == 0
    expected = score_by_batch(batch, rows, tmp_path)
    with Ledger.open(live.ledger_url) as ledger:
        assert ledger.stream.list_open_windows(live.name) == ()
        partitions = {item.window: item for item in ledger.list_partitions(live.name)}
        letters = ledger.stream.list_letters(live.name)
        assert ledger.stream.list_letters(live.name, unpublished=True) == ()
    assert partitions.keys() == expected.keys()
    for key, partition in partitions.items():
        window = Window.of_key(key)
        assert window is not None
        scores = Store(live.store_root).read_scores(live.name, [window], {key: partition.sha256})
        assert_frame_equal(scores, expected[key], check_exact=True)
    assert sorted(item.body for item in letters) == sorted(body for body in bodies if body[:3] == b"bad")
    print(f"stream: killed {killed} times over {len(rows)} rows in {len(expected)} windows; seed {seed}")


async def publish(live: Pipeline, bodies: list[bytes]) -> None:
    publisher = open_publisher(live.stream)
    await publisher.publish("readings", [Outgoing(body) for body in bodies])
    await publisher.close()
