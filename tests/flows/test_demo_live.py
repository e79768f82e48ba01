"""The live demo's own parts: its settings, what it prints of an alert; and the whole of it, once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows.demo.live import describe_alert
from flows.demo.live_past import write_live_config
from pynomaly.config import load_pipeline
from pynomaly.records.ledger import Ledger


def test_its_pipeline_has_a_name_that_nobody_used(tmp_path: Path) -> None:
    first = load_pipeline(write_live_config(tmp_path))
    assert (first.name, first.stream.broker, first.stream.topic) == ("live", "memory", "live")
    assert first.sinks[0].name == "screen"
    assert load_pipeline(write_live_config(tmp_path)).name == "live"  # nothing was decided in it
    with Ledger.open(first.ledger_url) as ledger:
        assert ledger.list_decisions() == ()


def test_an_alert_is_one_line() -> None:
    row = {
        "entity": "m03",
        "first": "2026-03-24T07:00:00+00:00",
        "severity": "high",
        "carriers": "flow 3; speed 1",
    }
    assert describe_alert(row) == "m03 at 2026-03-24T07:00, severity high, for flow 3"
    assert describe_alert(row | {"carriers": ""}) == "m03 at 2026-03-24T07:00, severity high"


@pytest.mark.flow
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_alerts_appear_and_the_rows_name_the_version_that_was_promoted_under_them(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "flows.cli", "demo", "--live", "--home", str(tmp_path / "home")]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "alert: m" in done.stdout
    assert "the regime shifts" in done.stdout
    assert "rows name version" in done.stdout
    assert "problem:" not in done.stdout
