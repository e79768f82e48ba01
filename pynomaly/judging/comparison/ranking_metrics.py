"""Ranking metrics under row weights, for many sets of weights at once; higher is better for each metric.

====================  ====================================================================================
average_precision     mean, over the anomalies, of the precision at their score
roc_auc               probability that an anomaly scores above a normal row, ties counted half
recall_at_budget      recall at the threshold at which the policy's share of normal rows alerts
saved_cost            share of the cost of never alerting that the cheapest threshold saves
====================  ====================================================================================

A bootstrap resample is a vector of row weights. Scores are sorted once; each resample then costs one
gather and one segmented sum: 20,000 rows and 1,000 resamples of two models take about half a second.
The last two depend on an :class:`OperatingPoint`. Called by :mod:`~pynomaly.judging.comparison.evaluation`
and :mod:`~pynomaly.judging.comparison.compare`.

References
----------
Drummond, Holte (2006), Cost curves, Machine Learning 65: expected cost, normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from pynomaly import config
from pynomaly.errors import DataError

__all__ = [
    "METRICS",
    "Array",
    "Ints",
    "Metric",
    "OperatingPoint",
    "Ranking",
    "bootstrap_metric",
    "bootstrap_metrics",
]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Metric = Literal["average_precision", "roc_auc", "recall_at_budget", "saved_cost"]
METRICS: tuple[Metric, ...] = get_args(Metric)

# Weights are laid out rows x resamples; 2**19 of them keep the working set inside a processor's cache.
_CELLS = 2**19


@dataclass(frozen=True)
class OperatingPoint:
    """Alert rate and costs of errors, on which two of the metrics depend.

    Attributes
    ----------
    share : float
        Share of normal rows that alert, above 0 and below 1.
    false_alarms : float
        Cost of alerting on every normal row divided by the cost of missing every anomaly:
        ``cost_false_alarm (1 - prevalence) / (cost_missed prevalence)``.
    """

    share: float = 0.01
    false_alarms: float = 9.9

    def __post_init__(self) -> None:
        if not (0 < self.share < 1 and self.false_alarms > 0):
            raise DataError(
                f"a share of {self.share:g} and costs of {self.false_alarms:g} are no operation; "
                "allowed: a share above 0 and below 1, costs above 0"
            )

    @classmethod
    def of(cls, alerts: config.Alerts, share: float) -> OperatingPoint:
        """Build it from the settings' costs and the share of normal rows on which the policy alerts."""
        false = alerts.cost_false_alarm * (1 - alerts.prevalence)
        return cls(share, false / (alerts.cost_missed * alerts.prevalence))


