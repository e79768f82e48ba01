"""Levels are carried from the windows that end before, each row once."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np

from pynomaly import config
from pynomaly.data.window import Window
from pynomaly.judging.drift.columns.carried_shifts import find_shifts
from pynomaly.judging.drift.drift_report import DriftReport
from pynomaly.judging.drift.observation import Observation, observe_window
from pynomaly.model.sketch.baseline import Baseline, ColumnBaseline
from pynomaly.model.sketch.design_effect import DesignEffect
from pynomaly.model.sketch.grid import BinGrid
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
    assert collect_levels(earlier, window) == ({"a": 0.1}, {"a": 0.2})
    assert collect_levels(earlier, None) is None
    assert collect_levels([], window) == ()
    assert collect_levels([observe(-7, 7, 9.0), earlier[0]], window) == ({"a": 0.1},), "of another length"


def test_looks_at_overlapping_windows_carry_one_choice_of_them() -> None:
    earlier = [observe(day, 7, day) for day in range(30)]
    for day in range(1, 30):
        window = Window(MONDAY + day * DAY, MONDAY + (day + 7) * DAY)
        carried = collect_levels(earlier[:day], window)
        assert carried == (tuple({"a": place} for place in range(0, day, 7)) if day % 7 == 0 else None)


def test_a_daily_look_at_weeks_keeps_the_level() -> None:
    rng, found, alpha = np.random.default_rng(9), 0, 0.05
    for _ in range(40):
        noise, levels = DesignEffect(), tuple(rng.normal(size=8).tolist())
        known = ColumnBaseline("none", BinGrid(), np.zeros((1, 2), dtype=np.int64), noise, noise, levels, 1.0)
        baseline = Baseline(7 * 86_400, 2, 7 * 86_400, 8, {"a": known})
        days = rng.normal(size=120) * math.sqrt(7)
        earlier: list[Observation] = []
        named = False
        for day in range(len(days) - 6):
            level = float(days[day : day + 7].mean())
            window = Window(MONDAY + day * DAY, MONDAY + (day + 7) * DAY)
            carried = collect_levels(earlier, window)
            named |= carried is not None and bool(find_shifts(baseline, [*carried, {"a": level}], alpha))
            earlier.append(observe(day, 7, level))
        found += named
    assert found <= 40 * alpha


def test_levels_survive_the_ledger_and_stay_out_of_what_people_read() -> None:
    observation = observe(0, 1, 0.1)
    assert Observation.from_dict(observation.to_dict()).levels == {"a": 0.1}
    assert "levels" not in observation.summarize()
    content = observation.to_dict()
    del content["levels"]
    assert Observation.from_dict(content).levels == {}
