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
from pynomaly.judging.drift.uniformity import BINS, P_VALUE_LEVELS, measure_uniformity

values = st.floats(-1e9, 1e9, allow_nan=False)


def compare_with_scipy(p_values: list[float], confidence: float = 0.95) -> None:
    uniformity = measure_uniformity(p_values, confidence)
    assert uniformity.confidence == confidence
    assert uniformity.rows == sum(uniformity.counts) == len(p_values)
    assert list(uniformity.counts) == [
        sum(min(int(p * BINS), BINS - 1) == place for p in p_values) for place in range(BINS)
    ]
    assert [item.level for item in uniformity.levels] == list(P_VALUE_LEVELS)
    for item in uniformity.levels:
        below = sum(p <= item.level for p in p_values)
        exact = binomtest(below, len(p_values)).proportion_ci(confidence, method="exact")
        assert item.share == below / len(p_values)
        assert (item.low, item.high) == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert uniformity.distance == pytest.approx(kstest(p_values, "uniform").statistic, abs=1e-12)


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_shares_intervals_and_distance_are_scipy_s(p_values) -> None:
    # Parts of equal width are not exact in binary: values away from their borders are counted by hand.
    compare_with_scipy([p for p in p_values if abs(p * BINS - round(p * BINS)) > 1e-9] or [0.5 / BINS])


@pytest.mark.parametrize("confidence", [0.95, 0.8])
@pytest.mark.parametrize(
    "p_values",
    [
        [0.0],
        [1.0],
        [0.01, 0.01, 0.01, 0.9],
        [0.5, 0.2, 0.1, 0.05, 0.02, 0.005, 0.002, 0.001],  # each at a level: at most, not below
        [0.03, 0.08, 0.23, 0.41, 0.66, 0.97],
    ],
)
def test_a_few_p_values_by_hand_and_scipy(p_values: list[float], confidence: float) -> None:
    compare_with_scipy(p_values, confidence)


def test_what_is_not_finite_is_left_out_and_the_rest_is_plain() -> None:
    measured = measure_uniformity(["0.25", np.nan, 0.75, np.inf])
    assert measured.rows == 2
    assert measured.distance == 0.25
    content = measured.to_dict()
    assert (content["rows"], content["confidence"], content["levels"][0]["share"]) == (2, 0.95, 0.5)


def test_no_p_value_is_no_level() -> None:
    empty = measure_uniformity([np.nan], 0.9)
    assert empty.confidence == 0.9
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


def test_bins_are_shared_and_hold_what_numpy_counts() -> None:
    groups = {"a": [0.0, 0.1, 0.1, 1.0], "b": [0.5, 2.0, 4.0, 4.0, np.nan]}
    histogram = bin_scores(groups)
    edges = np.linspace(0, 4, HISTOGRAM_BINS + 1)
    assert histogram["edges"] == pytest.approx(edges)
    for name, finite in (("a", groups["a"]), ("b", groups["b"][:4])):
        assert histogram["counts"][name] == np.histogram(finite, edges)[0].tolist()
    assert (histogram["first"], histogram["last"]) == (0.0, 4.0)


def test_the_bins_end_ten_interquartile_ranges_from_the_quartiles_and_no_later_than_the_scores() -> None:
    middle = [1.0, 2.0, 3.0, 4.0, 5.0]  # quartiles 2 and 4
    wide = bin_scores({"a": [*middle * 20, -1000.0, 1000.0]})
    assert (wide["edges"][0], wide["edges"][-1]) == (-18.0, 24.0)
    assert (wide["counts"]["a"][0], wide["counts"]["a"][-1]) == (1, 1)
    one_sided = bin_scores({"a": [*middle * 20, 1000.0]})
    assert (one_sided["edges"][0], one_sided["edges"][-1]) == (1.0, 24.0)


def test_scores_of_one_value_have_a_bin_of_their_own_and_none_are_none() -> None:
    one = bin_scores({"a": [3.0, 3.0]})
    assert (one["edges"][0], one["edges"][-1]) == (2.5, 3.5)
    assert sum(one["counts"]["a"]) == 2
    nothing = {"edges": [], "counts": {}, "not_finite": {"a": 1}, "first": None, "last": None}
    assert bin_scores({"a": [np.nan]}) == nothing
    assert bin_scores({}) == nothing | {"not_finite": {}}


def test_a_curve_that_bends_keeps_points_evenly_along_its_length() -> None:
    x = np.concatenate([np.linspace(0, 1, 2000), np.ones(100)])
    y = np.concatenate([np.zeros(2000), np.linspace(0, 1, 100)])
    a, b = thin_curve(x, y)
    assert (a[0], b[0], a[-1], b[-1]) == (0, 0, 1, 1)
    flat = sum(value == 0 for value in b)
    assert abs(flat - CURVE_POINTS / 2) <= 1
    assert thin_curve([0.123456, 0.5], [0.654321, 1.0]) == ([0.1235, 0.5], [0.6543, 1.0])
    exact = np.linspace(0, 1, CURVE_POINTS)
    assert len(thin_curve(exact, exact)[0]) == CURVE_POINTS


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
    assert count_over_time([0, 10], ["5"], [1]) == [(1, 1)]
