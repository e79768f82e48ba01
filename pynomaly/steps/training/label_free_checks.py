"""Measure a detector without labels: rank agreement with a fresh refit, and quality on injected anomalies.

Called once when a version is registered, and on monitored windows. The cost is bounded: at most
``degradation.check_rows`` rows, one small refit and two scorings; a training repeats that for a few windows
of its reference. Reads and writes nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Pipeline
from pynomaly.detectors import make_detector
from pynomaly.errors import PynomalyError
from pynomaly.judging.comparison import evaluation
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.injected.rows import inject_rows
from pynomaly.judging.comparison.injection import ANOMALY_KINDS
from pynomaly.judging.drift.label_free_checks import UnlabelledProbe
from pynomaly.model.bundle import Bundle
from pynomaly.model.features import FeatureEncoder
from pynomaly.model.row_times import read_row_times
from pynomaly.model.scoring import encode_rows, make_scorer, prepare_rows
from pynomaly.model.sketch.reference_windows import ReferenceWindows
from pynomaly.steps.training.training_rows import separate_episodes

__all__ = ["probe_model", "probe_version"]

MOST_WINDOWS = 16
"""Most windows of a reference on which agreement is measured."""

_RESAMPLES = 200
Bounds = tuple[float, float, float]


def probe_version(
    pipeline: Pipeline, bundle: Bundle, fitted: pd.DataFrame, held_out: pd.DataFrame
) -> UnlabelledProbe:
    """Measure a new version on its held-out rows, and its agreement on windows of all its rows.

    A later window is a stretch of time, in which a refit learns other things than from rows of all times: it
    is compared with stretches as long.

    Parameters
    ----------
    fitted, held_out : DataFrame of shape (n, >= d)
        The rows of the training.
    """
    probe = probe_model(pipeline, bundle, held_out)
    contract, rows = bundle.contract, _drop_known(bundle, pd.concat([fitted, held_out], ignore_index=True))
    times = read_row_times(rows, contract)
    if probe.agreement is None or times is None or times.isna().any():
        return probe
    windows = ReferenceWindows.split(times, pd.Timedelta(pipeline.windows.monitor))
    places = [window for window in windows.places if len(window) >= pipeline.degradation.min_rows]
    chosen = np.unique(np.linspace(0, len(places) - 1, min(len(places), MOST_WINDOWS)).round().astype(int))
    own = []
    for number in chosen:
        window = rows.iloc[np.sort(places[number])]
        try:
            agreement = _measure_agreement(pipeline, bundle, _draw_rows(pipeline, window))
        except PynomalyError:  # a window that cannot be fitted says nothing of the others
            continue
        if agreement is not None:
            own.append(agreement)
    wander = bundle.dependence.upper
    worth = min(float(len(own)), windows.span / max(windows.block, wander))
    return replace(probe, own=tuple(own), worth=worth)


def probe_model(pipeline: Pipeline, bundle: Bundle, frame: pd.DataFrame) -> UnlabelledProbe:
    """Measure `bundle` on rows of `frame`, DataFrame of shape (n, >= d); known anomalies are left out."""
    settings, rows = pipeline.degradation, _drop_known(bundle, frame)
    if len(rows) < settings.min_rows:
        reason = f"{len(rows)} rows without known anomalies; {settings.min_rows} are needed"
        return UnlabelledProbe(len(rows), None, None, None, (reason,))
    worth = bundle.dependence.count_effective(len(rows))
    all_rows, rows = rows, _draw_rows(pipeline, rows)
    reasons: list[str] = []
    agreement: float | None = None
    injected = UnlabelledProbe(len(rows), None, None, None)
    try:
        agreement = _measure_agreement(pipeline, bundle, rows)
        if agreement is None:
            reasons.append("scores are all equal, and have no ranks")
    except PynomalyError as error:
        reasons.append(f"the detector cannot be fitted on {len(rows)} rows: {error}")
    try:
        injected = _measure_injected(pipeline, bundle, all_rows, len(rows))
    except PynomalyError as error:
        reasons.append(str(error))
    effective = worth if bundle.dependence.is_dependent else None
    return replace(injected, agreement=agreement, reasons=tuple(reasons), effective=effective)


def _drop_known(bundle: Bundle, frame: pd.DataFrame) -> pd.DataFrame:
    label = bundle.contract.label
    return frame[(frame[label] != 1).to_numpy()] if label is not None and label in frame else frame


def _draw_rows(pipeline: Pipeline, rows: pd.DataFrame) -> pd.DataFrame:
    """Return at most ``degradation.check_rows`` of the rows, in their order."""
    size = min(len(rows), pipeline.degradation.check_rows)
    drawn = np.random.default_rng(pipeline.training.seed).choice(len(rows), size=size, replace=False)
    return rows.iloc[np.sort(drawn)].reset_index(drop=True)


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


def _measure_injected(pipeline: Pipeline, bundle: Bundle, rows: pd.DataFrame, size: int) -> UnlabelledProbe:
    """Returns the champion's metrics on injected anomalies, with `size` of the rows as the normal ones.

    All rows say which kinds are possible, and lend episodes their past.
    """
    contract, settings, seed = bundle.contract, pipeline.comparison, pipeline.training.seed
    share = settings.injected_share * size / len(rows)
    changed = inject_rows(pipeline, contract, rows, rows, share)
    normal = np.flatnonzero(changed.truth == 0)
    kept = changed.truth == 1
    kept[np.random.default_rng(seed).choice(normal, size=min(size, len(normal)), replace=False)] = True
    truth, injected = changed.truth[kept], changed.injected.select(kept)
    scores = bundle.raw_scores(changed.frame[kept].reset_index(drop=True))
    alone = np.isin(injected.kinds, ("", *ANOMALY_KINDS))
    roc_auc, precision = _measure_metrics(pipeline, Evidence(truth[alone], rung=Rung.INJECTED), scores[alone])
    kinds = tuple(sorted({str(kind) for kind in injected.kinds[~alone]}))
    if not kinds:
        return UnlabelledProbe(size, None, roc_auc, precision)
    evidence = separate_episodes(Evidence(truth, np.arange(len(truth)), Rung.INJECTED, injected))
    in_context = _measure_metrics(pipeline, evidence, scores)
    return UnlabelledProbe(size, None, roc_auc, precision, kinds=kinds, in_context=in_context)


def _measure_metrics(
    pipeline: Pipeline, evidence: Evidence, scores: NDArray[np.float64]
) -> tuple[Bounds | None, Bounds | None]:
    """Returns AUROC and average precision, with intervals."""
    measured = evaluation.compute_metrics(
        evidence,
        scores,
        confidence=pipeline.degradation.confidence,
        resamples=_RESAMPLES,
        seed=pipeline.training.seed,
    )
    return _unpack_interval(measured.roc_auc), _unpack_interval(measured.average_precision)


def _unpack_interval(interval: evaluation.Interval | None) -> Bounds | None:
    return None if interval is None else (interval.value, interval.low, interval.high)
