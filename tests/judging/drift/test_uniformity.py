"""Shares of p-values and their intervals, and what is kept of scores and curves for a page."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, kstest

from pynomaly.judging.curve_shapes import (
    CURVE_POINTS,
    HISTOGRAM_BINS,
    bin_scores,
    count_over_time,
    thin_curve,
)
from pynomaly.judging.drift.uniformity import P_VALUE_LEVELS, measure_uniformity

values = st.floats(-1e9, 1e9, allow_nan=False)


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_shares_intervals_and_distance_are_scipy_s(p_values) -> None:
    uniformity = measure_uniformity(p_values)
    assert uniformity.rows == sum(uniformity.counts) == len(p_values)
    assert [item.level for item in uniformity.levels] == list(P_VALUE_LEVELS)
    for item in uniformity.levels:
        below = sum(p <= item.level for p in p_values)
        exact = binomtest(below, len(p_values)).proportion_ci(0.95, method="exact")
        assert item.share == below / len(p_values)
        assert (item.low, item.high) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert uniformity.distance == pytest.approx(kstest(p_values, "uniform").statistic, abs=1e-12)


def test_no_p_value_is_no_level() -> None:
    empty = measure_uniformity([np.nan])
    assert (empty.rows, empty.levels, empty.distance, sum(empty.counts)) == (
        0,
        (),
        None,
        0,
    )


@given(st.lists(values, max_size=60), st.lists(values | st.just(np.inf) | st.just(np.nan), max_size=60))
def test_every_score_is_counted_once(first, second) -> None:
    histogram = bin_scores({"a": first, "b": second})
    lost = sum(not np.isfinite(value) for value in second)
    assert histogram["not_finite"] == {"a": 0, "b": lost}
    if len(first) + len(second) == lost:
        assert histogram["edges"] == []
        return
    assert len(histogram["edges"]) == HISTOGRAM_BINS + 1
    assert sum(histogram["counts"]["a"]) == len(first)
    assert sum(histogram["counts"]["b"]) == len(second) - lost


def test_a_few_huge_scores_leave_the_rest_to_be_seen() -> None:
    histogram = bin_scores({"a": [*np.linspace(0, 1, 1000), 1e9]})
    assert histogram["edges"][-1] < 10
    assert histogram["counts"]["a"][-1] == 1
    assert histogram["last"] == 1e9


@given(st.integers(1, 3000))
def test_a_curve_in_small_keeps_its_ends_and_its_order(n) -> None:
    x = np.linspace(0, 1, n)
    a, b = thin_curve(x, 1 - x)
    assert len(a) == len(b) <= CURVE_POINTS + 2
    assert (a[0], a[-1], b[-1]) == (0, round(float(x[-1]), 4), round(float(1 - x[-1]), 4))
    assert a == sorted(a)


def test_rows_and_alerts_of_parts_of_time() -> None:
    counts = count_over_time([0, 10, 20], [0, 5, 10, 19, 20, 99], [True, False, False, True, False, True])
    assert counts == [(2, 1), (3, 1)]  # the last part holds its end
