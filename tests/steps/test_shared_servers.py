"""The same life cycle where a team keeps things: records in PostgreSQL, data and files in S3.

Nothing but addresses differs from a life on one machine.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from pynomaly.config import Pipeline, parse
from pynomaly.data.places import place
from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.monitor import monitor_window, monitored_window
from pynomaly.steps.score import score_window
from tests.databases import new_database
from tests.machines import machines, small_settings
from tests.steps.conftest import MOMENT, learn, plan


@pytest.fixture
def shared(tmp_path: Any, postgres: Any, bucket: str) -> Pipeline:
    """A pipeline that keeps nothing on the machine it runs on but caches."""
    table = machines(28).assign(time=lambda frame: pd.to_datetime(frame["time"], utc=True))
    (place(bucket) / "data" / "machines.parquet").write(table.to_parquet(index=False))
    records = {
        "ledger": new_database(postgres),
        "tracking": new_database(postgres),
        "artifacts": f"{bucket}/mlflow",
        "store": f"{bucket}/store",
    }
    data = {"source": "parquet", "path": f"{bucket}/data/machines.parquet"}
    return parse(small_settings(records=records, data=data), tmp_path / "machines.yaml")


def test_a_life_on_shared_servers(shared: Pipeline, bucket: str) -> None:
    first, decision = learn(shared, plan(shared))
    assert (first.version, decision.kind) == (1, "promote")
    scored = score_window(shared, Window(MOMENT, MOMENT + timedelta(days=1)))
    assert scored.path.startswith(f"{bucket}/store/machines/scores/")
    assert not score_window(shared, Window(MOMENT, MOMENT + timedelta(days=1))).new
    later = MOMENT + timedelta(days=7)
    judged = monitor_window(shared, monitored_window(shared, later), later)
    assert (judged.version, judged.report_error) == (1, "")
    assert b"<html" in place(judged.report).read()[:2000].lower()
    again = monitor_window(shared, monitored_window(shared, later), later)
    assert again.degradation == judged.degradation
    with Ledger.open(shared.ledger_url) as ledger:
        assert ledger.verify().intact
        assert len(ledger.decisions(kind="degradation")) == 1
    registry = Registry.of(shared)
    assert registry.alias(shared.name, "champion").version == 1
    assert any(address.endswith("drift.html") for address in place(f"{bucket}/mlflow").under())
    assert not list(shared.home.rglob("*.db"))
    assert not (shared.home / "store").exists()


def test_a_partition_that_was_damaged_in_the_bucket_is_scored_again(shared: Pipeline) -> None:
    learn(shared, plan(shared))
    window = Window(MOMENT, MOMENT + timedelta(days=1))
    scored = score_window(shared, window)
    place(scored.path).write(place(scored.path).read()[:-1])
    mended = score_window(shared, window)
    assert (mended.new, mended.sha256) == (True, scored.sha256)
    assert place(scored.path).sha256() == scored.sha256
