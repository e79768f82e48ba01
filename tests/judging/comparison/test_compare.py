"""Verdicts: the right one where the truth is known, none where it is not, and few false ones."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly import config
from pynomaly.errors import DataError, DetectorError
from pynomaly.judging.comparison.choice import choose_candidate
from pynomaly.judging.comparison.compare import (
    Verdict,
    VerdictOutcome,
    compare_scores,
    judge_by_alerts,
    judge_by_promise,
    judge_by_rows,
)
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.verdict import count_looks

SETTINGS = config.Comparison(resamples=300)
Scores = np.ndarray


def world(rows: int = 1000, positives: int = 80, seed: int = 0) -> tuple[Scores, Scores, Scores, Scores]:
    """Truth, and scores of a weak, a good and a useless model."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(rows, dtype=int)
    truth[rng.choice(rows, positives, replace=False)] = 1
    weak, good = truth + rng.normal(size=rows), 3 * truth + rng.normal(size=rows)
    return truth, weak, good, rng.normal(size=rows)


def test_a_better_challenger_is_superior_and_a_worse_one_inferior() -> None:
    truth, weak, good, _ = world()
    better = compare_scores(Evidence(truth), weak, good, SETTINGS)
    assert better.outcome is VerdictOutcome.SUPERIOR
    assert better.promotes
    assert better.low > 0
    assert better.p_value < 1e-6
    worse = compare_scores(Evidence(truth), good, weak, SETTINGS)
    assert worse.outcome is VerdictOutcome.INFERIOR
    assert not worse.promotes


def test_a_tie_is_not_inferior_and_does_not_promote() -> None:
    truth, weak, _, _ = world()
    verdict = compare_scores(Evidence(truth), weak, weak * 2 + 1, SETTINGS)
    assert verdict.outcome is VerdictOutcome.NON_INFERIOR
    assert (verdict.difference, verdict.low, verdict.high) == (0, 0, 0)
    assert (verdict.p_value, verdict.effect_size) == (1, 0)


def test_a_certain_gain_too_small_to_matter_does_not_promote() -> None:
    truth, weak, good, _ = world()
    picky = config.Comparison(resamples=300, min_improvement=0.9)
    assert compare_scores(Evidence(truth), weak, good, picky).outcome is VerdictOutcome.NON_INFERIOR


def test_swapping_the_models_mirrors_the_difference() -> None:
    truth, weak, good, _ = world()
    one = compare_scores(Evidence(truth), weak, good, SETTINGS)
    two = compare_scores(Evidence(truth), good, weak, SETTINGS)
    assert (one.difference, one.low, one.high) == pytest.approx((-two.difference, -two.high, -two.low))
    assert one.p_value == two.p_value
    assert one.effect_size == pytest.approx(-two.effect_size)


def judge_world(rows: int, positives: int) -> Verdict:
    truth, weak, good, _ = world(rows, positives)
    return compare_scores(Evidence(truth), weak, good, SETTINGS)


def test_effect_size_does_not_grow_with_the_rows() -> None:
    small = judge_world(1000, 80)
    large = judge_world(10_000, 800)
    assert large.effect_size == pytest.approx(small.effect_size, rel=0.5)


@pytest.mark.parametrize(
    ("change", "reason_part"),
    [
        (lambda y, a, b: (y * 0, a, b), "none of the 1000 rows"),
        (lambda y, a, b: (y * 0 + 1, a, b), "all of the 1000 rows"),
        (lambda y, a, b: (y * (np.cumsum(y) <= 19), a, b), "19 anomalies are fewer than the 20"),
        (lambda y, a, b: (y, np.where(np.arange(a.size) == 3, np.nan, a), b), "champion: 1 of 1000"),
        (lambda y, a, b: (y, a, np.where(np.arange(a.size) == 3, np.inf, b)), "challenger: 1 of 1000"),
        (lambda y, a, b: (y, a, b * 0), "challenger: all 1000 scores are 0"),
    ],
)
def test_what_cannot_be_computed_is_inconclusive_and_says_why(change, reason_part: str) -> None:  # type: ignore[no-untyped-def]
    truth, weak, good, _ = world()
    changed_truth, *scores = change(truth, weak, good)
    verdict = compare_scores(Evidence(changed_truth), *scores, SETTINGS)
    assert verdict.outcome is VerdictOutcome.INCONCLUSIVE
    assert any(reason_part in reason for reason in verdict.reasons)
    text = json.dumps(verdict.to_dict(), allow_nan=False)
    assert json.loads(text)["low"] is None
    assert verdict.awaits_evidence == ("fewer than" in reason_part)


