"""The rule by kind: one kind alone makes no winner, and what is lost is named."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pynomaly import config
from pynomaly.judging.comparison.by_anomaly_kind import (
    KindComparison,
    compare_by_part,
    explain_one_sided_gain,
)
from pynomaly.judging.comparison.choice import choose_candidate
from pynomaly.judging.comparison.compare import Verdict, VerdictOutcome, compare_scores
from pynomaly.judging.comparison.evaluation import roc_auc
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.injected.anomalies import InjectedAnomalies
from pynomaly.judging.comparison.injection import ANOMALY_KINDS

SETTINGS = config.Comparison(metric="roc_auc", resamples=400)


def world(
    gains: dict[str, float], each: int = 40, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, InjectedAnomalies]:
    """Truth, champion and challenger scores: the challenger sees each kind better by its gain."""
    rng = np.random.default_rng(seed)
    kinds = np.concatenate([np.repeat(ANOMALY_KINDS, each), np.repeat("", 1200)]).astype(object)
    truth = (kinds != "").astype(int)
    sizes = np.where(truth == 1, np.resize(np.array(["0.5", "1"], dtype=object), truth.size), "")
    shared = rng.normal(size=truth.size)
    champion = 0.6 * truth + shared + 0.4 * rng.normal(size=truth.size)
    lift = np.array([gains.get(kind, 0.0) for kind in kinds])
    return (
        truth,
        champion,
        champion + lift + 0.3 * rng.normal(size=truth.size),
        InjectedAnomalies(kinds, sizes),
    )


def judge(gains: dict[str, float], *, known: bool = True, rung: Rung = Rung.INJECTED) -> Verdict:
    truth, champion, challenger, injected = world(gains)
    return compare_scores(
        Evidence(truth, rung=rung, injected=injected if known else None),
        champion,
        challenger,
        SETTINGS,
        seed=1,
    )


def test_a_gain_on_all_kinds_is_superior_and_named_by_kind() -> None:
    verdict = judge(dict.fromkeys(ANOMALY_KINDS, 1.0))
    assert verdict.outcome is VerdictOutcome.SUPERIOR
    assert [part.name for part in verdict.kinds] == sorted(ANOMALY_KINDS)
    assert [part.name for part in verdict.sizes] == ["0.5", "1"]
    assert all(part.positives == 40 and part.low > 0 for part in verdict.kinds)
    assert any(reason.startswith("by kind: cluster +") for reason in verdict.reasons)
    json.dumps(verdict.to_dict(), allow_nan=False)


def test_a_kind_that_is_lost_takes_superiority_away() -> None:
    gains = {"global": 2.0, "cluster": 2.0, "dependency": 2.0, "local": -0.9}
    assert judge(gains, known=False).outcome is VerdictOutcome.SUPERIOR
    verdict = judge(gains)
    assert verdict.outcome is VerdictOutcome.INCONCLUSIVE
    assert not verdict.promotes
    assert "lost on local -" in verdict.reasons[1]


def test_one_kind_alone_makes_no_winner_while_another_is_behind() -> None:
    gains = {"cluster": 4.0}
    assert judge(gains, known=False).outcome is VerdictOutcome.SUPERIOR
    verdict = judge(gains)
    assert verdict.outcome is VerdictOutcome.INCONCLUSIVE
    assert "gain is of cluster anomalies alone (-" in verdict.reasons[1]


def test_one_kind_alone_is_enough_where_nothing_is_lost() -> None:
    assert judge(dict.fromkeys(ANOMALY_KINDS, 0.1) | {"cluster": 4.0}).outcome is VerdictOutcome.SUPERIOR


def test_labels_are_not_judged_by_kind() -> None:
    verdict = judge({"global": 4.0, "local": -1.5}, rung=Rung.LABELS)
    assert verdict.kinds == ()


def test_a_kind_of_few_has_figures_and_no_interval() -> None:
    truth, champion, challenger, injected = world(dict.fromkeys(ANOMALY_KINDS, 1.0))
    injected.kinds[np.flatnonzero(injected.kinds == "local")[3:]] = "global"
    verdict = compare_scores(
        Evidence(truth, rung=Rung.INJECTED, injected=injected), champion, challenger, SETTINGS
    )
    few = next(part for part in verdict.kinds if part.name == "local")
    assert few.positives == 3
    assert np.isnan(few.low)
    assert np.isfinite(few.difference)


def test_the_choice_among_candidates_keeps_the_same_rule() -> None:
    truth, champion, challenger, injected = world({"global": 3.0, "cluster": 3.0, "local": -0.9})
    scores = {"baseline": champion, "one-sided": challenger}
    blind = choose_candidate(Evidence(truth, rung=Rung.INJECTED), scores, SETTINGS, baseline="baseline")
    assert blind.winner == "one-sided"
    choice = choose_candidate(
        Evidence(truth, rung=Rung.INJECTED, injected=injected), scores, SETTINGS, baseline="baseline"
    )
    assert choice.winner == "baseline"
    assert any("lost on local" in reason for reason in choice.verdicts[0].reasons)


def test_a_kind_that_counts_little_does_not_object() -> None:
    truth, champion, challenger, injected = world({"global": 3.0, "cluster": 3.0, "local": -0.9})
    weights = np.where(injected.kinds == "local", 0.02, 1.0) * (truth == 1)
    outcomes = {}
    for name, given in {"equal": np.where(truth == 1, 1.0, 0.0), "light": weights}.items():
        weighed = replace(injected, weights=given, prevalence=0.1)
        evidence = Evidence(truth, rung=Rung.INJECTED, injected=weighed)
        verdict = compare_scores(evidence, champion, challenger, SETTINGS, seed=1)
        outcomes[name] = verdict.outcome
        assert {part.name for part in verdict.kinds} == set(ANOMALY_KINDS), "it is reported all the same"
    assert outcomes == {"equal": VerdictOutcome.INCONCLUSIVE, "light": VerdictOutcome.SUPERIOR}


def test_the_verdict_says_what_no_anomaly_asks_for() -> None:
    truth, champion, challenger, injected = world(dict.fromkeys(ANOMALY_KINDS, 1.0))
    injected = replace(
        injected, note="values do not depend on the hour, so no injected anomaly asks for that"
    )
    evidence = Evidence(truth, rung=Rung.INJECTED, injected=injected)
    verdict = compare_scores(evidence, champion, challenger, SETTINGS)
    assert injected.note in verdict.reasons
    assert verdict.reasons[-1].startswith("by kind: ")


def test_candidates_that_lie_within_their_intervals_are_said_to_be_alike() -> None:
    truth, champion, _, injected = world({})
    scores = {"first": champion, "second": champion + 0.01 * np.random.default_rng(5).normal(size=truth.size)}
    evidence = Evidence(truth, rung=Rung.INJECTED, injected=injected)
    choice = choose_candidate(evidence, scores, SETTINGS, baseline="first")
    assert any("do not tell the candidates apart" in reason for reason in choice.reasons)
    by_labels = choose_candidate(Evidence(truth), scores, SETTINGS, baseline="first")
    assert not any("tell the candidates apart" in reason for reason in by_labels.reasons)


@pytest.mark.parametrize("metric", ["average_precision", "roc_auc", "recall_at_budget", "saved_cost"])
def test_any_metric_decides_and_the_others_stand_beside_it(metric: str) -> None:
    truth, champion, challenger, _ = world(dict.fromkeys(ANOMALY_KINDS, 1.5))
    settings = config.Comparison(metric=metric, resamples=400)
    verdict = compare_scores(Evidence(truth), champion, challenger, settings)
    assert verdict.outcome is VerdictOutcome.SUPERIOR
    assert {beside.metric for beside in verdict.beside} | {metric} == {
        "average_precision", "roc_auc", "recall_at_budget", "saved_cost"
    }  # fmt: skip
    for beside in verdict.beside:
        other = config.Comparison(metric=beside.metric, resamples=400)
        alone = compare_scores(Evidence(truth), champion, challenger, other)
        assert (beside.difference, beside.low, beside.high) == pytest.approx(
            (alone.difference, alone.low, alone.high)
        )


def part(name: str, difference: float, low: float, high: float) -> KindComparison:
    return KindComparison(name, 40, 0.7, 0.7 + difference, difference, low, high)


def test_a_kind_is_described_with_its_interval_where_it_has_one() -> None:
    assert part("local", -0.1, -0.2, 0.0).describe() == "local -0.100 [-0.200, +0.000]"
    assert part("local", 0.1, np.nan, np.nan).describe() == "local +0.100"


def test_a_kind_is_lost_when_its_interval_is_below_nothing_and_behind_past_the_margin() -> None:
    truth, champion, challenger, injected = world({"cluster": 4.0})
    evidence = Evidence(truth, rung=Rung.INJECTED, injected=injected)
    best = part("cluster", 0.3, 0.2, 0.4)

    def object_to(*parts: KindComparison, known: Evidence = evidence) -> str:
        return explain_one_sided_gain(known, champion, challenger, (best, *parts), SETTINGS)

    behind = object_to(part("local", -0.1, -0.2, 0.0))  # not lost, but behind, and cluster alone is ahead
    assert behind.startswith("the gain is of cluster anomalies alone")
    lost = (part("local", -0.1, -0.2, -1e-9), part("global", -0.2, -0.3, -0.1))
    assert object_to(*lost) == (
        "ahead over all kinds together, but lost on "
        "local -0.100 [-0.200, -0.000], global -0.200 [-0.300, -0.100]"
    )
    assert object_to(part("local", -SETTINGS.margin, -0.2, 0.1)) == ""
    assert object_to(part("local", -SETTINGS.margin - 1e-6, -0.2, 0.1)) != ""
    assert object_to(part("local", -0.1, -0.2, 0.1), known=Evidence(truth)) == ""


def test_each_kind_has_the_metric_of_its_own_anomalies_and_an_interval_from_five_on() -> None:
    truth, champion, challenger, injected = world(dict.fromkeys(ANOMALY_KINDS, 1.0))
    kinds = injected.kinds.copy()
    kinds[np.flatnonzero(kinds == "local")[5:]] = "global"
    kinds[np.flatnonzero(kinds == "cluster")[4:]] = "global"
    evidence = Evidence(truth, rung=Rung.INJECTED, injected=InjectedAnomalies(kinds, injected.sizes))
    parts = compare_by_part(evidence, champion, challenger, kinds, SETTINGS, level=0.95, seed=1)
    for one in parts:
        rows = (truth == 0) | (kinds == one.name)
        values = [roc_auc(truth[rows], scores[rows]) for scores in (champion, challenger)]
        assert (one.champion_value, one.challenger_value) == pytest.approx(values)
        assert one.difference == pytest.approx(values[1] - values[0])
        assert one.positives == (kinds == one.name).sum()
        assert np.isfinite(one.low) == (one.name != "cluster")
