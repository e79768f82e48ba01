"""Scores that predict the answers narrow the interval of precision; others, and choices of rows, do not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pynomaly.judging.alerts.audit import bound_total
from pynomaly.judging.alerts.audit_draw import rank_alerted
from pynomaly.judging.alerts.powered import FOLDS, PRIOR_ANSWERS, estimate_powered_share
from tests import naive

POPULATION = 400


def draw(answers: int, seed: int, predicts: bool = True) -> tuple[np.ndarray, np.ndarray, float]:
    """Ranks and truth of a random draw from alerts, and the share of true ones among all."""
    rng = np.random.default_rng(seed)
    ranks = (np.arange(POPULATION) + 0.5) / POPULATION
    truth = (rng.random(POPULATION) < (1 / (1 + np.exp(14 * (ranks - 0.4))) if predicts else 0.4)).astype(int)
    chosen = rng.choice(POPULATION, answers, replace=False)
    return ranks[chosen], truth[chosen], float(truth.mean())


def test_the_estimate_is_that_of_the_slow_sums() -> None:
    ranks, truth, _ = draw(24, seed=1)
    result = estimate_powered_share(ranks, truth, POPULATION)
    share, weight, left = naive.powered_share(ranks.tolist(), truth.tolist(), POPULATION, FOLDS)
    assert result.share is not None
    assert (result.share.value, result.weight) == pytest.approx((share, weight), rel=1e-4)
    plain = float(np.square(truth - truth.mean()).sum())
    left += PRIOR_ANSWERS * plain / 24
    assert result.worth == pytest.approx(24 * plain / 23 / (left / 22), rel=1e-3)
    variance = left / 22 / 24 * (1 - 24 / POPULATION)
    worth = share * (1 - share) / variance * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 23)) ** 2
    low = stats.beta.ppf(0.025, share * worth, worth - share * worth + 1)
    high = stats.beta.ppf(0.975, share * worth + 1, worth - share * worth)
    assert (result.share.low, result.share.high) == pytest.approx((low, high), rel=1e-3)


@pytest.mark.slow
def test_where_scores_predict_the_interval_is_narrower_holds_and_is_centred() -> None:
    held, exact_widths, widths, errors = 0, [], [], []
    for seed in range(200):
        ranks, truth, true = draw(40, seed)
        result, hits = estimate_powered_share(ranks, truth, POPULATION), int(truth.sum())
        low, high = bound_total(POPULATION, 40, hits, hits, 0.025)
        exact_widths.append((high - low) / POPULATION)
        assert result.share is not None
        assert "predict the answers: 40 are worth" in result.reason
        held += result.share.low <= true <= result.share.high
        widths.append(result.share.high - result.share.low)
        assert result.share.value is not None
        errors.append(result.share.value - true)
    assert held >= 183  # of 200 at 95 %; fewer come once in a hundred times
    assert np.mean(widths) < 0.7 * np.mean(exact_widths)
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(200)


def test_where_scores_predict_nothing_the_exact_interval_stands() -> None:
    results = [estimate_powered_share(*draw(40, seed, predicts=False)[:2], POPULATION) for seed in range(40)]
    assert sum(item.share is not None for item in results) <= 2
    refused = next(item for item in results if item.share is None)
    assert refused.reason.startswith("scores do not predict the answers: 40 are worth")


def test_scores_the_wrong_way_round_are_learned_too() -> None:
    ranks, truth, _ = draw(40, seed=3)
    right, wrong = (estimate_powered_share(item, truth, POPULATION) for item in (ranks, 1 - ranks))
    assert right.share is not None
    assert wrong.share is not None
    assert wrong.share.value == pytest.approx(right.share.value, abs=1e-6)


@pytest.mark.parametrize(
    ("answers", "change", "reason"),
    [
        (40, {3: -1, 9: -1}, "2 drawn alerts wait for an answer"),
        (19, {}, "scores are used from 20 answers on"),
        (400, {}, "every alert is answered"),
    ],
)
def test_where_the_interval_would_not_hold_there_is_none(
    answers: int, change: dict[int, int], reason: str
) -> None:
    ranks, truth, _ = draw(answers, seed=0)
    for place, value in change.items():
        truth[place] = value
    result = estimate_powered_share(ranks, truth, POPULATION)
    assert result.share is None
    assert reason in result.reason


@pytest.mark.parametrize("rare", [0, 1])
def test_few_answers_of_a_kind_are_not_enough(rare: int) -> None:
    ranks = (np.arange(40) * 10 + 0.5) / POPULATION
    truth = np.full(40, 1 - rare)
    truth[:4] = rare
    result = estimate_powered_share(ranks, truth, POPULATION)
    assert result.share is None
    assert "with 5 of each kind" in result.reason
    truth[4] = rare
    assert estimate_powered_share(ranks, truth, POPULATION).share is not None


def test_what_is_known_bounds_the_interval() -> None:
    """390 of 400 answered: at least the true ones among them are true, at most all but the false ones."""
    ranks, truth, true = draw(390, seed=2)
    result = estimate_powered_share(ranks, truth, POPULATION)
    assert result.share is not None
    assert truth.sum() / POPULATION <= result.share.low <= true
    assert true <= result.share.high <= 1 - (390 - truth.sum()) / POPULATION


def test_ranks_are_places_among_the_alerts_and_ties_fall_by_chance() -> None:
    scores = np.array([5.0, 9.0, 7.0, 1.0, 8.0])
    alerted = np.array([True, True, False, True, True])
    assert rank_alerted(scores, alerted, 0).tolist() == pytest.approx(
        [0.625, 0.125, np.nan, 0.875, 0.375], nan_ok=True
    )
    tied = [rank_alerted(np.ones(50), np.ones(50, dtype=bool), seed) for seed in range(2)]
    assert np.sort(tied[0]).tolist() == pytest.approx(((np.arange(50) + 0.5) / 50).tolist())
    assert (tied[0] != tied[1]).any()
    assert np.isnan(rank_alerted([1.0], [False], 0)).all()
