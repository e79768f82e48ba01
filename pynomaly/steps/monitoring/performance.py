"""Measure a model on a window's labelled rows against the rows that judged it, and say which labels wait.

Called for each window, and again when its labels are due (:mod:`pynomaly.steps.monitoring.late_labels`).
Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.judging.comparison.evaluation import compute_metrics
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.ranking_metrics import Array, OperatingPoint
from pynomaly.judging.drift.observation import Observation
from pynomaly.judging.drift.performance import JudgedScores, compare_performance
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import TrainedBaseline, parse_window_key
from pynomaly.steps.training.splits import number_rows

__all__ = ["LabelledPerformance", "adopt_baseline", "find_label_moment", "measure_performance"]


@dataclass(frozen=True)
class LabelledPerformance:
    """The metric on the labelled rows of a window, and what it is compared with.

    Attributes
    ----------
    positives : int
        Labelled anomalies.
    value, high, baseline : float or None
        The metric now; the end of its interval that must be below the baseline; the metric at training.
    labels_due : datetime or None
        When the labels of all rows are known, if that is later; the window is then judged again.
    notes : tuple of str
    kept : dict or None
        Scores that later windows are compared with, where no labels judged the version at its training.
    """

    positives: int = 0
    value: float | None = None
    high: float | None = None
    baseline: float | None = None
    labels_due: datetime | None = None
    notes: tuple[str, ...] = ()
    kept: dict[str, Any] | None = None


def find_label_moment(pipeline: Pipeline, key: str) -> datetime | None:
    """Return when the last label of a window is known; None for a table without times or labels."""
    edges = parse_window_key(key)
    if edges is None or pipeline.data.label is None:
        return None
    return edges[1] + pipeline.data.label_delay


def adopt_baseline(baseline: TrainedBaseline, earlier: Sequence[Observation]) -> TrainedBaseline:
    """Return the baseline of a version: its own if labels judged it, else its first window with labels.

    Parameters
    ----------
    earlier : sequence of Observation
        Of the version, oldest first.
    """
    if baseline.rung == Rung.LABELS:
        return baseline
    kept = next((item.kept for item in earlier if item.kept is not None), None)
    return baseline if kept is None else replace(baseline, rung=Rung.LABELS, value=None, judged=kept)


def measure_performance(
    pipeline: Pipeline,
    bundle: Bundle,
    key: str,
    frame: pd.DataFrame,
    scores: Array,
    baseline: TrainedBaseline,
    as_of: datetime | None = None,
) -> LabelledPerformance:
    """Measure the labelled rows of a window against a baseline that used labels, too.

    Where no labels judged the version, the first window with enough of them, all in, is the baseline.

    Parameters
    ----------
    key : str
        The window's key.
    frame : DataFrame of shape (n, d)
    scores : array of shape (n,)
    baseline : TrainedBaseline
    as_of : datetime, optional
        Moment at which the labels are known; without one, all labels are in.
    """
    label = bundle.contract.label
    if label is None:
        return LabelledPerformance()
    has_baseline = baseline.rung == Rung.LABELS and (baseline.value, baseline.judged) != (None, None)
    before = baseline.value if has_baseline else None
    moment = find_label_moment(pipeline, key)
    due = moment if moment is not None and as_of is not None and moment > as_of else None
    has_label = frame[label].notna().to_numpy() if label in frame else np.zeros(len(frame), dtype=bool)
    truth = (
        frame.loc[has_label, label].to_numpy().astype(np.int64) if label in frame else np.zeros(0, np.int64)
    )
    positives, minimum = int((truth == 1).sum()), pipeline.degradation.min_positives
    if positives < minimum:
        return LabelledPerformance(positives, baseline=before, labels_due=due)
    evidence = Evidence(
        truth,
        number_rows(bundle.contract, frame[has_label], bundle.dependence, truth == 1),
        operation=OperatingPoint.of(pipeline.alerts, bundle.policy.threshold),
    )
    metric, confidence = pipeline.comparison.metric, pipeline.degradation.confidence
    seed, labelled = pipeline.training.seed, scores[has_label]
    if not has_baseline:
        kept = None if due else JudgedScores.keep(evidence, labelled, 0.0, seed)
        return LabelledPerformance(
            positives if kept else 0, labels_due=due, kept=kept.to_dict() if kept else None
        )
    if baseline.judged is None:
        measured = getattr(
            compute_metrics(evidence, labelled, confidence=confidence, resamples=400, seed=seed), metric
        )
        note = (
            "the version was trained before its judged scores were kept: its performance is compared with "
            "one number, at another share of anomalies and without that number's own error; train again"
        )
        value, high = (measured.value, measured.high) if measured else (None, None)
        return LabelledPerformance(positives, value, high, before, due, (note,))
    change = compare_performance(
        JudgedScores.from_dict(baseline.judged), evidence, labelled, metric, confidence=confidence, seed=seed
    )
    if change is None:
        return LabelledPerformance(positives, baseline=before, labels_due=due)
    return LabelledPerformance(
        positives, change.value, change.high, change.baseline, due, (change.describe(),)
    )
