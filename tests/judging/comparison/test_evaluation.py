"""Metrics against scikit-learn and the naive twins; what cannot be computed says why."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from pynomaly.errors import DataError
from pynomaly.judging.comparison import evaluation
from pynomaly.judging.comparison.evidence import Evidence
from tests import naive

two_classes = st.lists(st.tuples(st.integers(0, 1), st.integers(-4, 4)), min_size=2, max_size=30).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


@given(two_classes)
def test_metrics_agree_with_their_oracles(rows: list[tuple[int, int]]) -> None:
    truth, scores = zip(*rows, strict=True)
    value = evaluation.average_precision(truth, scores)
    assert value == pytest.approx(reference.average_precision_score(truth, scores))
    assert value == pytest.approx(naive.average_precision(truth, scores))
    area = evaluation.roc_auc(truth, scores)
    assert area == pytest.approx(reference.roc_auc_score(truth, scores))
    assert area == pytest.approx(naive.roc_auc(truth, scores))


@given(two_classes)
def test_only_the_order_of_scores_counts(rows: list[tuple[int, int]]) -> None:
    truth, scores = zip(*rows, strict=True)
    moved = np.exp(np.array(scores) / 3) + 100
    assert evaluation.average_precision(truth, scores) == evaluation.average_precision(truth, moved)
    opposite = evaluation.roc_auc(truth, -np.array(scores, dtype=float))
    assert evaluation.roc_auc(truth, scores) == pytest.approx(1 - opposite)


@given(two_classes)
def test_curves_agree_with_scikit_learn(rows: list[tuple[int, int]]) -> None:
    truth, scores = (np.array(column) for column in zip(*rows, strict=True))
    false, true = evaluation.roc_curve(truth, scores)
    expected = reference.roc_curve(truth, scores, drop_intermediate=False)
    np.testing.assert_allclose(false, expected[0])
    np.testing.assert_allclose(true, expected[1])
    recall, precision = evaluation.pr_curve(truth, scores)
    expected_precision, expected_recall, _ = reference.precision_recall_curve(truth, scores)
    np.testing.assert_allclose(recall, expected_recall[::-1])
    np.testing.assert_allclose(precision, expected_precision[::-1])


@pytest.mark.parametrize(
    ("truth", "scores", "message"),
    [
        ([0, 1], [1.0], "shape"),
        ([0, 2], [1.0, 2.0], "label 2 at row 1"),
        ([0, np.nan], [1.0, 2.0], "label nan at row 1"),
        ([0, 0], [1.0, 2.0], "none of the 2 rows"),
        ([1, 1], [1.0, 2.0], "all of the 2 rows"),
        ([0, 1], [1.0, np.nan], "1 of 2 scores are not finite"),
        ([0, 1], [np.inf, 1.0], "1 of 2 scores are not finite"),
        ([], [], "no rows"),
    ],
)
def test_bad_arguments_are_refused_by_name(truth: list[float], scores: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluation.average_precision(truth, scores)
    with pytest.raises(DataError, match=message):
        evaluation.roc_curve(truth, scores)


@pytest.mark.parametrize(
    ("truth", "scores", "reason"),
    [
        ([0, 0], [1.0, 2.0], "none of the 2 rows"),
        ([0, 1], [1.0, np.nan], "not finite"),
        ([0, 1], [3.0, 3.0], "all 2 scores are 3"),
    ],
)
def test_what_cannot_be_computed_has_a_reason_and_no_number(
    truth: list[int], scores: list[float], reason: str
) -> None:
    metrics = evaluation.compute_metrics(Evidence(truth), scores)
    assert metrics.average_precision is None
    assert metrics.roc_auc is None
    assert metrics.not_computable is not None
    assert reason in metrics.not_computable["average_precision"]
    assert set(metrics.values()) == {"rows", "positives"}
    json.dumps(metrics.to_dict(), allow_nan=False)


def test_intervals_hold_the_value_and_alerts_are_counted() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random(500) < 0.1).astype(int)
    scores = truth + rng.normal(size=500)
    p = np.where(scores > 1.5, 0.005, 0.5)
    metrics = evaluation.compute_metrics(Evidence(truth), scores, p, threshold=0.01)
    for interval in (metrics.average_precision, metrics.roc_auc):
        assert interval is not None
        assert interval.low < interval.value < interval.high
    assert metrics.alert_rate == np.mean(scores > 1.5)
    assert metrics.precision == reference.precision_score(truth, scores > 1.5)
    assert metrics.recall == reference.recall_score(truth, scores > 1.5)
    assert metrics == evaluation.compute_metrics(Evidence(truth), scores, p, threshold=0.01)


def test_no_alert_has_no_precision() -> None:
    metrics = evaluation.compute_metrics(Evidence(np.array([0, 1])), [0.0, 1.0], [1.0, 1.0])
    assert (metrics.alert_rate, metrics.precision, metrics.recall) == (0.0, None, 0.0)
    assert "p-value" in (metrics.not_computable or {})["precision"]


def test_p_values_that_are_not_finite_give_no_alert_rate() -> None:
    metrics = evaluation.compute_metrics(Evidence(np.array([0, 1])), [0.0, 1.0], [np.nan, 1.0])
    assert metrics.alert_rate is None
    assert "not finite" in (metrics.not_computable or {})["alert_rate"]


def test_interval_covers_the_true_auc() -> None:
    rng = np.random.default_rng(1)
    true, covered = 0.7602, 0  # of normal scores one deviation apart: Phi(1 / sqrt(2))
    for repetition in range(100):
        truth = np.repeat([1, 0], [60, 240])
        scores = truth + rng.normal(size=300)
        interval = evaluation.compute_metrics(Evidence(truth), scores, resamples=200, seed=repetition).roc_auc
        assert interval is not None
        covered += interval.low <= true <= interval.high
    assert 88 <= covered <= 100


def test_a_tracking_server_gets_every_finite_number() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([1, 0], [30, 270])
    scores = truth + rng.normal(size=300)
    metrics = evaluation.compute_metrics(
        Evidence(truth), scores, np.where(scores > 2, 0.001, 0.5), resamples=50
    )
    numbers = metrics.values()
    for name in evaluation.METRICS:
        interval = getattr(metrics, name)
        assert interval.level == 0.95
        assert [numbers[name], numbers[f"{name}_low"], numbers[f"{name}_high"]] == [
            interval.value, interval.low, interval.high,
        ]  # fmt: skip
    rest = {name: numbers[name] for name in ("rows", "positives", "alert_rate", "precision", "recall")}
    assert rest == {
        "rows": 300, "positives": 30, "alert_rate": metrics.alert_rate,
        "precision": metrics.precision, "recall": metrics.recall,
    }  # fmt: skip
    assert len(numbers) == 3 * len(evaluation.METRICS) + len(rest)
    assert (metrics.threshold, metrics.not_computable) == (0.01, {})


def test_alerts_are_counted_up_to_the_threshold_and_what_is_missing_is_named() -> None:
    none = evaluation.compute_metrics(Evidence(np.array([0, 0])), [0.0, 1.0], ["0.25", "0.5"], threshold=0.25)
    assert (none.threshold, none.alert_rate, none.precision, none.recall) == (0.25, 0.5, 0.0, None)
    assert (none.not_computable or {})["recall"] == "no row is an anomaly"
    gone = evaluation.compute_metrics(Evidence(np.array([0, 1])), [0.0, 1.0], [np.nan, 1.0], threshold=0.25)
    assert gone.threshold == 0.25
    assert dict.fromkeys(("alert_rate", "precision", "recall"), "1 of 2 p-values are not finite") == dict(
        gone.not_computable or {}
    )
    with pytest.raises(DataError, match="2 labels and p-values of shape"):
        evaluation.compute_metrics(Evidence(np.array([0, 1])), [0.0, 1.0], [0.5])
