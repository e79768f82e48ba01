"""Levels are carried from the windows that end before, each row once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pynomaly import config
from pynomaly.data.window import Window
from pynomaly.judging.drift.drift_report import DriftReport
from pynomaly.judging.drift.observation import Observation, observe_window
from pynomaly.steps.monitoring.carried_levels import collect_levels

MONDAY, DAY = datetime(2026, 1, 5, tzinfo=UTC), timedelta(days=1)


def observe(first: float, days: float, level: float | None) -> Observation:
    levels = {} if level is None else {"a": level}
    drift = DriftReport("ok", (), None, 0.0, (), levels=levels)
    window = Window(MONDAY + first * DAY, MONDAY + (first + days) * DAY)
    return observe_window(window.key, 500, drift, 0, 0.01, config.Degradation())


def test_windows_before_are_carried_in_order_and_overlaps_are_left_out() -> None:
    earlier = [
        observe(0, 1, 0.1),
        observe(1, 1, None),
        observe(2, 1, 0.2),
        observe(2.5, 1, 0.3),
        observe(5, 1, 9.0),
    ]
    window = Window(MONDAY + 3.5 * DAY, MONDAY + 4.5 * DAY)
    assert collect_levels(earlier, window) == ({"a": 0.1}, {"a": 0.3})
    assert collect_levels(earlier, None) == ()
    assert collect_levels([], window) == ()


def test_levels_survive_the_ledger_and_stay_out_of_what_people_read() -> None:
    observation = observe(0, 1, 0.1)
    assert Observation.from_dict(observation.to_dict()).levels == {"a": 0.1}
    assert "levels" not in observation.summarize()
    content = observation.to_dict()
    del content["levels"]
    assert Observation.from_dict(content).levels == {}
