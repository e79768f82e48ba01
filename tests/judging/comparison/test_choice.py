"""The choice among candidates: what refits and the number of candidates take away, and what is reported."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pynomaly import config
from pynomaly.judging.comparison.choice import CandidateChoice, choose_candidate
from pynomaly.judging.comparison.compare import VerdictOutcome, compare_scores
from pynomaly.judging.comparison.evaluation import roc_auc
from pynomaly.judging.comparison.evidence import Evidence
from pynomaly.judging.comparison.pareto import CandidateCost
from pynomaly.judging.comparison.resampled_tests import FoldTest
from tests.judging.comparison.test_compare import SETTINGS, world

AGREES = FoldTest(0.1, 0.05, 0.15, 0.001, folds=10, share=0.25, level=0.95)
TRUTH, WEAK, GOOD, NOISE = world()


def choose_over_refits(folds: dict[str, FoldTest]) -> CandidateChoice:
    scores = {"weak": WEAK, "good": GOOD, "noise": NOISE}
    return choose_candidate(Evidence(TRUTH), scores, SETTINGS, baseline="weak", folds=folds)


def test_a_gain_that_refits_confirm_is_taken_and_says_so() -> None:
    choice = choose_over_refits({"good": AGREES})
    assert choice.winner == "good"
    assert choice.reasons[-1] == "refits agree: it differs by +0.100 over 10 refits, p = 0.001"
    assert choice.folds == {"good": AGREES}


@pytest.mark.parametrize(
    ("folds", "summary"),
    [
        ({}, "it was not refitted"),
        ({"noise": AGREES}, "it was not refitted"),
        ({"good": replace(AGREES, difference=-0.1)}, "it differs by -0.100 over 10 refits, p = 0.001"),
        ({"good": replace(AGREES, difference=0.0)}, "it differs by +0.000 over 10 refits, p = 0.001"),
        ({"good": replace(AGREES, p_value=1 - SETTINGS.confidence)}, "p = 0.05"),  # the border itself
        (
            {name: replace(AGREES, p_value=0.03) for name in ("good", "noise")},
            "it differs by +0.100 over 10 refits, p = 0.06",  # corrected for two
        ),
    ],
)
def test_a_gain_that_refits_do_not_confirm_is_no_gain(folds: dict[str, FoldTest], summary: str) -> None:
    choice = choose_over_refits(folds)
    assert choice.winner == "weak"
    verdict = next(one for one in choice.verdicts if one.challenger == "good")
    assert verdict.outcome is VerdictOutcome.NON_INFERIOR
    assert len(verdict.reasons) == 2
    assert verdict.reasons[-1].startswith("superior on the judged rows, but it ")
    assert verdict.reasons[-1].endswith(summary)
    noise = next(one for one in choice.verdicts if one.challenger == "noise")
    assert noise.outcome is VerdictOutcome.INFERIOR


def test_a_gain_that_is_certain_alone_may_not_be_so_among_many() -> None:
    rng = np.random.default_rng(3)
    shared = rng.normal(size=1000)
    base = TRUTH + shared + 0.3 * rng.normal(size=1000)
    step = TRUTH * rng.normal(size=1000)
    settings = config.Comparison(metric="roc_auc", resamples=1000, min_improvement=0)
    for gain in np.linspace(0.05, 0.6, 40):
        better = base + gain * TRUTH + 0.5 * step
        alone = compare_scores(Evidence(TRUTH), base, better, settings)
        if alone.outcome is VerdictOutcome.SUPERIOR:
            break
    assert 0.05 / 4 < alone.p_value < 0.05
    others = {f"noise{place}": rng.normal(size=1000) + TRUTH for place in range(5)}
    one = choose_candidate(Evidence(TRUTH), {"base": base, "better": better}, settings, baseline="base")
    assert one.winner == "better"
    many = choose_candidate(
        Evidence(TRUTH), {"base": base, "better": better} | others, settings, baseline="base"
    )
    verdict = many.verdicts[0]
    assert (many.winner, verdict.outcome) == ("base", VerdictOutcome.NON_INFERIOR)
    assert (verdict.challenger, verdict.champion_value) == ("better", pytest.approx(roc_auc(TRUTH, base)))
    assert verdict.p_value >= alone.p_value
    assert verdict.reasons[1].startswith("the gain does not survive Holm's correction (p = ")
    assert verdict.reasons[1].endswith("needed: below 0.05)")


def test_a_candidate_without_costs_has_a_row_without_them() -> None:
    costs = {"weak": CandidateCost(1.0, 2.0, 3.0)}
    scores = {"weak": WEAK, "good": GOOD}
    weak, good = choose_candidate(Evidence(TRUTH), scores, SETTINGS, baseline="weak", costs=costs).table
    assert [weak[name] for name in ("fit_seconds", "score_seconds", "megabytes")] == [1.0, 2.0, 3.0]
    assert all(math.isnan(good[name]) for name in ("fit_seconds", "score_seconds", "megabytes"))
    assert (weak["front"], good["front"]) == (True, False)


def test_a_verdict_names_of_how_many_it_is_the_best_and_has_the_other_metrics_of_both() -> None:
    verdict = compare_scores(Evidence(TRUTH), WEAK, GOOD, SETTINGS, among=3)
    assert verdict.reasons[0].endswith("rows (labels); the best of 3")
    assert not compare_scores(Evidence(TRUTH), WEAK, GOOD, SETTINGS).reasons[0].endswith("3")
    beside = next(one for one in verdict.beside if one.metric == "roc_auc")
    values = [roc_auc(TRUTH, WEAK), roc_auc(TRUTH, GOOD)]
    assert [beside.champion_value, beside.challenger_value] == pytest.approx(values)
    assert beside.difference == pytest.approx(values[1] - values[0])
    assert verdict.level == pytest.approx(1 - 0.05 / 3)
