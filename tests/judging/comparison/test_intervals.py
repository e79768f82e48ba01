"""Small-sample bootstrap intervals: against SciPy's distributions, and that interval and p-value agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pynomaly.judging.comparison.intervals import (
    MIN_TAIL_RESAMPLES,
    bootstrap_interval,
    bootstrap_p_value,
    expand_tail,
    share_interval,
)
from pynomaly.judging.comparison.ranking_metrics import Ranking, bootstrap_metrics


@pytest.mark.parametrize("units", [2, 3, 5, 20, 27, 200, 100_000])
@pytest.mark.parametrize("tail", [0.05, 0.025, 0.004])
def test_expanded_tail_is_hesterbergs(units: int, tail: float) -> None:
    wanted = stats.norm.cdf(-math.sqrt(units / (units - 1)) * stats.t.ppf(1 - tail, units - 1))
    assert expand_tail(tail, units) == pytest.approx(wanted, rel=1e-6)
    assert expand_tail(tail, units) < tail
    assert expand_tail(tail, 10**7) == pytest.approx(tail, rel=1e-3)


def test_one_unit_says_nothing() -> None:
    drawn = np.random.default_rng(0).normal(5, 1, 1000)
    assert expand_tail(0.025, 1) == 0
    assert bootstrap_interval(5.0, drawn, 1, 0.95) == (-math.inf, math.inf)
    assert bootstrap_p_value(5.0, drawn, 1) == 1


def test_a_mean_gets_students_interval() -> None:
    """On a symmetric sample the bootstrap of a mean must come to what the t-test says."""
    rng = np.random.default_rng(1)
    half = rng.normal(0, 1, 6)
    sample = 0.6 + np.concatenate([half, -half])
    drawn = sample[rng.integers(0, 12, size=(40_000, 12))].mean(axis=1)
    low, high = bootstrap_interval(sample.mean(), drawn, 12, 0.95)
    student = stats.ttest_1samp(sample, 0)
    wanted = student.confidence_interval(0.95)
    assert high - low == pytest.approx(wanted.high - wanted.low, rel=0.05)
    assert bootstrap_p_value(sample.mean(), drawn, 12) == pytest.approx(student.pvalue, rel=0.3)
    plain = np.quantile(drawn, [0.025, 0.975])
    assert high - low > 1.1 * (plain[1] - plain[0])


def test_quantiles_that_resamples_do_not_resolve_come_from_student() -> None:
    drawn = np.random.default_rng(2).normal(1.0, 0.2, 200)
    assert expand_tail(0.025, 5) * 200 < MIN_TAIL_RESAMPLES
    low, high = bootstrap_interval(1.0, drawn, 5, 0.95)
    reach = stats.t.ppf(0.975, 4) * drawn.std(ddof=1) * math.sqrt(5 / 4)
    assert (low, high) == pytest.approx((1 - reach, 1 + reach))
    assert bootstrap_p_value(1.0, drawn, 5) == pytest.approx(
        2 * stats.t.sf(1.0 / (drawn.std(ddof=1) * math.sqrt(5 / 4)), 4)
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 300), st.floats(-4, 4))
def test_interval_and_p_value_agree(seed: int, units: int, centre: float) -> None:
    drawn = np.random.default_rng(seed).gamma(2.0, 1.0, 2000) - 2 + centre
    low, high = bootstrap_interval(centre, drawn, units, 0.95)
    p = bootstrap_p_value(centre, drawn, units)
    if expand_tail(0.025, units) * drawn.size >= 2 * MIN_TAIL_RESAMPLES:
        # One resample more or less is what the added one of the p-value is worth.
        assert (low > 0 or high < 0) == (p < 0.05) or p == pytest.approx(0.05, rel=0.2)
    assert 0 < p <= 1
    assert low <= high


def test_no_difference_at_all_has_p_one() -> None:
    drawn = np.zeros(500)
    assert bootstrap_interval(0.0, drawn, 30, 0.95) == (0, 0)
    assert bootstrap_p_value(0.0, drawn, 30) == 1


def test_two_units_are_enough_for_student() -> None:
    drawn = np.random.default_rng(0).normal(5, 1, 1000)
    low, high = bootstrap_interval(5.0, drawn, 2, 0.95)
    reach = stats.t.ppf(0.975, 1) * drawn.std(ddof=1) * math.sqrt(2)
    assert (low, high) == pytest.approx((5 - reach, 5 + reach))
    assert 0 < bootstrap_p_value(5.0, drawn, 2) < 1


@pytest.mark.parametrize("extreme", [0, MIN_TAIL_RESAMPLES - 1, MIN_TAIL_RESAMPLES, 60, 250])
@pytest.mark.parametrize("side", [1, -1])
def test_the_p_value_is_read_off_the_resamples_where_they_reach_and_off_student_else(
    extreme: int, side: int
) -> None:
    units, size = 20, 500
    drawn = side * np.concatenate([np.full(extreme, -0.1), np.full(size - extreme, 1.0)])
    estimate = float(drawn.mean())
    z = stats.norm.ppf((max(extreme, MIN_TAIL_RESAMPLES - 1) + 1) / (size + 1))
    p = 2 * stats.t.cdf(min(z, 0.0) * math.sqrt((units - 1) / units), units - 1)
    if extreme < MIN_TAIL_RESAMPLES:
        error = drawn.std(ddof=1) * math.sqrt(units / (units - 1))
        p = min(p, 2 * stats.t.sf(abs(estimate) / error, units - 1)) if error else p
    assert bootstrap_p_value(estimate, drawn, units) == pytest.approx(min(p, 1.0), rel=1e-9)


@pytest.mark.parametrize("value", [0.1, 0.5, 0.83])
@pytest.mark.parametrize("units", [5, 20, 200])
def test_a_metric_gets_students_interval_of_its_log_odds(value: float, units: int) -> None:
    drawn = np.clip(np.random.default_rng(2).normal(value, 0.04, 2000), 0.02, 0.98)
    odds = [math.log(share / (1 - share)) for share in np.clip(drawn, 0.1 / units, 1 - 0.1 / units)]
    error = np.std(odds, ddof=1) * math.sqrt(units / (units - 1))
    reach = stats.t.ppf(0.975, units - 1) * error
    centre = math.log(value / (1 - value))
    wanted = [1 / (1 + math.exp(-(centre + sign * reach))) for sign in (-1, 1)]
    assert share_interval(value, drawn, units, 0.95) == pytest.approx(wanted)


def test_a_metric_at_an_end_has_the_bound_of_a_share_without_exceptions() -> None:
    for end in (0.0, 1.0):
        low, high = share_interval(end, np.full(500, end), 20, 0.95)
        exact = stats.binomtest(round(20 * end), 20).proportion_ci(0.95)
        assert (low, high) == pytest.approx((exact.low, exact.high))
    assert share_interval(0.4, np.array([0.4, 0.5]), 1, 0.95) == (0.0, 1.0)
    assert share_interval(0.4, np.full(9, np.nan), 30, 0.95) == (0.0, 1.0)


@pytest.mark.slow
def test_the_interval_of_a_metric_near_its_end_misses_less_often_than_percentiles_do() -> None:
    """Twenty anomalies and a good detector: where percentiles miss one in ten."""
    quality, draws = 0.95, 150
    distance = math.sqrt(2) * stats.norm.ppf(quality)
    truth = np.repeat([1, 0], [20, 480])
    missed = np.zeros(2)
    for seed in range(draws):
        scores = distance * truth + np.random.default_rng([5, seed]).normal(size=500)
        ranking = Ranking(truth, scores)
        drawn = bootstrap_metrics([ranking], ("roc_auc",), 400, seed)[:, 0, 0]
        ours = share_interval(ranking.value("roc_auc"), drawn, 20, 0.95)
        for place, (low, high) in enumerate((ours, np.quantile(drawn, [0.025, 0.975]))):
            missed[place] += not low <= quality <= high
    assert missed[0] / draws <= 0.08
    assert missed[0] < missed[1]