def test_a_verdict_that_was_reached_awaits_nothing() -> None:
    assert not judge_world(1000, 80).awaits_evidence


def test_anomalies_of_a_few_incidents_are_inconclusive() -> None:
    truth = np.repeat([1, 0], [100, 900])
    rng = np.random.default_rng(0)
    scores = truth + rng.normal(size=1000)
    verdict = compare_scores(Evidence(truth, np.arange(1000) // 50), scores, truth * 9 + scores, SETTINGS)
    assert verdict.outcome is VerdictOutcome.INCONCLUSIVE
    assert "2 blocks" in verdict.reasons[0]
    assert verdict.awaits_evidence


def test_models_of_one_name_are_still_two() -> None:
    truth, weak, good, _ = world()
    verdict = compare_scores(Evidence(truth), weak, good, SETTINGS, champion="a", challenger="a")
    assert verdict.promotes


@pytest.mark.parametrize(("metric", "sep"), [("average_precision", 1.0), ("roc_auc", 2.0)])
def test_equal_models_are_rarely_called_superior(metric: str, sep: float) -> None:
    """At most 2.5 % by construction of the interval; no smallest improvement helps here."""
    bare = config.Comparison(metric=metric, resamples=200, min_improvement=0)
    rng = np.random.default_rng(7)
    repetitions = 300
    superior = inferior = 0
    for seed in range(repetitions):
        truth = np.repeat([1, 0], [40, 560])
        shared = rng.normal(size=600)
        first, second = (sep * truth + shared + rng.normal(size=600) for _ in range(2))
        verdict = compare_scores(Evidence(truth), first, second, bare, seed=seed)
        superior += verdict.low > 0
        inferior += verdict.high < 0
    # 5.5 % is three standard errors above 2.5 % in 300 repetitions.
    assert superior <= 0.055 * repetitions
    assert inferior <= 0.055 * repetitions


@pytest.mark.slow
def test_equal_models_on_dependent_rows_need_blocks() -> None:
    bare = config.Comparison(metric="roc_auc", resamples=200, min_improvement=0)
    rng = np.random.default_rng(8)
    blocks = np.arange(600) // 10
    blocked = ignored = 0
    for seed in range(150):
        truth = np.isin(blocks, rng.choice(60, 15, replace=False)).astype(int)
        # Each model errs by whole blocks, as detectors do on an incident.
        first, second = (truth + rng.normal(size=60)[blocks] + 0.1 * rng.normal(size=600) for _ in range(2))
        blocked += compare_scores(Evidence(truth, blocks), first, second, bare, seed=seed).low > 0
        ignored += compare_scores(Evidence(truth), first, second, bare, seed=seed).low > 0
    assert blocked <= 0.07 * 150
    assert ignored >= 0.2 * 150


def test_a_handful_of_incidents_is_no_licence_to_promote() -> None:
    """Plain percentiles promote one equal in fifteen here."""
    bare = config.Comparison(metric="roc_auc", resamples=400, min_improvement=0)
    rng = np.random.default_rng(11)
    blocks = np.arange(500) // 10
    promoted = 0
    for seed in range(200):
        truth = np.isin(blocks, rng.choice(50, 6, replace=False)).astype(int)
        first, second = (2 * truth + rng.normal(size=50)[blocks] + rng.normal(size=500) for _ in range(2))
        promoted += compare_scores(Evidence(truth, blocks), first, second, bare, seed=seed).promotes
    assert promoted <= 10  # 2.5 % expected; 5 % is more than two standard errors above


@pytest.mark.slow
def test_the_luckiest_of_equals_is_judged_as_the_best_of_so_many() -> None:
    bare = config.Comparison(metric="roc_auc", resamples=400, min_improvement=0)
    rng = np.random.default_rng(12)
    alone = counted = 0
    for seed in range(150):
        truth = np.repeat([1, 0], [30, 300])
        champion, *others = (truth + rng.normal(size=330) for _ in range(7))
        best = max(others, key=lambda scores: scores[:30].mean() - scores[30:].mean())
        alone += compare_scores(Evidence(truth), champion, best, bare, seed=seed).promotes
        verdict = compare_scores(Evidence(truth), champion, best, bare, seed=seed, among=6)
        counted += verdict.promotes
        assert (verdict.among, verdict.level) == (6, pytest.approx(1 - 0.05 / 6))
    assert counted <= 9  # 2.5 % expected at most
    assert alone >= 2 * max(counted, 1)
    with pytest.raises(DataError, match="among 0 candidates"):
        compare_scores(Evidence(truth), champion, best, bare, among=0)


def test_choice_takes_the_best_of_the_superior() -> None:
    truth, weak, good, noise = world()
    middle = 2 * truth + np.random.default_rng(9).normal(size=truth.size)
    scores = {"weak": weak, "noise": noise, "middle": middle, "good": good}
    choice = choose_candidate(Evidence(truth), scores, SETTINGS, baseline="weak")
    assert (choice.winner, choice.among) == ("good", 4)
    assert [verdict.challenger for verdict in choice.verdicts] == ["noise", "middle", "good"]
    assert [row["candidate"] for row in choice.table] == list(scores)
    assert all(row["low"] <= row["value"] <= row["high"] for row in choice.table)
    json.dumps(choice.to_dict(), allow_nan=False)


def test_the_baseline_is_kept_when_nothing_is_superior() -> None:
    truth, weak, good, noise = world()
    tied = choose_candidate(
        Evidence(truth), {"good": good, "same": good * 2, "noise": noise}, SETTINGS, baseline="good"
    )
    assert (tied.winner, tied.among) == ("good", 1)
    assert "kept" in tied.reasons[0]
    few = choose_candidate(
        Evidence(truth * (np.cumsum(truth) <= 19)), {"weak": weak, "good": good}, SETTINGS, baseline="weak"
    )
    assert few.winner == "weak"


def test_a_broken_baseline_loses_to_any_usable_candidate() -> None:
    truth, weak, good, _ = world()
    scores = {"broken": weak * np.nan, "weak": weak, "good": good}
    choice = choose_candidate(Evidence(truth, rung=Rung.INJECTED), scores, SETTINGS, baseline="broken")
    assert (choice.winner, choice.among) == ("good", 3)
    assert "not finite" in choice.reasons[0]
    assert choice.table[0]["not_computable"]
    blind = choose_candidate(Evidence(truth * 0), scores, SETTINGS, baseline="broken")
    assert blind.winner == "weak"


def test_no_usable_candidate_is_an_error_that_names_them_all() -> None:
    truth, weak, _, _ = world()
    scores = {"a": weak * 0, "b": weak * np.nan}
    with pytest.raises(
        DetectorError, match="a: all 1000 scores are 0; b: 1000 of 1000 scores are not finite"
    ):
        choose_candidate(Evidence(truth), scores, SETTINGS, baseline="a")


def test_a_broken_challenger_never_wins() -> None:
    truth, weak, good, _ = world()
    good[0] = np.inf
    choice = choose_candidate(Evidence(truth), {"weak": weak, "good": good}, SETTINGS, baseline="weak")
    assert choice.winner == "weak"


@pytest.mark.slow
def test_many_useless_candidates_seldom_unseat_the_baseline() -> None:
    bare = config.Comparison(metric="roc_auc", resamples=1000, min_improvement=0)
    rng = np.random.default_rng(10)
    lost = 0
    for seed in range(60):
        truth = np.repeat([1, 0], [30, 270])
        scores = {f"c{i}": truth + rng.normal(size=300) for i in range(8)}
        lost += choose_candidate(Evidence(truth), scores, bare, baseline="c0", seed=seed).winner != "c0"
    assert lost <= 6  # 2.5 % expected, one-sided; 10 % is more than three standard errors above


def test_an_unknown_baseline_is_refused() -> None:
    truth, weak, _, _ = world()
    with pytest.raises(DataError, match="did you mean 'iforest'"):
        choose_candidate(Evidence(truth), {"iforest": weak}, SETTINGS, baseline="iforst")


def test_lengths_must_agree() -> None:
    truth, weak, _, _ = world()
    with pytest.raises(DataError, match="shape"):
        compare_scores(Evidence(truth), weak, weak[1:], SETTINGS)
    with pytest.raises(DataError, match="blocks of shape"):
        compare_scores(Evidence(truth, np.arange(3)), weak, weak, SETTINGS)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_verdict_is_the_same_whatever_the_order_of_magnitude_of_the_scores(seed: int) -> None:
    truth, weak, good, _ = world(200, 30, seed=seed)
    one = compare_scores(Evidence(truth), weak, good, config.Comparison(resamples=200))
    two = compare_scores(Evidence(truth), weak * 1e6, good - 1e3, config.Comparison(resamples=200))
    assert one == two


def test_every_further_attempt_must_show_more_and_all_together_at_most_double_the_error() -> None:
    assert [count_looks(attempt) for attempt in (1, 2, 3, 4)] == [1, 2, 6, 12]
    assert sum(1 / count_looks(attempt) for attempt in range(1, 10_000)) < 2
    truth, weak, good, _ = world()
    first, third = (compare_scores(Evidence(truth), weak, good, SETTINGS, attempt=k) for k in (1, 3))
    assert third.level == pytest.approx(1 - 0.05 / 6)
    assert third.low < first.low < first.high < third.high
    assert third.p_value == pytest.approx(min(1.0, 6 * first.p_value))
    assert "attempt 3 since the last promotion" in third.reasons[0]
    assert third.to_dict()["attempt"] == 3
    with pytest.raises(DataError, match="attempt 0"):
        compare_scores(Evidence(truth), weak, good, SETTINGS, attempt=0)


def test_the_same_scores_with_fewer_alerts_on_anomalies_are_inferior() -> None:
    truth, good = world()[0], world()[2]
    evidence = Evidence(truth)
    tie = compare_scores(evidence, good, good, SETTINGS)
    before = good >= np.quantile(good, 0.9)
    lost = before & (np.cumsum(before & (truth == 1)) > 5)
    verdict = judge_by_alerts(tie, evidence, (before, lost), SETTINGS)
    caught = int((before & (truth == 1)).sum())
    assert verdict.outcome is VerdictOutcome.INFERIOR
    assert (
        f"{caught - 5} of {int(truth.sum())} anomalies alert where {caught} did at the promised"
        in verdict.reasons[0]
    )
    assert judge_by_alerts(tie, evidence, (lost, before), SETTINGS) == tie
    few = before & (np.cumsum(before & (truth == 1)) > 4)  # four of four by chance: one in sixteen
    assert judge_by_alerts(tie, evidence, (before, few), SETTINGS) == tie
    assert judge_by_alerts(tie, evidence, (before, lost), config.Comparison(margin=1.0)) == tie


def judge_broken(
    champion: float, challenger: float, *, blocks: int = 20, where: int = 20, better: float = 0.0
) -> Verdict:
    """A verdict on two equal rankings, with these shares of alerts in the first `where` of the `blocks`."""
    rng = np.random.default_rng(3)
    truth = (rng.random(2000) < 0.05).astype(int)
    evidence = Evidence(truth, np.arange(2000) * blocks // 2000)
    scores = truth + rng.normal(size=2000)
    tie = compare_scores(evidence, scores, scores + better * truth * rng.random(2000), SETTINGS)
    inside = np.arange(2000) * blocks // 2000 < where
    alerts = tuple((rng.random(2000) < share) & inside for share in (champion, challenger))
    return judge_by_promise(tie, evidence, (alerts[0], alerts[1]), 0.01, 3.0, SETTINGS)


def test_a_champion_with_broken_alerts_is_replaced_by_what_ranks_no_worse() -> None:
    verdict = judge_broken(0.9, 0.01)
    assert verdict.promotes
    assert "where it promised 1.00%" in verdict.reasons[0]
    assert verdict.difference == 0


@pytest.mark.parametrize(
    "case",
    [
        {"champion": 0.02, "challenger": 0.01},  # less than three times as often
        {"champion": 0.9, "challenger": 0.5},  # the challenger's are broken, too
        {"champion": 0.9, "challenger": 0.01, "where": 1},  # all in one block
        {"champion": 0.9, "challenger": 0.01, "blocks": 4, "where": 4},  # too few to tell
        {"champion": 0.9, "challenger": 0.01, "better": -0.05},  # ranks a little worse
    ],
)
def test_other_champions_stay(case: dict[str, float]) -> None:
    assert not judge_broken(**case).promotes  # type: ignore[arg-type]


def test_what_is_inferior_or_was_not_tested_stays() -> None:
    truth, weak, good, _ = world()
    evidence, every, none = Evidence(truth), np.ones(1000, dtype=bool), np.zeros(1000, dtype=bool)
    worse = compare_scores(evidence, good, weak, SETTINGS)
    assert judge_by_promise(worse, evidence, (every, none), 0.01, 3.0, SETTINGS) == worse
    few = Evidence(truth * (np.cumsum(truth) <= 19))
    waiting = compare_scores(few, weak, weak, SETTINGS)
    assert judge_by_promise(waiting, few, (every, none), 0.01, 3.0, SETTINGS) == waiting
    for verdict in (worse, waiting):
        for grown in (True, False):
            assert judge_by_rows(verdict, SETTINGS, grown) == verdict


def test_broken_alerts_need_no_test_of_the_ranking() -> None:
    truth, weak, _, _ = world()
    evidence = Evidence(truth, np.arange(1000) // 100 * (truth == 0))  # all anomalies in one block
    every, none = np.ones(1000, dtype=bool), np.zeros(1000, dtype=bool)
    waiting = compare_scores(evidence, weak, weak, SETTINGS)
    assert waiting.awaits_evidence
    assert judge_by_promise(waiting, evidence, (every, none), 0.01, 3.0, SETTINGS).promotes


@pytest.mark.parametrize(
    ("grown", "reason"),
    [(False, "the columns have drifted from what champion learned"), (True, "champion learned few rows")],
)
def test_a_tie_goes_to_the_model_that_learned_the_rows_that_count(grown: bool, reason: str) -> None:
    truth, weak, _, _ = world()
    tie = compare_scores(Evidence(truth), weak, weak, SETTINGS)
    assert not tie.promotes
    verdict = judge_by_rows(tie, SETTINGS, grown)
    assert verdict.promotes
    assert reason in verdict.reasons[0]
    lower = replace(tie, difference=-0.1, low=-0.25, high=0.05)
    assert judge_by_rows(lower, SETTINGS, grown).promotes, "a lower value that chance explains"


def test_a_loss_that_is_shown_keeps_the_champion_however_many_attempts_went_before() -> None:
    truth, weak, _, _ = world()
    tie = compare_scores(Evidence(truth), weak, weak, SETTINGS)
    first = replace(tie, difference=-0.1, low=-0.19, high=-0.01)
    assert judge_by_rows(first, SETTINGS, True) == first
    fourth = replace(first, low=-0.23, high=0.03, level=1 - 0.05 / 12)  # as certain, at the level of a fourth
    assert judge_by_rows(fourth, SETTINGS, True) == fourth


def test_equal_models_whose_alerts_cluster_are_rarely_promoted_by_them() -> None:
    """Alerts of dependent rows come in runs, on a champion's rows or on a challenger's, by chance."""
    rng = np.random.default_rng(11)
    promoted = 0
    for _ in range(200):
        truth = (rng.random(3000) < 0.03).astype(int)
        evidence = Evidence(truth, np.arange(3000) // 100)
        scores = truth + rng.normal(size=3000)
        tie = compare_scores(evidence, scores, scores, config.Comparison(resamples=200))
        runs = [np.repeat(rng.random(150) < 0.01, 20) for _ in range(2)]
        promoted += judge_by_promise(tie, evidence, (runs[0], runs[1]), 0.01, 3.0, SETTINGS).promotes
    assert promoted <= 2