class Ranking:
    """Rows in descending order of score, cut into segments at the tie groups that have an anomaly.

    Parameters
    ----------
    truth : array of shape (n,)
        1 for an anomaly, 0 for a normal row.
    scores : array of shape (n,)
        Finite; higher means more anomalous.
    operation : OperatingPoint, optional
    shares : array of shape (n,), optional
        What each row counts, in every set of weights; 1 where not given.
    """

    def __init__(
        self,
        truth: npt.NDArray[np.generic],
        scores: Array,
        operation: OperatingPoint | None = None,
        shares: Array | None = None,
    ) -> None:
        self.operation = operation or OperatingPoint()
        self.shares = shares
        self.order = np.argsort(-scores, kind="stable")
        ranked, positive = scores[self.order], truth[self.order] == 1
        tie_starts = np.concatenate([[True], ranked[1:] != ranked[:-1]])
        group = np.cumsum(tie_starts) - 1
        has_anomaly = np.bincount(group, weights=positive) > 0
        # Consecutive groups without an anomaly can be merged: no metric distinguishes them.
        cut = has_anomaly | np.concatenate([[True], has_anomaly[:-1]])
        self.starts = np.flatnonzero(tie_starts)[cut]
        segment = np.cumsum(cut)[group] - 1
        self.positives = self.order[positive]
        self.segments = len(self.starts)
        self.positive_starts = np.flatnonzero(np.diff(segment[positive], prepend=-1))
        self.positive_segments = segment[positive][self.positive_starts]

    def compute(self, metric: Metric, weights: Array) -> Array:
        """Compute the metric for each column of `weights`.

        Parameters
        ----------
        metric : str
            One of :data:`METRICS`.
        weights : array of shape (n, resamples)
            Weight of each row.

        Returns
        -------
        array of shape (resamples,)
            NaN where only one class has weight.
        """
        return self.compute_all((metric,), weights)[:, 0]

    def compute_all(self, metrics: Sequence[Metric], weights: Array) -> Array:
        """Compute several metrics, as an array of shape (resamples, len(metrics)); see `weighted`."""
        if self.shares is not None:
            weights = weights * self.shares[:, None]
        total = np.add.reduceat(weights[self.order], self.starts, axis=0)
        positive = np.zeros_like(total)
        positive[self.positive_segments] = np.add.reduceat(
            weights[self.positives], self.positive_starts, axis=0
        )
        hits = np.cumsum(positive, axis=0)
        all_positive, all_negative = hits[-1], total.sum(axis=0) - hits[-1]
        defined = (all_positive > 0) & (all_negative > 0)
        columns = []
        for metric in metrics:
            if metric == "average_precision":
                ranked = np.cumsum(total, axis=0)
                gained = (positive * hits / np.where(ranked > 0, ranked, 1)).sum(axis=0)
                scale = all_positive
            elif metric == "roc_auc":
                gained = ((total - positive) * (hits - positive / 2)).sum(axis=0)
                scale = all_positive * all_negative
            else:
                false = np.cumsum(total - positive, axis=0)
                if metric == "recall_at_budget":
                    gained = self._count_caught(positive, false, all_negative)
                    scale = all_positive
                else:  # in units of anomalies: a false alarm costs `rate` anomalies
                    rate = self.operation.false_alarms * all_positive / np.where(defined, all_negative, 1)
                    gained = np.maximum((hits - rate * false).max(axis=0), 0)
                    scale = all_positive
            columns.append(np.where(defined, gained / np.where(scale > 0, scale, 1), np.nan))
        return np.stack(columns, axis=1)

    def _count_caught(self, positive: Array, false: Array, all_negative: Array) -> Array:
        """Count anomalies above the threshold at which the share of normal rows alerts; a tie is split."""
        budget = self.operation.share * all_negative
        before = np.concatenate([np.zeros((1, false.shape[1])), false[:-1]])
        in_group = false - before
        part = np.clip((budget - before) / np.where(in_group > 0, in_group, 1), 0, 1)
        return np.asarray(
            (positive * np.where(in_group > 0, part, before <= budget * (1 + 1e-12))).sum(axis=0)
        )

    def value(self, metric: Metric) -> float:
        """Compute the metric with weight 1 for every row."""
        return float(self.compute(metric, np.ones((len(self.order), 1)))[0])


def bootstrap_metric(
    rankings: Sequence[Ranking],
    metric: Metric,
    resamples: int,
    seed: int,
    blocks: Ints | None = None,
) -> Array:
    """Compute one metric on resamples, of shape (resamples, len(rankings)); see `bootstrap_metrics`."""
    return bootstrap_metrics(rankings, (metric,), resamples, seed, blocks)[:, :, 0]


def bootstrap_metrics(
    rankings: Sequence[Ranking],
    metrics: Sequence[Metric],
    resamples: int,
    seed: int,
    blocks: Ints | None = None,
) -> Array:
    """Compute the metrics of each ranking on the same resamples of the same rows.

    Parameters
    ----------
    rankings : sequence of Ranking
        Rankings of the same n rows.
    metrics : sequence of str
        Of :data:`METRICS`.
    resamples : int
    seed : int
    blocks : array of shape (n,), optional
        Rows with the same block number are drawn together, because they are not independent.

    Returns
    -------
    array of shape (resamples, len(rankings), len(metrics))
        NaN where a resample has a single class.

    References
    ----------
    Efron, Tibshirani: An Introduction to the Bootstrap, 1993, sections 8.3, 8.6 and 13.3.
    """
    rng = np.random.default_rng(seed)
    rows = len(rankings[0].order)
    member = None if blocks is None else np.unique(blocks, return_inverse=True)[1]
    units = rows if member is None else int(member.max()) + 1
    width = max(1, min(resamples, _CELLS // rows))
    result = np.empty((resamples, len(rankings), len(metrics)))
    for start in range(0, resamples, width):
        stop = min(start + width, resamples)
        size = stop - start
        drawn = rng.integers(0, units, size=(units, size)) * size + np.arange(size)
        counts = np.bincount(drawn.ravel(), minlength=units * size).reshape(units, size).astype(np.float64)
        weights = counts if member is None else counts[member]
        for column, ranking in enumerate(rankings):
            result[start:stop, column] = ranking.compute_all(metrics, weights)
    return result
