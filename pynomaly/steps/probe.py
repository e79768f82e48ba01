"""Measure a detector without labels: rank agreement with a fresh refit, and quality on injected anomalies.

Called once when a version is registered, on rows it was not fitted on, and on monitored windows. The cost is
bounded: at most ``degradation.check_rows`` rows, one small refit and two scorings. Reads and writes nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Pipeline
from pynomaly.detectors import make
from pynomaly.errors import PynomalyError
from pynomaly.judging import evaluation
from pynomaly.judging.injection import inject
from pynomaly.judging.unlabelled import Probe
from pynomaly.model.bundle import Bundle
from pynomaly.model.features import Features
from pynomaly.model.scoring import prepared, scorer

__all__ = ["probe"]

_RESAMPLES = 200
Interval = tuple[float, float, float]


def probe(pipeline: Pipeline, bundle: Bundle, frame: pd.DataFrame) -> Probe:
    """Measure `bundle` on rows of `frame`, DataFrame of shape (n, >= d); known anomalies are left out."""
    label, settings = bundle.contract.label, pipeline.degradation
    rows = frame[(frame[label] != 1).to_numpy()] if label is not None and label in frame else frame
    if len(rows) < settings.min_rows:
        reason = f"{len(rows)} rows without known anomalies; {settings.min_rows} are needed"
        return Probe(len(rows), None, None, None, (reason,))
    size = min(len(rows), settings.check_rows)
    sampled_rows = np.random.default_rng(pipeline.training.seed).choice(len(rows), size=size, replace=False)
    rows = rows.iloc[np.sort(sampled_rows)].reset_index(drop=True)
    reasons: list[str] = []
    agreement: float | None = None
    roc_auc: Interval | None = None
    precision: Interval | None = None
    try:
        agreement = _agreement(pipeline, bundle, rows)
        if agreement is None:
            reasons.append("scores are all equal, and have no ranks")
    except PynomalyError as error:
        reasons.append(f"the detector cannot be fitted on {len(rows)} rows: {error}")
    try:
        roc_auc, precision = _injected(pipeline, bundle, rows)
    except PynomalyError as error:
        reasons.append(str(error))
    return Probe(len(rows), agreement, roc_auc, precision, tuple(reasons))


def _agreement(pipeline: Pipeline, bundle: Bundle, rows: pd.DataFrame) -> float | None:
    """Refit on every other row; returns the rank correlation of both models on the remaining rows."""
    from scipy.stats import rankdata

    detector, contract = bundle.detector, bundle.contract
    conformed, times = prepared(rows.iloc[::2], contract, calendar=bundle.features.calendar)
    features = Features.fit(
        conformed,
        times,
        pipeline.features.model_copy(update={"calendar": bundle.features.calendar}),
    )
    fresh = make(detector.name, seed=pipeline.training.seed, **detector.params)
    fresh = fresh.fit(features.transform(conformed, times))
    rest = rows.iloc[1::2]
    ranks: list[NDArray[np.float64]] = [
        rankdata(scores) for scores in (bundle.raw_scores(rest), scorer(features, fresh, contract)(rest))
    ]
    if any(side.std() == 0 for side in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _injected(
    pipeline: Pipeline, bundle: Bundle, rows: pd.DataFrame
) -> tuple[Interval | None, Interval | None]:
    """Returns the champion's AUROC and average precision on injected anomalies, with intervals."""
    contract, settings = bundle.contract, pipeline.comparison
    changed, truth, _ = inject(
        contract.conform(rows), contract, settings.injected_share, pipeline.training.seed
    )
    scores = bundle.raw_scores(rows.assign(**{name: changed[name] for name in contract.features}))
    measured = evaluation.metrics(
        truth,
        scores,
        confidence=pipeline.degradation.confidence,
        resamples=_RESAMPLES,
        seed=pipeline.training.seed,
    )
    return _bounds(measured.roc_auc), _bounds(measured.average_precision)


def _bounds(interval: evaluation.Interval | None) -> Interval | None:
    return None if interval is None else (interval.value, interval.low, interval.high)
