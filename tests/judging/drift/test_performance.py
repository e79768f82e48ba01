"""A drop of performance is one at the same share of anomalies, beyond the error of both sides."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from benchmarks.monitoring import WORLDS, count_bad, draw_rows
from pynomaly.judging.comparison.evidence import Evidence
from pynomaly.judging.drift.performance import JudgedScores, compare_performance, estimate_optimism

METRIC = "average_precision"


def keep(evidence: Evidence, scores: np.ndarray, optimism: float = 0.0) -> JudgedScores:
    kept = JudgedScores.keep(evidence, scores, optimism, 1)
    assert kept is not None
    return kept


def test_rows_repeated_to_another_share_of_anomalies_change_nothing() -> None:
    rng = np.random.default_rng(3)
    judged, scores = draw_rows(rng, (400, 0.1), 1, 0.9)
    thinned = np.repeat(np.arange(400), np.where(judged.truth == 1, 1, 4))
    window = Evidence(judged.truth[thinned])
    change = compare_performance(keep(judged, scores), window, scores[thinned], METRIC)
    assert change is not None
    assert change.value == pytest.approx(change.baseline)
    assert change.prevalence == pytest.approx(judged.truth.mean())
    assert change.prevalence_now < change.prevalence / 2
    assert judged.rank(scores).value(METRIC) == pytest.approx(change.baseline)
    assert f"{change.prevalence:.2%}" in change.describe()


def test_kept_scores_survive_json_and_stand_for_all_rows() -> None:
    rng = np.random.default_rng(4)
    judged, scores = draw_rows(rng, (30_000, 0.03), 1, 0.9)
    kept = keep(judged, scores, 0.02)
    again = JudgedScores.from_dict(json.loads(json.dumps(kept.to_dict())))
    assert again.scores.size == 2000
    assert len(json.dumps(kept.to_dict())) < 50_000
    assert again.weights.sum() == pytest.approx(30_000)
    assert (again.weights == kept.weights).all()
    change = compare_performance(again, judged, scores, METRIC)
    assert change is not None
    assert change.baseline == pytest.approx(judged.rank(scores).value(METRIC) - 0.02, abs=0.02)


def test_one_incident_on_a_side_is_no_evidence() -> None:
    rng = np.random.default_rng(5)
    judged, scores = draw_rows(rng, (2000, 0.05), 1, 0.99)
    truth = np.repeat([1, 0], [50, 950])
    window = Evidence(truth, np.repeat(np.arange(20), 50))
    change = compare_performance(keep(judged, scores), window, rng.normal(size=1000), METRIC)
    assert change is not None
    assert change.high == math.inf


def test_scores_without_a_metric_are_not_kept_and_not_compared() -> None:
    truth = np.repeat([1, 0], [5, 50])
    assert JudgedScores.keep(Evidence(truth), np.zeros(55), 0.0, 1) is None
    kept = keep(Evidence(truth), np.arange(55.0))
    assert compare_performance(kept, Evidence(truth), np.zeros(55), METRIC) is None


def test_the_best_of_many_equal_candidates_is_flattered_and_a_single_one_is_not() -> None:
    rng = np.random.default_rng(6)
    gains, estimates = [], []
    for seed in range(30):
        judged, _ = draw_rows(rng, (400, 0.1), 1, 0.9)
        scores = {str(i): rng.normal(size=400) + judged.truth * 1.5 for i in range(8)}
        values = [judged.rank(array).value("roc_auc") for array in scores.values()]
        gains.append(max(values) - np.mean(values))
        estimates.append(estimate_optimism(judged, scores, "roc_auc", seed))
    assert np.mean(estimates) == pytest.approx(np.mean(gains), rel=0.35)
    assert estimate_optimism(judged, {"0": scores["0"]}, "roc_auc", 1) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS[:1] + WORLDS[3:4], ids=lambda world: world.name)
def test_a_window_with_fewer_anomalies_is_no_drop_and_a_worse_model_is_one(world) -> None:  # type: ignore[no-untyped-def]
    false, of = count_bad(world, 0.95, 40, 31_000)
    assert false <= 0.1 * of, f"{false} of {of} windows"
    found, of = count_bad(world, 0.85, 20, 32_000)
    assert found >= 0.8 * of, f"{found} of {of} windows"
