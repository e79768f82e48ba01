"""Every snippet of docs/mlflow.md runs, in order, on a real store, and finds what it says."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger
from pynomaly.steps.monitoring.monitor_window import monitor_window
from tests.steps.conftest import MOMENT, start_with_champion

PAGE = Path(__file__).parents[3] / "docs" / "mlflow.md"


@pytest.mark.slow
def test_every_snippet_finds_what_it_asks_for(pipeline) -> None:
    owner = pipeline(training={"candidates": ["iforest", "hbos"]})
    registered, _ = start_with_champion(owner)
    week = Window(MOMENT, MOMENT + timedelta(days=7))
    monitor_window(owner, week, week.end)
    names: dict[str, Any] = {"tracking_uri": owner.tracking_uri}
    for snippet in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S):
        exec(snippet, names)
    assert int(names["champion"].version) == registered.version
    assert [run.info.run_id for run in names["trainings"]] == [registered.parent_run_id]
    assert {run.data.tags["pynomaly.detector"] for run in names["candidates"]} == {"iforest", "hbos"}
    assert len(names["tags"]["pynomaly.data_sha256"]) == 64
    with Ledger.open(owner.ledger_url) as ledger:
        verdict = ledger.find_last_decision(owner.name, "degradation")
    assert [run.data.tags["pynomaly.state"] for run in names["windows"]] == [verdict.outcome]
    assert names["orphans"] == []
