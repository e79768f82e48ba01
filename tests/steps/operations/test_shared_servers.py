"""The same life cycle where a team keeps things: records in PostgreSQL, data and files in S3.

Nothing but addresses differs from a life on one machine.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from pynomaly.config import Pipeline, parse_pipeline
from pynomaly.data.places import resolve_place
from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.monitoring.monitor_window import find_monitoring_window, monitor_window
from pynomaly.steps.scoring.score_windows import score_window
from tests.databases import create_database
from tests.machines import make_machines, make_small_settings
from tests.steps.conftest import MOMENT, learn, plan


@pytest.fixture
def shared(tmp_path: Any, postgres: Any, bucket: str) -> Pipeline:
    """A pipeline that keeps nothing on the machine it runs on but caches."""
    table = make_machines(28).assign(time=lambda frame: pd.to_datetime(frame["time"], utc=True))
    (resolve_place(bucket) / "data" / "machines.parquet").write(table.to_parquet(index=False))
    records = {
        "ledger": create_database(postgres),
        "tracking": create_database(postgres),
        "artifacts": f"{bucket}/mlflow",
        "store": f"{bucket}/store",
    }
    data = {"source": "parquet", "path": f"{bucket}/data/machines.parquet"}
    return parse_pipeline(make_small_settings(records=records, data=data), tmp_path / "machines.yaml")


@pytest.mark.slow
def test_a_life_on_shared_servers(shared: Pipeline, bucket: str) -> None:
    first, decision = learn(shared, plan(shared))
    assert (first.version, decision.kind) == (1, "promote")
    scored = score_window(shared, Window(MOMENT, MOMENT + timedelta(days=1)))
    assert scored.path.startswith(f"{bucket}/store/machines/scores/")
    assert not score_window(shared, Window(MOMENT, MOMENT + timedelta(days=1))).new
    later = MOMENT + timedelta(days=7)
    judged = monitor_window(shared, find_monitoring_window(shared, later), later)
    assert (judged.version, judged.report_error) == (1, "")
    assert b"<html" in resolve_place(judged.report).read()[:2000].lower()
    again = monitor_window(shared, find_monitoring_window(shared, later), later)
    assert again.degradation == judged.degradation
    with Ledger.open(shared.ledger_url) as ledger:
        assert ledger.verify_chain().intact
        assert len(ledger.list_decisions(kind="degradation")) == 1
    registry = Registry.open_for(shared)
    assert registry.resolve_alias(shared.name, "champion").version == 1
    assert any(
        address.endswith("drift.html") for address in resolve_place(f"{bucket}/mlflow").list_addresses()
    )
    assert not list(shared.home.rglob("*.db"))
    assert not (shared.home / "store").exists()


@pytest.mark.slow
def test_a_partition_that_was_damaged_in_the_bucket_is_scored_again(shared: Pipeline) -> None:
    learn(shared, plan(shared))
    window = Window(MOMENT, MOMENT + timedelta(days=1))
    scored = score_window(shared, window)
    resolve_place(scored.path).write(resolve_place(scored.path).read()[:-1])
    mended = score_window(shared, window)
    assert (mended.new, mended.sha256) == (True, scored.sha256)
    assert resolve_place(scored.path).sha256() == scored.sha256
