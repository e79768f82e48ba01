"""Intervals that may be looked at after every answer hold over all looks together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from pynomaly.config import Comparison
from pynomaly.judging import any_time
from pynomaly.judging.any_time import (
    BEST_UNITS,
    bound_at_any_time,
    compute_any_time_p_value,
    forecast_answers,
    reach_at_any_time,
)
from tests import naive


@pytest.mark.parametrize("units", [200, 2000, 20_000])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_at_the_end_of_the_interval_the_bets_have_made_one_over_alpha(units: int, level: float) -> None:
    """With many units Student's quantile is the normal one, and the reach that of the mixture."""
    total = reach_at_any_time(units, level) * math.sqrt(units)
    wealth = naive.mixture_martingale(total, units, any_time._MIXTURE)
    assert wealth == pytest.approx(1 / (1 - level), rel=0.3 if units < 1000 else 0.05)


def test_over_a_whole_sequence_of_looks_the_truth_leaves_the_interval_seldom() -> None:
    rng = np.random.default_rng(0)
    draws, looks = 2000, np.arange(6, 300)
    values = rng.laplace(size=(draws, looks[-1]))  # differences of two models: long tails on both sides
    means = np.cumsum(values, axis=1)[:, looks - 1] / looks
    squares = np.cumsum(values**2, axis=1)[:, looks - 1] / looks
    errors = np.sqrt((squares - means**2) / (looks - 1))
    reach = np.array([reach_at_any_time(int(units), 0.95) for units in looks])
    late = looks >= 20  # as many anomalies as a verdict waits for
    missed = (np.abs(means) > reach * errors)[:, late].any(axis=1)
    assert missed.mean() <= 0.05
    single = (np.abs(means) > 1.96 * errors)[:, late].any(axis=1)
    assert single.mean() > 0.2  # what looking again costs an interval for one look


def test_p_value_and_interval_agree() -> None:
    for estimate in (0.01, 0.2, 0.4):
        p = compute_any_time_p_value(estimate, 0.1, 40)
        if p < 0.5:
            low, _ = bound_at_any_time(estimate, 0.1, 40, 1 - p)
            assert low == pytest.approx(0, abs=1e-6)
    assert compute_any_time_p_value(0.0, 0.1, 40) == 1.0
    assert compute_any_time_p_value(1.0, 0.1, 1) == 1.0
    assert compute_any_time_p_value(1.0, 0.0, 9) == 0.0
    assert bound_at_any_time(1.0, 0.1, 1, 0.95) == (-math.inf, math.inf)


def test_it_is_narrowest_where_it_says() -> None:
    grid = np.arange(2, 1000)
    reach = np.array([reach_at_any_time(int(units), 0.95) for units in grid])
    assert grid[reach.argmin()] == 81
    stated = {10: 4.40, 20: 3.51, 30: 3.33, 50: 3.23, 100: 3.21, 200: 3.25}
    assert {units: round(float(reach[units - 2]), 2) for units in stated} == stated
    assert reach[10 - 2] / reach[30 - 2] == pytest.approx(1.32, abs=0.005)
    normal = np.sqrt((1 + 1 / (grid * any_time._MIXTURE)) * np.log((grid * any_time._MIXTURE + 1) / 0.05**2))
    assert grid[normal.argmin()] == pytest.approx(BEST_UNITS, abs=3)


def test_looking_at_any_time_costs_the_width_that_the_guide_states() -> None:
    grid = np.arange(10, 201)
    ratios = [reach_at_any_time(int(units), 0.95) / stats.t.ppf(0.975, units - 1) for units in grid]
    assert ratios[0] == pytest.approx(1.95, abs=0.005) == max(ratios)
    assert min(ratios) == pytest.approx(1.6, abs=0.01)
    assert max(ratios[20:]) < 1.65


@pytest.mark.parametrize("difference", [-0.3, -0.1, 0.1, 0.3])
def test_a_forecast_is_the_first_number_of_answers_that_decides(difference: float) -> None:
    settings, error, units, answered = Comparison(), 0.08, 20, 60
    more = forecast_answers(difference, error, units, answered, 0.95, settings)
    assert more is not None

    def decided(extra: int) -> bool:
        grown = (answered + extra) / answered
        reach = reach_at_any_time(int(units * grown), 0.95) * error / math.sqrt(grown)
        low, high = difference - reach, difference + reach
        return (low > 0 and difference >= 0.02) or high < 0.02

    assert decided(more)
    assert more == 0 or not decided(more - 1)


def test_no_difference_needs_answers_until_a_gain_is_ruled_out_or_none_can_be_said() -> None:
    settings = Comparison()
    more = forecast_answers(0.0, 0.02, 30, 60, 0.95, settings)
    assert more is not None
    assert more > 60
    assert forecast_answers(0.0, 5.0, 30, 60, 0.95, settings) is None
    assert forecast_answers(0.5, 0.1, 1, 60, 0.95, settings) is None
    assert forecast_answers(0.9, 0.01, 30, 60, 0.95, settings) == 0
