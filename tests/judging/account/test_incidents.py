"""Incidents count once by block, and are bet on against a lower bound of what was caught before."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pynomaly.judging.account.incidents import bet_on_catches, bound_misses, judge_incidents
from pynomaly.judging.account.stake import Stake
from pynomaly.judging.comparison.evidence import find_catches


def test_an_incident_is_caught_by_one_of_its_rows() -> None:
    units = [0, 0, 1, 1, 2, 2, 3]
    truth = [1, 1, 1, 0, 1, 1, 0]
    alerted = [False, True, False, True, False, False, True]
    assert find_catches(units, truth, alerted) == [True, False, False]
    assert find_catches([], [], []) == []


@pytest.mark.parametrize(("caught", "incidents"), [(0, 5), (3, 5), (5, 5), (90, 100)])
def test_the_bound_is_that_of_clopper_and_pearson(caught: int, incidents: int) -> None:
    exact = stats.binomtest(caught, incidents, alternative="greater").proportion_ci(0.99, "exact").low
    assert bound_misses(caught, incidents, 0.01) == pytest.approx(1 - exact)


@pytest.mark.parametrize(
    ("caught", "incidents", "state"), [(0, 22, "not_computable"), (2, 2, "not_computable"), (9, 10, "holds")]
)
def test_a_promise_that_cannot_be_broken_is_not_said_to_hold(caught: int, incidents: int, state: str) -> None:
    promise = [True] * caught + [False] * (incidents - caught)
    guarantee = judge_incidents(Stake(), 0.005, promise, bound_misses(caught, incidents, 0.0025))
    assert guarantee.state == state
    assert ("100 missed incidents in a row would not break that" in guarantee.reasons[0]) == (
        state != "holds"
    )


def test_a_champion_that_misses_what_it_caught_loses_the_promise() -> None:
    rng, promise = np.random.default_rng(5), [True] * 36 + [False] * 4
    misses = bound_misses(36, 40, 0.0025)
    kept = bet_on_catches(Stake(), list(rng.random(60) < 0.9), misses)
    assert judge_incidents(kept, 0.005, promise, misses).state == "holds"
    lost = bet_on_catches(Stake(), list(rng.random(60) < 0.3), misses)
    guarantee = judge_incidents(lost, 0.005, promise, misses)
    assert guarantee.state == "withdrawn"
    assert "of the 40 that judged it, 36 were caught" in guarantee.reasons[0]
