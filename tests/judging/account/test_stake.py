"""A stake is fair while a promise holds, grows when it is broken, and goes on from where it ended."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.judging.account.stake import Stake
from tests.naive import naive_stake

RATIOS = st.lists(st.floats(0, 3), max_size=30)


@given(RATIOS)
def test_it_is_the_mixture_over_starts_and_parts(ratios: list[float]) -> None:
    stake = Stake()
    for count, ratio in enumerate(ratios, 1):
        stake = stake.bet([ratio])
        at_stake = sum(math.exp(log) for log in stake.logs) + 1 / (count + 1)  # what has not joined yet
        assert at_stake == pytest.approx(naive_stake(ratios[:count]), rel=1e-9)
    assert stake.largest == pytest.approx(
        max([1.0, *(naive_stake(ratios[:count]) for count in range(1, len(ratios) + 1))]), rel=1e-9
    )


@given(RATIOS, st.integers(0, 30))
def test_it_goes_on_from_what_was_written_down(ratios: list[float], at: int) -> None:
    first = Stake.from_dict(Stake().bet(ratios[:at]).to_dict())
    assert first.bet(ratios[at:]) == Stake().bet(ratios)


def test_fair_observations_keep_it_and_broken_promises_make_it_grow() -> None:
    rng, alpha = np.random.default_rng(3), 0.05
    fair = [Stake().bet(rng.choice([0.0, 3.0], size=400, p=[2 / 3, 1 / 3])) for _ in range(400)]
    assert sum(stake.reaches(alpha) for stake in fair) <= 20 + 2 * math.sqrt(20)
    late = Stake().bet(rng.choice([0.0, 3.0], size=400, p=[0.9, 0.1]))
    assert late.largest < 2
    assert late.bet(rng.choice([0.0, 3.0], size=100, p=[0.3, 0.7])).reaches(0.001)


def test_it_neither_overflows_nor_starts_below_one() -> None:
    assert Stake().largest == 1.0
    assert math.isfinite(Stake().bet([3.0] * 2000).largest)
    assert Stake.from_dict(None) == Stake()
