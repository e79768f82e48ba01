"""Levels of windows add up: factors are those of a t-test, false alarms keep their level, shifts show."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pynomaly.judging.drift.columns.carried_shifts import (
    MOST_WINDOWS,
    SCORE,
    CarriedShift,
    carry_levels,
    find_shifts,
)
from pynomaly.model.sketch.baseline import Baseline, ColumnBaseline
from pynomaly.model.sketch.design_effect import DesignEffect
from pynomaly.model.sketch.grid import BinGrid
from tests import naive

DAY = 86_400


def column(levels: np.ndarray, wander: float = DAY / 10) -> ColumnBaseline:
    counts = np.zeros((1, 2), dtype=np.int64)
    noise = DesignEffect()
    return ColumnBaseline("none", BinGrid(), counts, noise, noise, tuple(levels.tolist()), wander)


def test_the_evidence_is_the_mean_factor_of_two_sample_t_tests() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=9), rng.normal(1.0, size=5)
    carried = carry_levels(column(before), after.tolist(), block=DAY, length=DAY)
    factors = [naive.t_test_factor(before, after[start:]) for start in range(5)]
    assert carried is not None
    assert carried.evidence == pytest.approx(math.log(sum(factors) / MOST_WINDOWS), rel=1e-6)
    start = int(np.argmax(factors))
    assert carried.windows == 5 - start
    assert carried.level == pytest.approx(after[start:].mean() - before.mean())


def test_windows_that_wander_together_are_joined() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.normal(size=18), rng.normal(size=6)
    slow = carry_levels(column(before, wander=1.4 * DAY), after.tolist(), block=DAY, length=DAY)
    joined = carry_levels(
        column(before.reshape(-1, 3).mean(axis=1)), after.reshape(-1, 3).mean(axis=1), block=DAY, length=DAY
    )
    assert slow is not None
    assert joined is not None
    assert slow.evidence == pytest.approx(joined.evidence + math.log(3))  # a third of the beginnings
    assert slow.level == pytest.approx(joined.level)
    assert slow.windows == 3 * joined.windows


def test_windows_stay_in_their_group_and_an_unfinished_group_waits() -> None:
    rng = np.random.default_rng(7)
    reference, after = column(rng.normal(size=18), wander=1.4 * DAY), rng.normal(size=9).tolist()
    evidence = [carry_levels(reference, after[:count], block=DAY, length=DAY) for count in range(10)]
    assert evidence[:3] == [None, None, None]
    assert evidence[3] == evidence[4] == evidence[5] != evidence[6]
    assert evidence[6] == evidence[7] == evidence[8] != evidence[9]


def test_longer_windows_of_independent_days_count_as_many_days() -> None:
    rng = np.random.default_rng(2)
    before, days = rng.normal(size=40), rng.normal(0.7, size=70)
    weeks = days.reshape(-1, 7).mean(axis=1)
    by_day = carry_levels(column(before), days.tolist(), block=DAY, length=DAY)
    by_week = carry_levels(column(before), weeks.tolist(), block=DAY, length=7 * DAY)
    assert by_day is not None
    assert by_week is not None
    assert by_week.evidence + math.log(7) == pytest.approx(by_day.evidence, abs=0.5)  # fewer beginnings


@pytest.mark.parametrize("wander", [math.inf, 20.0 * DAY])
def test_too_few_independent_windows_say_nothing(wander: float) -> None:
    levels = column(np.random.default_rng(3).normal(size=40), wander)
    assert carry_levels(levels, [9.0] * 60, block=DAY, length=DAY) is None


def test_nothing_is_found_before_the_first_window() -> None:
    assert carry_levels(column(np.arange(9.0)), [], block=DAY, length=DAY) is None


def test_unmoved_levels_are_called_moved_at_most_as_often_as_promised() -> None:
    rng, found, alpha = np.random.default_rng(4), 0, 0.05
    for _ in range(120):
        baseline = Baseline(DAY, 2, DAY, 8, {name: column(rng.normal(size=8)) for name in "ab"})
        windows = [{name: float(rng.normal()) for name in "ab"} for _ in range(60)]
        found += any(find_shifts(baseline, windows[:count], alpha) for count in range(1, 61))
    assert found <= 120 * alpha


def test_joined_windows_that_wander_keep_the_level_too() -> None:
    rng, found, alpha, keep = np.random.default_rng(8), 0, 0.05, 0.3
    wander = (1 + keep) / (1 - keep) * DAY
    for _ in range(150):
        series = rng.normal(size=100)
        for place in range(1, 100):
            series[place] += keep * series[place - 1]
        baseline = Baseline(DAY, 2, DAY, 40, {"a": column(series[:40], wander)})
        windows = [{"a": float(level)} for level in series[40:]]
        found += any(find_shifts(baseline, windows[:count], alpha) for count in range(1, 61))
    assert found <= 150 * alpha


@pytest.mark.parametrize(("shift", "windows"), [(1.0, 60), (2.0, 20)])
def test_a_shift_of_some_of_the_columns_is_found_by_name(shift: float, windows: int) -> None:
    rng = np.random.default_rng(5)
    columns = {name: column(rng.normal(size=40) / 100) for name in ("moved", "still")}
    baseline = Baseline(DAY, 2, DAY, 40, columns, score=column(rng.normal(size=40) / 100))
    rows = [
        {"moved": rng.normal(shift) / 100, "still": rng.normal() / 100, SCORE: rng.normal(shift) / 100}
        for _ in range(windows)
    ]
    found = find_shifts(baseline, rows, 0.001)
    assert set(found) == {"moved", SCORE}
    assert found["moved"].level == pytest.approx(shift / 100, abs=0.005)
    assert find_shifts(baseline, [*rows, {"still": 0.0}], 0.001) == {}, "the newest window has no such level"


def test_the_effect_is_the_distance_of_shifted_normal_values() -> None:
    from scipy.stats import norm

    for shift in (0.1, 0.5, 2.0):
        level = norm.cdf(shift / math.sqrt(2)) - 0.5
        assert CarriedShift(9.0, 3, -level).effect == pytest.approx(2 * norm.cdf(shift / 2) - 1)
    assert CarriedShift(9.0, 3, 0.5).effect == pytest.approx(1.0)
    assert CarriedShift(9.0, 3, 0.1).describe("numeric").startswith("values are higher in the last 3 windows")
    assert "rarer" in CarriedShift(9.0, 3, 0.1).describe("category")


def test_columns_are_tested_together() -> None:
    rng = np.random.default_rng(6)
    moved = column(rng.normal(size=40))
    rows = [{"a": rng.normal(0.9)} for _ in range(30)]
    alone = Baseline(DAY, 2, DAY, 40, {"a": moved})
    evidence = carry_levels(moved, [row["a"] for row in rows], block=DAY, length=DAY)
    assert evidence is not None
    level = math.exp(-evidence.evidence)
    assert set(find_shifts(alone, rows, level * 1.01)) == {"a"}
    among = replace(alone, columns={"a": moved} | {f"b{number}": moved for number in range(9)})
    assert find_shifts(among, rows, level * 1.01) == {}
    assert set(find_shifts(among, rows, level * 10.1)) == {"a"}
