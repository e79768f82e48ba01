"""Measure a detector where there are no labels: ranks of a fresh refit, and anomalies injected into its rows.

Called once when a version is registered, on rows it was not fitted on, and on monitored windows. Bounded:
at most ``degradation.check_rows`` rows, one small refit and two scorings. Reads nothing, writes nothing.
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
    drawn = np.random.default_rng(pipeline.training.seed).choice(len(rows), size=size, replace=False)
    rows = rows.iloc[np.sort(drawn)].reset_index(drop=True)
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
    """Fit on every other row, and rank the rest by both models."""
    from scipy.stats import rankdata

    old, contract = bundle.detector, bundle.contract
    conformed, times = prepared(rows.iloc[::2], contract, calendar=bundle.features.calendar)
    features = Features.fit(
        conformed,
        times,
        pipeline.features.model_copy(update={"calendar": bundle.features.calendar}),
    )
    fresh = make(old.name, seed=pipeline.training.seed, **old.params)
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
    """AUROC and average precision of the champion on anomalies injected into `rows`, with intervals."""
    contract, settings = bundle.contract, pipeline.comparison
    changed, truth, _ = inject(
        contract.conform(rows), contract, settings.injected_share, pipeline.training.seed
    )
    scores = bundle.raw_scores(rows.assign(**{name: changed[name] for name in contract.features}))
    found = evaluation.metrics(
        truth,
        scores,
        confidence=pipeline.degradation.confidence,
        resamples=_RESAMPLES,
        seed=pipeline.training.seed,
    )
    return _bounds(found.roc_auc), _bounds(found.average_precision)


def _bounds(found: evaluation.Interval | None) -> Interval | None:
    return None if found is None else (found.value, found.low, found.high)
