"""A champion that learned few rows learns again once there are twice as many, and no window need be bad."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Ledger
from pynomaly.steps.monitoring.monitor_window import find_monitoring_window, monitor_window
from pynomaly.steps.training.planning import plan_training
from tests.steps.conftest import MOMENT, learn, start_with_champion

pytestmark = pytest.mark.slow

Make = Callable[..., Pipeline]


def lengthen(settings: Pipeline) -> Pipeline:
    """The same pipeline with a reference twice as long: what its champion learned is half of one now."""
    windows = settings.windows.model_copy(update={"reference": 2 * settings.windows.reference})
    return settings.model_copy(update={"windows": windows})


def test_a_champion_of_few_rows_learns_again_and_no_third_time(pipeline: Make) -> None:
    settings = pipeline(days=45)
    start_with_champion(settings)
    length = settings.windows.reference
    settings, at = lengthen(settings), MOMENT + length
    with Ledger.open(settings.ledger_url) as ledger:
        first = ledger.list_trainings(settings.name)[0].facts.window
    early = monitor_window(settings, find_monitoring_window(settings, at - timedelta(days=2)), at)
    assert early.degradation.action == "none", early.degradation.reasons
    asked = monitor_window(settings, find_monitoring_window(settings, at), at)
    assert (asked.degradation.state, asked.degradation.action) == ("normal", "retrain")
    assert "twice the rows" in asked.degradation.reasons[-1]
    planned = plan_training(settings, at, "event", "; ".join(asked.degradation.reasons))
    assert planned.decision.remedy == "refit"
    assert planned.decision.reasons[0].startswith("growth: ")
    assert planned.window is not None
    assert planned.window.key.partition("--")[0] == str(first).partition("--")[0]
    _, decision = learn(settings, planned, at)
    assert decision.kind == "promote", decision.reasons
    later = at + timedelta(days=1)
    again = monitor_window(settings, find_monitoring_window(settings, later), later)
    assert (again.version, again.degradation.action) == (2, "none")
