"""The front against its definition; what is cheaper has to be cheaper in something and dearer in nothing."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly import config
from pynomaly.judging.comparison.choice import choose_candidate
from pynomaly.judging.comparison.evidence import Evidence
from pynomaly.judging.comparison.pareto import CandidateCost, describe_savings, find_pareto_front
from tests import naive

small = st.integers(0, 3).map(float)
points = st.lists(st.tuples(small, small, small, small), min_size=1, max_size=8)


@given(points)
def test_the_front_is_what_nothing_beats(rows: list[tuple[float, float, float, float]]) -> None:
    quality = {str(at): row[0] for at, row in enumerate(rows)}
    costs = {str(at): CandidateCost(*row[1:]) for at, row in enumerate(rows)}
    wanted = naive.pareto_front([(-row[0], *row[1:]) for row in rows])
    assert find_pareto_front(quality, costs) == tuple(str(at) for at in wanted)


def test_what_was_not_computed_or_not_measured_is_on_no_front() -> None:
    quality = {"a": float("nan"), "b": 0.5, "c": 0.9}
    assert find_pareto_front(quality, {"a": CandidateCost(0, 0, 0), "b": CandidateCost(1, 1, 1)}) == ("b",)


@pytest.mark.parametrize(
    ("cost", "savings"),
    [
        (CandidateCost(5, 1, 1), "fit s 5 instead of 10"),
        (CandidateCost(10, 0.4, 0.5), "score s 0.4 instead of 1, MB 0.5 instead of 1"),
        (CandidateCost(6, 0.6, 0.6), ""),
        (CandidateCost(1, 1.01, 0.1), ""),
        (CandidateCost(10, 1, 1), ""),
        (CandidateCost(0, 0, 0), "fit s 0 instead of 10, score s 0 instead of 1, MB 0 instead of 1"),
    ],
)
def test_cheaper_says_in_what(cost: CandidateCost, savings: str) -> None:
    assert describe_savings(CandidateCost(10, 1, 1), cost) == savings
    assert describe_savings(CandidateCost(0, 0, 0), CandidateCost(0, 0, 0)) == ""
    assert len(astuple(cost)) == 3


def test_the_choice_names_what_is_as_good_for_less_and_keeps_its_winner() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([1, 0], [200, 2000])
    good = 2 * truth + rng.normal(size=2200)
    scores = {"slow": good, "quick": good + 0.01 * rng.normal(size=2200), "poor": rng.normal(size=2200)}
    costs = {
        "slow": CandidateCost(10, 1, 5),
        "quick": CandidateCost(1, 1, 5),
        "poor": CandidateCost(0.1, 0.1, 0.1),
    }
    settings = config.Comparison(resamples=300)
    choice = choose_candidate(Evidence(truth), scores, settings, baseline="slow", costs=costs)
    assert choice.winner == "slow"
    assert choice.cheaper == ("quick",)
    assert choice.reasons[-1] == "quick is no worse than slow and cheaper: fit s 1 instead of 10"
    rows = {row["candidate"]: row for row in choice.table}
    assert rows["slow"]["fit_seconds"] == 10
    assert rows["poor"]["front"]
    assert choice.ranks is not None
    assert choice.ranks.mean_ranks[2] == 3
