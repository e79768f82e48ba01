"""Evaluate scores against known labels: ranking metrics with bootstrap intervals.

Scores are float64, higher means more anomalous; truth is 1 for an anomaly and 0 for a normal row.
Called when candidates are compared and when a monitored window has labels. A metric that cannot be computed
is returned as a reason, never as a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.errors import DataError
from pynomaly.judging.comparison.evidence import Evidence, explain_unusable_truth
from pynomaly.judging.comparison.intervals import share_interval
from pynomaly.judging.comparison.ranking_metrics import METRICS, Array, Metric, Ranking, bootstrap_metrics
from pynomaly.judging.jsonable import to_jsonable

__all__ = [
    "METRICS",
    "Interval",
    "Metrics",
    "average_precision",
    "build_metrics",
    "compute_metrics",
    "explain_not_computable",
    "explain_unusable_scores",
    "explain_unusable_truth",
    "pr_curve",
    "roc_auc",
    "roc_curve",
]


@dataclass(frozen=True)
class Interval:
    """A value with its bootstrap interval at `level`."""

    value: float
    low: float
    high: float
    level: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


@dataclass(frozen=True)
class Metrics:
    """Quality of one model on labelled rows.

    Attributes
    ----------
    rows, positives : int
    average_precision, roc_auc, recall_at_budget, saved_cost : Interval or None
        None when not computable; see :mod:`~pynomaly.judging.comparison.ranking_metrics`.
    threshold, alert_rate, precision, recall : float or None
        At p-value <= `threshold`; None without p-values, precision also without an alert.
    not_computable : mapping of str to str
        Metric to reason.
    """

    rows: int
    positives: int
    average_precision: Interval | None = None
    roc_auc: Interval | None = None
    recall_at_budget: Interval | None = None
    saved_cost: Interval | None = None
    threshold: float | None = None
    alert_rate: float | None = None
    precision: float | None = None
    recall: float | None = None
    not_computable: Mapping[str, str] | None = None

    def values(self) -> dict[str, float]:
        """Return only the finite numbers, by name, as a tracking server accepts them."""
        numbers: dict[str, float] = {"rows": float(self.rows), "positives": float(self.positives)}
        for metric in METRICS:
            interval: Interval | None = getattr(self, metric)
            if interval is not None:
                bounds = {f"{metric}_low": interval.low, f"{metric}_high": interval.high}
                numbers |= {metric: interval.value, **bounds}
        for name in ("alert_rate", "precision", "recall"):
            value: float | None = getattr(self, name)
            if value is not None:
                numbers[name] = value
        return {name: value for name, value in numbers.items() if math.isfinite(value)}

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def explain_unusable_scores(scores: npt.ArrayLike) -> str | None:
    """Return why `scores` give no ranking, or None."""
    array = np.asarray(scores, dtype=np.float64)
    if not array.size:
        return "there are no scores"
    not_finite = int((~np.isfinite(array)).sum())
    if not_finite:
        return f"{not_finite} of {array.size} scores are not finite"
    if array.min() == array.max():
        return f"all {array.size} scores are {array[0]:g}"
    return None


def explain_not_computable(truth: npt.ArrayLike, scores: npt.ArrayLike) -> str | None:
    """Return why a ranking metric cannot be computed from these, or None."""
    return explain_unusable_truth(truth) or explain_unusable_scores(scores)


def average_precision(truth: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Average precision: the mean, over the anomalies, of the precision at their score.

    Parameters
    ----------
    truth : array of shape (n,)
        1 for an anomaly, 0 for a normal row.
    scores : array of shape (n,)

    Returns
    -------
    float
        Between 0 and 1; about the share of anomalies for scores without information.

    Raises
    ------
    DataError
        If the lengths differ, a label is not 0 or 1, a score is not finite, or one class is absent.
    """
    return _build_ranking(truth, scores).value("average_precision")


