"""Autocorrelation times agree with a slow computation, and with what a series was drawn with."""

import numpy as np
import pytest

from pynomaly.model.dependence.autocorrelation import measure_persistence, normal_scores
from tests import naive
from tests.model.dependence.series import draw_series


@pytest.mark.parametrize("seed", range(3))
def test_the_time_is_that_of_the_sums_themselves(seed: int) -> None:
    values = draw_series(np.random.default_rng(seed), 300, 6)
    measured = measure_persistence(np.exp(values), np.zeros(300, dtype=np.int64))
    slow = naive.autocorrelation_time(normal_scores(values).tolist())
    assert slow <= measured.rows <= slow * 1.6  # what centring hides is added
    assert measured.upper > measured.rows


@pytest.mark.parametrize(("rows", "time"), [(4000, 36), (20000, 36), (4000, 5)])
def test_the_bound_is_above_the_true_time_and_not_far(rows: int, time: int) -> None:
    true = (1 + np.exp(-1 / time)) / (1 - np.exp(-1 / time))
    series = np.zeros(rows, dtype=np.int64)
    bounds = [
        measure_persistence(draw_series(np.random.default_rng(seed), rows, time), series).upper
        for seed in range(10)
    ]
    assert sum(bound >= true for bound in bounds) >= 8
    assert np.median(bounds) < 2.5 * true


def test_independent_rows_are_seldom_called_dependent() -> None:
    series = np.repeat(np.arange(5), 200)
    called = [
        measure_persistence(np.random.default_rng(seed).exponential(size=1000), series).is_dependent
        for seed in range(200)
    ]
    assert sum(called) <= 3  # one in a thousand, by chance


def test_levels_of_entities_are_no_dependence_in_time() -> None:
    rng = np.random.default_rng(4)
    series = np.repeat(np.arange(5), 200)
    assert not measure_persistence(rng.normal(size=1000) + 9 * series, series).is_dependent
    assert measure_persistence(rng.normal(size=1000) + 9 * series, 0 * series).is_dependent


def test_a_weak_but_long_part_is_seen() -> None:
    rng = np.random.default_rng(5)
    values = 0.5 * draw_series(rng, 20_000, 200) + rng.normal(size=20_000)
    assert measure_persistence(values, np.zeros(20_000, dtype=np.int64)).rows > 30


def test_a_season_is_a_period_and_a_trend_has_no_bound() -> None:
    rng, series = np.random.default_rng(6), np.zeros(3000, dtype=np.int64)
    daily = np.sin(2 * np.pi * np.arange(3000) / 144) + 0.5 * rng.normal(size=3000)
    assert measure_persistence(daily, series).period == pytest.approx(144, abs=3)
    assert np.isinf(measure_persistence(np.cumsum(rng.normal(size=3000)), series).upper) or (
        measure_persistence(np.cumsum(rng.normal(size=3000)), series).upper > 300
    )


def test_nothing_is_measured_from_few_or_equal_rows() -> None:
    for values in (np.arange(7.0), np.ones(100)):
        measured = measure_persistence(values, np.zeros(len(values), dtype=np.int64))
        assert (measured.rows, measured.upper, measured.period) == (1.0, 1.0, 0)
