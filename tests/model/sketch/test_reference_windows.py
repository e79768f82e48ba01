"""What the windows of a reference are worth: as many as they are, or fewer where a level wanders."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from pynomaly.model.sketch.design_effect import MIN_WORTH, DesignEffect
from pynomaly.model.sketch.reference_windows import MAX_PIECES, ReferenceWindows, rank_bins

HOUR, DAY = 3600, 86_400


def wander(hours: float, days: int, seed: int = 0) -> np.ndarray:
    """A value an hour whose autocorrelation falls to 1 / e in so many hours."""
    keep = math.exp(-1 / hours)
    noise = np.random.default_rng(seed).normal(size=days * 24 + 5000)
    return lfilter([math.sqrt(1 - keep**2)], [1.0, -keep], noise)[5000:]


def cut(days: int, length: int = DAY) -> ReferenceWindows:
    times = pd.Series(pd.date_range("2026-01-05", periods=days * 24, freq="h", tz="UTC"))
    return ReferenceWindows.split(times, pd.Timedelta(seconds=length))


def test_independent_rows_are_worth_their_windows() -> None:
    windows = cut(56)
    worth, time = windows.count_independent(np.random.default_rng(1).normal(size=56 * 24))
    assert worth == pytest.approx(56, rel=0.02)
    assert time < DAY
    assert windows.lengthen(time) == 1


def test_slow_rows_are_worth_fewer_windows_and_too_slow_ones_none() -> None:
    windows = cut(365)
    worth, time = windows.count_independent(wander(48, 365))
    assert 365 / 4 / 2.5 < worth < 365 / 4  # an autocorrelation time of four days, and an upper bound of it
    assert 4 * DAY < time < 10 * DAY
    short = cut(28)
    worth, time = short.count_independent(wander(240, 28))
    assert worth < MIN_WORTH
    assert time > 10 * DAY


def test_pieces_are_bounded_and_hours_without_rows_are_in_none() -> None:
    hours = pd.date_range("2026-01-05", periods=90 * 24, freq="h", tz="UTC")
    open_hours = pd.Series(hours[(hours.hour >= 6) & (hours.dayofweek < 5)]).repeat(3)  # three rows an hour
    windows = ReferenceWindows.split(open_hours.reset_index(drop=True), pd.Timedelta(days=1))
    rows = np.bincount(windows.piece)
    assert rows.size <= MAX_PIECES
    assert rows.min() >= 12
    assert rows.max() <= rows.min() + 3
    values = np.random.default_rng(2).normal(size=len(open_hours))
    values[::2] = np.nan
    worth, time = windows.count_independent(values)
    assert worth == len(windows.places)
    assert time < DAY
    assert windows.count_independent(values, 5.0 * DAY) == (worth / 5, 5.0 * DAY)


def test_too_few_pieces_to_show_a_wander_are_worth_nothing() -> None:
    days = pd.Series(pd.date_range("2026-01-05", periods=28, freq="D", tz="UTC"))
    windows = ReferenceWindows.split(days, pd.Timedelta(days=1))
    assert windows.piece.max() == 6
    for values in (np.random.default_rng(4).normal(size=28), np.arange(28.0)):
        assert windows.count_independent(values) == (0.0, math.inf)
    hourly = cut(28)
    values = np.full(28 * 24, np.nan)
    values[:24] = np.arange(24.0)  # one day of a column
    assert hourly.count_independent(values) == (0.0, math.inf)


def test_ranks_are_those_within_the_cell() -> None:
    counts = np.array([[10, 20, 10, 3], [30, 0, 10, 0], [1, 0, 0, 0]])
    ranks = rank_bins(counts)
    np.testing.assert_allclose(ranks[0, :3], [5 / 40 - 0.5, 0.0, 35 / 40 - 0.5])
    np.testing.assert_allclose(ranks[1, [0, 2]], [15 / 40 - 0.5, 35 / 40 - 0.5])
    total = np.array([41.0, 20.0, 20.0])  # a cell with one row is ranked among all
    np.testing.assert_allclose(ranks[2, :3], (np.cumsum(total) - total / 2) / 81 - 0.5)
    assert np.isnan(ranks[:, 3]).all()


def test_fewer_independent_windows_widen_the_tests_and_very_few_forbid_them() -> None:
    statistics = np.random.default_rng(3).gamma(0.5, 20.0, size=40).tolist()
    effects = [DesignEffect.of(statistics, 0.4, worth) for worth in (math.inf, 20.0, 6.0, 2.0)]
    whole, some, few, none = effects
    assert whole.worth == 40
    assert whole.ratio == pytest.approx(np.mean(statistics))
    assert whole.ratio < some.ratio < few.ratio
    assert whole.dof > some.dof > few.dof > none.dof
    assert whole.shape == pytest.approx(1.0, abs=0.25)  # a wandering level is a squared normal number
    assert [effect.is_short for effect in effects] == [False, False, False, True]
    assert DesignEffect.from_list(some.to_list()) == some
    assert DesignEffect.from_list(whole.to_list()[:3]).worth == math.inf  # of an earlier edition


def test_a_stretched_distance_does_not_end_at_one() -> None:

    from pynomaly.model.sketch.grid import stretch_distance

    stretched = [stretch_distance(distance, 144) for distance in (0.01, 0.5, 0.9, 1.0)]
    assert stretched[0] == pytest.approx(0.01, rel=1e-3)
    assert stretched == sorted(stretched)
    assert stretched[-1] > 2
    assert stretch_distance(1.0, 20) < stretch_distance(1.0, 2000)
