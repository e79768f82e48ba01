"""Two-sample tests on sketches against SciPy on the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, ks_2samp

from pynomaly.judging.drift.columns.two_sample_tests import (
    kolmogorov_smirnov,
    share_difference,
    total_variation,
)
from pynomaly.model.sketch.sketch import CategorySketch, NumericSketch

values = st.lists(st.integers(-20, 20), min_size=2, max_size=100)


def categories(names: list[str] | np.ndarray) -> CategorySketch:
    return CategorySketch.of(pd.Series(names, dtype=object))


@settings(deadline=None)
@given(values, values)
def test_few_values_give_scipys_statistic_and_p_value(first: list[int], second: list[int]) -> None:
    expected = ks_2samp(first, second, method="asymp")
    distance, p_value = kolmogorov_smirnov(NumericSketch.of(first), NumericSketch.of(second))
    assert distance == pytest.approx(expected.statistic, abs=1e-12)
    assert p_value == pytest.approx(expected.pvalue, abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.2, 1.0, 5.0])
@pytest.mark.parametrize("sizes", [(300, 300), (5000, 1000), (50_000, 700)])
def test_many_values_are_never_overstated(shift: float, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=sizes[0]), rng.normal(size=sizes[1]) + shift
    exact = ks_2samp(first, second).statistic
    distance, _ = kolmogorov_smirnov(NumericSketch.of(first), NumericSketch.of(second))
    assert exact - 1 / 128 <= distance <= exact + 1e-12


def test_total_variation_and_chi_square_without_rare_categories() -> None:
    first, second = ["a"] * 400 + ["b"] * 600, ["a"] * 900 + ["b"] * 1100
    expected = chi2_contingency([[400, 600], [900, 1100]], correction=False)
    distance, p_value = total_variation(categories(first), categories(second))
    assert p_value == pytest.approx(expected.pvalue)
    assert distance == pytest.approx(0.05, abs=0.006)


def test_disjoint_categories_are_as_far_apart_as_can_be() -> None:
    distance, p_value = total_variation(categories(["a"] * 2000), categories(["b"] * 2000))
    assert distance == pytest.approx(1, abs=1e-3)
    assert p_value < 1e-100


def test_a_single_category_is_no_test() -> None:
    assert total_variation(categories(["a"] * 10), categories(["a"] * 20)) == (0.0, 1.0)


def test_more_categories_than_a_sketch_keeps_are_no_news() -> None:
    rng = np.random.default_rng(1)
    names = np.array([f"c{i}" for i in range(1000)])
    reference = categories(rng.choice(names, 50_000))
    assert reference.hashed
    rejected = 0
    for _ in range(100):
        distance, p_value = total_variation(reference, categories(rng.choice(names, 2000)))
        rejected += p_value < 0.05
        assert distance < 0.15
    assert rejected <= 12  # three standard errors above 5 %
    half = categories(rng.choice(names[:500], 2000))
    distance, p_value = total_variation(reference, half)
    assert p_value < 1e-10
    assert 0.1 < distance < 0.5  # some buckets hold categories of both halves


@pytest.mark.parametrize("k", [2, 5, 30, 100])
@pytest.mark.parametrize("skewed", [False, True])
def test_chi_square_keeps_its_level_with_rare_categories(k: int, skewed: bool) -> None:
    rng = np.random.default_rng(2)
    chances = 1 / np.arange(1, k + 1) if skewed else np.ones(k)
    chances = chances / chances.sum()
    names = [f"c{i}" for i in range(k)]
    rejected = 0
    for _ in range(300):
        first, second = rng.multinomial(1000, chances), rng.multinomial(200, chances)
        sketches = [
            CategorySketch(
                int(counts.sum()), 0, {n: int(c) for n, c in zip(names, counts, strict=True) if c}, 0
            )
            for counts in (first, second)
        ]
        rejected += total_variation(*sketches)[1] < 0.05
    assert rejected <= 27  # 9 %: three standard errors above 5 % in 300


def test_true_changes_in_many_categories_are_seen() -> None:
    rng = np.random.default_rng(3)
    names = np.array([f"c{i:03d}" for i in range(100)])
    moved = np.repeat([1.8, 0.2], 50) / 100
    distance, p_value = total_variation(
        categories(rng.choice(names, 5000)), categories(rng.choice(names, 500, p=moved))
    )
    assert p_value < 1e-6
    assert distance == pytest.approx(0.4, abs=0.08)


@given(st.integers(0, 50), st.integers(0, 50))
def test_share_difference_is_the_two_by_two_chi_square(hits: int, others: int) -> None:
    difference, p_value = share_difference(hits, 200, others, 100)
    assert difference == pytest.approx(abs(hits / 200 - others / 100))
    if hits + others:
        table = [[hits, 200 - hits], [others, 100 - others]]
        assert p_value == pytest.approx(chi2_contingency(table, correction=False).pvalue)
    else:
        assert p_value == 1.0


def test_rare_categories_are_pooled_in_order_and_the_rest_joins_the_first_cell() -> None:
    """Six rows of each category make three expected ones a side: two a cell, and the fifth has no partner."""
    sides = [{"a": 1, "b": 2, "c": 5, "d": 4, "e": 3}, {"a": 5, "b": 4, "c": 1, "d": 2, "e": 3}]
    first, second = (categories([name for name in side for _ in range(side[name])]) for side in sides)
    expected = chi2_contingency([[6, 9], [12, 3]], correction=False)
    assert total_variation(first, second)[1] == pytest.approx(expected.pvalue)