def roc_auc(truth: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Probability that an anomaly scores above a normal row, ties counted as half.

    Parameters and errors are those of :func:`average_precision`.
    """
    return _build_ranking(truth, scores).value("roc_auc")


def roc_curve(truth: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Array, Array]:
    """False-positive and true-positive rate at every threshold, from (0, 0) to (1, 1).

    Parameters and errors are those of :func:`average_precision`.
    """
    hits, rows = _accumulate_hits(truth, scores)
    false = rows - hits
    return np.concatenate([[0.0], false / false[-1]]), np.concatenate([[0.0], hits / hits[-1]])


def pr_curve(truth: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Array, Array]:
    """Recall and precision at every threshold, from recall 0 (precision 1 by convention) to 1.

    Parameters and errors are those of :func:`average_precision`.
    """
    hits, rows = _accumulate_hits(truth, scores)
    return np.concatenate([[0.0], hits / hits[-1]]), np.concatenate([[1.0], hits / rows])


def compute_metrics(
    evidence: Evidence,
    scores: npt.ArrayLike,
    p: npt.ArrayLike | None = None,
    *,
    threshold: float = 0.01,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 42,
) -> Metrics:
    """Compute all metrics of one model, each with its interval or with the reason why it is missing.

    Parameters
    ----------
    evidence : Evidence
    scores : array of shape (n,)
    p : array of shape (n,), optional
        p-values of the same rows; adds alert rate, precision and recall.
    threshold : float
        p-values up to this count as alerts.
    confidence : float
        Confidence level of the intervals.
    resamples, seed : int

    Raises
    ------
    DataError
        If scores or p-values are not one for each row.
    """
    labels, array = evidence.truth, evidence.check_scores(scores)
    if reason := explain_not_computable(labels, array):
        missing = {str(metric): reason for metric in METRICS}
        measured = Metrics(labels.size, int(labels.sum()), not_computable=missing)
    else:
        ranking = evidence.rank(array)
        drawn = bootstrap_metrics([ranking], METRICS, resamples, seed, evidence.blocks)[:, 0]
        values = [ranking.value(metric) for metric in METRICS]
        measured = build_metrics(METRICS, values, drawn, evidence, confidence)
    if p is None:
        return measured
    alerts, absent = _measure_at_threshold(labels, np.asarray(p, dtype=np.float64), threshold)
    return replace(
        measured,
        threshold=alerts.get("threshold"),
        alert_rate=alerts.get("alert_rate"),
        precision=alerts.get("precision"),
        recall=alerts.get("recall"),
        not_computable={**(measured.not_computable or {}), **absent},
    )


def build_metrics(
    names: Sequence[Metric], values: Sequence[float], drawn: Array, evidence: Evidence, confidence: float
) -> Metrics:
    """Build a :class:`Metrics` with intervals from values and resampled values.

    Parameters
    ----------
    names : sequence of str
        Metrics, of :data:`METRICS`.
    values : sequence of float
        Value of each metric on all rows.
    drawn : array of shape (resamples, len(names))
        Values on resamples of the rows.
    evidence : Evidence
    confidence : float
        Confidence level of the intervals.
    """
    labels, units = evidence.truth, evidence.units
    intervals = {
        name: Interval(float(value), *share_interval(float(value), column, units, confidence), confidence)
        for name, value, column in zip(names, values, drawn.T, strict=True)
    }
    return Metrics(
        rows=labels.size,
        positives=int(labels.sum()),
        average_precision=intervals.get("average_precision"),
        roc_auc=intervals.get("roc_auc"),
        recall_at_budget=intervals.get("recall_at_budget"),
        saved_cost=intervals.get("saved_cost"),
        not_computable={},
    )


def _build_ranking(truth: npt.ArrayLike, scores: npt.ArrayLike) -> Ranking:
    evidence = Evidence(np.asarray(truth))
    array = evidence.check_scores(scores)
    reason = explain_unusable_truth(evidence.truth)
    if reason is None and not np.isfinite(array).all():
        reason = explain_unusable_scores(array)
    if reason:
        raise DataError(f"not computable: {reason}")
    return evidence.rank(array)


def _accumulate_hits(truth: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Array, Array]:
    """Return the counts of anomalies and of rows at or above each distinct score, in descending order."""
    order = _build_ranking(truth, scores).order
    ranked = np.asarray(scores, dtype=np.float64)[order]
    last = np.flatnonzero(np.concatenate([ranked[1:] != ranked[:-1], [True]]))
    hits = np.cumsum(np.asarray(truth)[order] == 1)[last]
    return hits.astype(np.float64), (last + 1).astype(np.float64)


def _measure_at_threshold(
    truth: npt.NDArray[np.int64], p: Array, threshold: float
) -> tuple[dict[str, float | None], dict[str, str]]:
    if p.shape != truth.shape:
        raise DataError(f"there are {truth.size} labels and p-values of shape {p.shape}; allowed: one a row")
    names = ("alert_rate", "precision", "recall")
    if not p.size or not np.isfinite(p).all():
        reason = f"{int((~np.isfinite(p)).sum())} of {p.size} p-values are not finite"
        return {"threshold": threshold}, dict.fromkeys(names, reason)
    alert = p <= threshold
    hits, alerts, positives = int((alert & (truth == 1)).sum()), int(alert.sum()), int(truth.sum())
    measured: dict[str, float | None] = {"threshold": threshold, "alert_rate": alerts / p.size}
    absent: dict[str, str] = {}
    if alerts:
        measured["precision"] = hits / alerts
    else:
        absent["precision"] = f"no row has a p-value of at most {threshold:g}"
    if positives:
        measured["recall"] = hits / positives
    else:
        absent["recall"] = "no row is an anomaly"
    return measured, absent
