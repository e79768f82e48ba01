"""One window has one drift, whoever asks: monitoring, the bake, the scoring of a file of its rows."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import pynomaly
from pynomaly.data.window import Window
from pynomaly.judging.drift import compare_window
from pynomaly.model.isolated_check import IsolatedCheck
from pynomaly.steps import gate as gating
from pynomaly.steps.monitoring import monitor_window as monitoring
from pynomaly.steps.promotion import paired_versions as baking
from pynomaly.steps.promotion.promote import promote
from pynomaly.steps.scoring import score_file as scoring
from tests.judging.comparison.test_promotion_rules import SUPERIOR
from tests.machines import make_resting_machines
from tests.steps.conftest import learn, plan, trained

pytestmark = pytest.mark.slow

FIRST = datetime(2026, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_same_window_has_the_same_drift_through_every_caller(
    pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = pipeline(
        table=make_resting_machines(49),
        windows={"reference": "28d"},
        drift={"min_rows": 50},
        promotion={"max_latency_ms": 1e9},
    )
    monkeypatch.setattr(
        "pynomaly.steps.promotion.promote.replay_incidents", lambda *_: None
    )  # tested elsewhere
    monkeypatch.setattr(gating, "run_isolated_check", lambda *_: IsolatedCheck(0.0, 1.0, 1.0, 300.0))
    learn(settings, plan(settings, FIRST), FIRST)
    registered, _ = trained(settings, plan(settings, FIRST + DAY, "manual"), FIRST + DAY)
    assert promote(settings, registered, SUPERIOR, FIRST + DAY).kind == "promote"
    reports: dict[str, list[dict[str, Any]]] = {"monitor": [], "bake": [], "file": []}

    def listen(name: str) -> Any:
        def compute(*arguments: Any) -> Any:
            report = compare_window.compute_window_drift(*arguments)
            reports[name].append(report.to_dict())
            return report

        return compute

    for name, module in (("monitor", monitoring), ("bake", baking), ("file", scoring)):
        monkeypatch.setattr(module, "compute_window_drift", listen(name))
    sunday = Window(FIRST + 6 * DAY, FIRST + 7 * DAY)
    monitored = monitoring.monitor_window(settings, sunday, sunday.end)
    table = pd.read_csv(settings.data.path, float_precision="round_trip")
    inside = pd.to_datetime(table["time"]).between(sunday.start, sunday.end, inclusive="left")
    table[inside].to_csv(tmp_path / "sunday.csv", index=False)
    file = scoring.score_file(settings, tmp_path / "sunday.csv", tmp_path / "scores.csv")

    assert monitored.drift.season != "none"
    assert reports["monitor"] == [monitored.drift.to_dict()]
    assert reports["bake"][0] == reports["monitor"][0]  # the champion; the second is of its predecessor
    assert len(reports["bake"]) == 2
    assert reports["file"][0] == reports["monitor"][0] | {"score": None}
    assert file.drift == monitored.drift.status == "ok"


def test_no_step_compares_sketches_by_itself() -> None:
    library = Path(pynomaly.__file__).parent
    users = {
        path.relative_to(library).as_posix()
        for path in library.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and "compare_sketches" in {alias.name for alias in node.names}
    }
    assert users == {"judging/drift/compare_window.py"}
