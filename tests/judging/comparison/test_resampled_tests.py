"""The corrected t-test: against its naive twin, SciPy in the limit, and on folds that overlap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pynomaly.errors import DataError
from pynomaly.judging.comparison.resampled_tests import corrected_t_test
from tests import naive


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.floats(0.01, 2))
def test_statistic_is_the_naive_one(differences: list[float], share: float) -> None:
    result = corrected_t_test(differences, share)
    t = naive.corrected_t(differences, share)
    if math.isfinite(t):
        assert result.p_value == pytest.approx(2 * stats.t.sf(abs(t), len(differences) - 1), abs=1e-9)
        assert (result.low > 0 or result.high < 0) == (result.p_value < 0.05)
    else:
        assert result.p_value == float(result.difference == 0)


def test_without_overlap_it_is_students() -> None:
    differences = np.random.default_rng(0).normal(0.3, 1, 20)
    student = stats.ttest_1samp(differences, 0)
    result = corrected_t_test(list(differences), 1e-12)
    assert result.p_value == pytest.approx(student.pvalue)
    wanted = student.confidence_interval(0.95)
    assert (result.low, result.high) == pytest.approx((wanted.low, wanted.high))


def test_overlapping_folds_of_noise_are_seldom_a_difference() -> None:
    """Repeated halves of the same few rows: the plain test finds a difference in most samples of noise."""
    rng = np.random.default_rng(1)
    plain = corrected = 0
    for _ in range(200):
        rows = rng.normal(size=40)
        means = [rows[rng.permutation(40)[:20]].mean() for _ in range(30)]
        plain += stats.ttest_1samp(means, 0).pvalue < 0.05
        corrected += corrected_t_test(means, 1.0).p_value < 0.05
    assert plain >= 80
    assert corrected <= 20


@pytest.mark.parametrize(
    ("differences", "share"),
    [([], 0.5), ([0.1], 0.5), ([0.1, math.nan], 0.5), ([0.1, 0.2], 0.0), ([0.1, 0.2], math.nan)],
)
def test_what_is_no_test_is_refused(differences: list[float], share: float) -> None:
    with pytest.raises(DataError, match="not allowed"):
        corrected_t_test(differences, share)


def test_a_test_is_plain_and_says_on_what_it_rests() -> None:
    content = corrected_t_test([0, 1, 2], 0.5, level=0.9).to_dict()
    assert (content["folds"], content["share"], content["level"], content["difference"]) == (3, 0.5, 0.9, 1.0)
