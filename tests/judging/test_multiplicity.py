"""Corrections against SciPy and the naive twin."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from pynomaly.judging.multiplicity import benjamini_hochberg, holm
from tests import naive

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(p_values)
def test_benjamini_hochberg_is_scipys(values: list[float]) -> None:
    assert benjamini_hochberg(values) == pytest.approx(list(false_discovery_control(values)))


@given(p_values)
def test_holm_is_the_step_down_procedure(values: list[float]) -> None:
    assert holm(values) == pytest.approx(naive.holm(values))


def test_what_was_not_tested_costs_nothing() -> None:
    for correct in (holm, benjamini_hochberg):
        first, second = correct([math.nan, 0.03])
        assert math.isnan(first)
        assert second == 0.03
        assert correct([]) == []
