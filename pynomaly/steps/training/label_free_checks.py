"""Measure a detector without labels: rank agreement with a fresh refit, and quality on injected anomalies.

Called once when a version is registered, on rows it was not fitted on, and on monitored windows. The cost is
bounded: at most ``degradation.check_rows`` rows, one small refit and two scorings. Reads and writes nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Pipeline
from pynomaly.detectors import make_detector
from pynomaly.errors import PynomalyError
from pynomaly.judging.comparison import evaluation
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.injection import inject_anomalies
from pynomaly.judging.drift.label_free_checks import UnlabelledProbe
from pynomaly.model.bundle import Bundle
from pynomaly.model.features import FeatureEncoder
from pynomaly.model.scoring import encode_rows, make_scorer, prepare_rows

__all__ = ["probe_model"]

_RESAMPLES = 200
Bounds = tuple[float, float, float]


def probe_model(pipeline: Pipeline, bundle: Bundle, frame: pd.DataFrame) -> UnlabelledProbe:
    """Measure `bundle` on rows of `frame`, DataFrame of shape (n, >= d); known anomalies are left out."""
    label, settings = bundle.contract.label, pipeline.degradation
    rows = frame[(frame[label] != 1).to_numpy()] if label is not None and label in frame else frame
    if len(rows) < settings.min_rows:
        reason = f"{len(rows)} rows without known anomalies; {settings.min_rows} are needed"
        return UnlabelledProbe(len(rows), None, None, None, (reason,))
    size, worth = min(len(rows), settings.check_rows), bundle.dependence.count_effective(len(rows))
    sampled_rows = np.random.default_rng(pipeline.training.seed).choice(len(rows), size=size, replace=False)
    rows = rows.iloc[np.sort(sampled_rows)].reset_index(drop=True)
    reasons: list[str] = []
    agreement: float | None = None
    roc_auc: Bounds | None = None
    precision: Bounds | None = None
    try:
        agreement = _measure_agreement(pipeline, bundle, rows)
        if agreement is None:
            reasons.append("scores are all equal, and have no ranks")
    except PynomalyError as error:
        reasons.append(f"the detector cannot be fitted on {len(rows)} rows: {error}")
    try:
        roc_auc, precision = _measure_injected(pipeline, bundle, rows)
    except PynomalyError as error:
        reasons.append(str(error))
    effective = worth if bundle.dependence.is_dependent else None
    return UnlabelledProbe(len(rows), agreement, roc_auc, precision, tuple(reasons), effective)


def _measure_agreement(pipeline: Pipeline, bundle: Bundle, rows: pd.DataFrame) -> float | None:
    """Refit on every other row; returns the rank correlation of both models on the remaining rows."""
    from scipy.stats import rankdata

    detector, contract = bundle.detector, bundle.contract
    half = prepare_rows(
        rows.iloc[::2], contract, calendar=bundle.features.calendar, entities=bundle.features.by_entity
    )
    features = FeatureEncoder.fit(
        half.frame,
        half.times,
        pipeline.features.model_copy(
            update={
                "calendar": bundle.features.calendar,
                "entities": "own" if bundle.features.by_entity else "pooled",
            }
        ),
        half.entities,
    )
    fresh = make_detector(detector.name, seed=pipeline.training.seed, **detector.params)
    fresh = fresh.fit(encode_rows(half, features, looks_back=fresh.looks_back))
    rest = rows.iloc[1::2]
    ranks: list[NDArray[np.float64]] = [
        rankdata(scores) for scores in (bundle.raw_scores(rest), make_scorer(features, fresh, contract)(rest))
    ]
    if any(side.std() == 0 for side in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _measure_injected(
    pipeline: Pipeline, bundle: Bundle, rows: pd.DataFrame
) -> tuple[Bounds | None, Bounds | None]:
    """Returns the champion's AUROC and average precision on injected anomalies, with intervals."""
    contract, settings = bundle.contract, pipeline.comparison
    changed, truth, _ = inject_anomalies(
        contract.conform(rows), contract, settings.injected_share, pipeline.training.seed
    )
    scores = bundle.raw_scores(rows.assign(**{name: changed[name] for name in contract.features}))
    measured = evaluation.compute_metrics(
        Evidence(truth, rung=Rung.INJECTED),
        scores,
        confidence=pipeline.degradation.confidence,
        resamples=_RESAMPLES,
        seed=pipeline.training.seed,
    )
    return _unpack_interval(measured.roc_auc), _unpack_interval(measured.average_precision)


def _unpack_interval(interval: evaluation.Interval | None) -> Bounds | None:
    return None if interval is None else (interval.value, interval.low, interval.high)
