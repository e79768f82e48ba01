"""Fits features and detector, and calibrates on held-out rows or on out-of-fold scores of all rows.

Out-of-fold scores are used only if the models of the folds behave like the final model. The final model
should score the rows it was fitted on lower than the folds' models do. If its scores are higher than chance
explains, the models differ, p-values could make too many alerts, and a split is used instead. Known
anomalies, if any, are used last (:mod:`pynomaly.model.fitting.known_anomalies`). Called by
:mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.data.past import get_past
from pynomaly.detectors.base import Detector
from pynomaly.detectors.catalogue import find_entry, make_detector_for
from pynomaly.detectors.deadline import fit_within
from pynomaly.detectors.methods.reranking import Reranking
from pynomaly.errors import DataError, DetectorError, FitTimeoutError
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.calibration import Calibration
from pynomaly.model.calibration.crossfit import score_out_of_fold, uses_cross_fitting
from pynomaly.model.calibration.events import EventRates
from pynomaly.model.dependence.dependence import INDEPENDENT, Dependence
from pynomaly.model.entities.scales import read_row_entities
from pynomaly.model.features import FeatureEncoder
from pynomaly.model.fitting.entity_calibration import calibrate_by_entity, measure_widths
from pynomaly.model.fitting.event_counts import count_reference_events
from pynomaly.model.fitting.known_anomalies import KnownAnomalies, learn_reranking, unused_facts
from pynomaly.model.fitting.row_use import sample_rows, select_apart, select_learned
from pynomaly.model.row_times import read_row_times
from pynomaly.model.scoring import encode_rows, make_scorer, prepare_rows

__all__ = ["FitResult", "fit_model"]

Floats = NDArray[np.float64]

KOLMOGOROV_LIMIT = 1.36  # one-sided Kolmogorov distance times sqrt(n), exceeded by one sample in forty


@dataclass(frozen=True, eq=False)
class FitResult:
    """A fitted and calibrated model.

    Attributes
    ----------
    total_rows : int
        Number of rows to fit on, before sampling.
    rows, held_out : DataFrame
        Rows used in the fit, and rows whose `scores` calibrate; the same rows if cross-fitted.
    note : str
        Note for people about the calibration, or "".
    teachers : DataFrame or None
        Held-out rows used to learn `reranking`, so not used to calibrate.
    reranking : Reranking or None
    known : dict or None
        Facts about known anomalies (:class:`~pynomaly.model.fitting.known_anomalies.RerankingResult`); None
        if there were none.
    events : EventRates or None
        How rows of the reference alert together; None without times, or if ``alerts.count`` is ``rows``.
    """

    features: FeatureEncoder
    detector: Detector
    calibration: Calibration
    total_rows: int
    rows: pd.DataFrame
    held_out: pd.DataFrame
    scores: Floats
    note: str = ""
    teachers: pd.DataFrame | None = None
    reranking: Reranking | None = None
    known: dict[str, Any] | None = None
    events: EventRates | None = None


def fit_model(
    fit_frame: pd.DataFrame,
    calibration_frame: pd.DataFrame,
    pipeline: config.Pipeline,
    candidate: config.Candidate,
    contract: FrameContract,
    known: KnownAnomalies | None = None,
    policy: AlertPolicy | None = None,
    dependence: Dependence = INDEPENDENT,
) -> FitResult:
    """Fit on the first part and calibrate on the second, or do both on all rows (``training.calibrate``).

    More rows than ``training.max_rows`` are sampled by seed. Known anomalies may change the scores and which
    rows calibrate. With ``training.calibrate: auto``, out-of-fold scores are used also where the split cannot
    resolve the threshold of `policy`, and where dependent rows leave it few independent ones. With
    ``training.calibrate_by: entity`` p-values are counted by entity.
    """
    model = _fit_for_policy(
        fit_frame, calibration_frame, pipeline, candidate, contract, known, policy, dependence
    )
    if pipeline.training.calibrate_by == "entity":
        widths = measure_widths(model.rows, model.features, contract, pipeline.features)
        least = policy.needed_scores if policy else 0
        calibration = calibrate_by_entity(
            model.calibration, model.scores, model.held_out, widths, contract, least
        )
        model = replace(model, calibration=calibration)
    return replace(model, events=_count_events(model, pipeline, contract))


def _count_events(model: FitResult, pipeline: config.Pipeline, contract: FrameContract) -> EventRates | None:
    """Return how rows of the reference alert together; None if rows are counted or nothing can alert."""
    if pipeline.alerts.count == "rows" or not model.calibration.computable:
        return None
    fitted = None if model.calibration.method == "cross" else model.rows
    if model.teachers is not None:
        fitted = pd.concat([model.teachers] if fitted is None else [fitted, model.teachers])
    entities = read_row_entities(model.held_out, contract) if model.calibration.groups is not None else None
    return count_reference_events(
        make_scorer(model.features, model.detector, contract, model.reranking),
        fitted,
        model.held_out,
        model.calibration.p_values(model.scores, entities),
        contract,
        pipeline.grouping.gap,
        by_entity=model.calibration.groups is not None,
    )


def _fit_for_policy(
    fit_frame: pd.DataFrame,
    calibration_frame: pd.DataFrame,
    pipeline: config.Pipeline,
    candidate: config.Candidate,
    contract: FrameContract,
    known: KnownAnomalies | None,
    policy: AlertPolicy | None,
    dependence: Dependence,
) -> FitResult:
    """Return a model calibrated so that it resolves the policy, if one of both ways does."""
    training = pipeline.training
    needed = policy.needed_scores if policy else 0

    def learn(model: FitResult) -> FitResult:
        if known is None or not len(known.frame):
            return model
        return _learn_from_known(model, known, training, contract, dependence)

    frames = (fit_frame, calibration_frame)
    model = learn(_fit_and_calibrate(*frames, pipeline, candidate, contract, needed, dependence))
    if policy is None or training.calibrate != "auto" or not _may_resolve_more(model, policy, training):
        return model
    # Half of the rows kept apart taught the known anomalies, or no tail reaches the threshold.
    cross_fit, _ = _try_cross_fit(*frames, pipeline, candidate, contract, dependence.gap)
    other = learn(cross_fit) if cross_fit else model
    resolves = policy.can_alert(other.calibration) and not policy.can_alert(model.calibration)
    return other if resolves or len(other.scores) >= needed else model


def _may_resolve_more(model: FitResult, policy: AlertPolicy, training: config.Training) -> bool:
    """Return whether a split, tried alone, resolves the policy less than out-of-fold scores might."""
    if model.calibration.method != "split" or model.note or len(model.scores) >= policy.needed_scores:
        return False
    rows = min(model.total_rows + len(model.held_out), training.max_rows)
    enough = rows // 2 if model.reranking else rows  # the other half would teach
    return enough >= policy.needed_scores or not policy.can_alert(model.calibration)


def _learn_from_known(
    model: FitResult,
    known: KnownAnomalies,
    training: config.Training,
    contract: FrameContract,
    dependence: Dependence,
) -> FitResult:
    """Return the model with a reranking learned from known anomalies, if it ranks better, and the facts."""

    def numbers(frame: pd.DataFrame) -> Floats:
        features = model.features
        rows = prepare_rows(frame, contract, calendar=features.calendar, entities=features.by_entity)
        return features.transform(rows.frame, rows.times, rows.entities)

    count = len(known.frame)
    if training.known_anomalies == "leave_out":
        return replace(model, known=unused_facts(count, "training.known_anomalies is leave_out"))
    try:
        anomalies = numbers(known.frame)
    except DataError as error:  # features.missing: reject
        return replace(model, known=unused_facts(count, f"they cannot be turned into numbers: {error}"))
    normal_rows = numbers(model.held_out)
    known_scores = make_scorer(model.features, model.detector, contract)(known.frame)
    blocks = None
    if dependence.is_dependent:
        entities = model.held_out.get(contract.id) if contract.id else None
        blocks = dependence.number_blocks(read_row_times(model.held_out, contract), entities)
    lesson = learn_reranking(
        normal_rows, model.scores, anomalies, known_scores, known.blocks, training.seed, blocks
    )
    if lesson.reranking is None:
        return replace(model, known=lesson.facts)
    calibrating = lesson.calibrating
    scores = lesson.reranking.score(normal_rows[calibrating], model.scores[calibrating])
    return replace(
        model,
        calibration=Calibration.fit(scores, method=model.calibration.method, tail=training.tail == "pareto"),
        held_out=model.held_out[calibrating],
        scores=scores,
        teachers=model.held_out[~calibrating],
        reranking=lesson.reranking,
        known=lesson.facts,
    )


def _fit_and_calibrate(
    fit_frame: pd.DataFrame,
    calibration_frame: pd.DataFrame,
    pipeline: config.Pipeline,
    candidate: config.Candidate,
    contract: FrameContract,
    needed: int,
    dependence: Dependence,
) -> FitResult:
    training = pipeline.training
    total_rows = len(fit_frame) + len(calibration_frame)
    note = ""
    in_stretches = get_past(fit_frame) is not None  # what is set aside is the last of them
    apart = select_apart(calibration_frame)
    if uses_cross_fitting(
        training, len(apart), total_rows, needed, in_stretches=in_stretches, dependence=dependence
    ):
        cross_fit, note = _try_cross_fit(
            fit_frame, calibration_frame, pipeline, candidate, contract, dependence.gap
        )
        if cross_fit:
            return cross_fit
    fit_frame = select_apart(fit_frame)
    rows = sample_rows(fit_frame, training)
    features, detector = _fit_detector(rows, pipeline, candidate, contract, limited=True, whole=fit_frame)
    scores = make_scorer(features, detector, contract)(apart)
    calibration = Calibration.fit(scores, tail=training.tail == "pareto")
    return FitResult(features, detector, calibration, len(fit_frame), rows, apart, scores, note)


def _try_cross_fit(
    fit_frame: pd.DataFrame,
    calibration_frame: pd.DataFrame,
    pipeline: config.Pipeline,
    candidate: config.Candidate,
    contract: FrameContract,
    gap: float,
) -> tuple[FitResult | None, str]:
    """Return a model calibrated on out-of-fold scores, or None and the note that says why not."""
    all_rows = pd.concat([fit_frame, calibration_frame], ignore_index=True)
    instead = f"calibrated on {len(calibration_frame)} rows kept apart"
    try:
        cross_fit = _cross_fit(all_rows, pipeline, candidate, contract, gap)
    except FitTimeoutError:
        raise
    except DetectorError as error:
        # A fold may be too small to fit while all rows are enough; a split raises any other error again.
        return None, f"{instead}: a fold cannot be fitted: {error}"
    if cross_fit.detector.looks_back:
        return cross_fit, ""  # it meets its own windows again, so its own scores say nothing of new rows
    distance = _overfit_distance(cross_fit, contract)
    if distance <= KOLMOGOROV_LIMIT / math.sqrt(len(cross_fit.rows)):
        return cross_fit, ""
    return None, (
        f"{instead}: out-of-fold scores are {distance:.0%} "
        "away from those of the whole fit, this detector changes too much with the rows"
    )


def _cross_fit(
    all_rows: pd.DataFrame,
    pipeline: config.Pipeline,
    candidate: config.Candidate,
    contract: FrameContract,
    gap: float,
) -> FitResult:
    training = pipeline.training
    rows = sample_rows(all_rows, training)
    features, detector = _fit_detector(select_learned(rows), pipeline, candidate, contract, limited=True)
    scores = score_out_of_fold(
        rows,
        training.seed,
        # No separate process with a time limit: the same fit on more rows has ended in time.
        lambda part: make_scorer(
            *_fit_detector(select_learned(part), pipeline, candidate, contract, limited=False), contract
        ),
        read_row_times(rows, contract),
        gap,
    )
    calibration = Calibration.fit(scores, method="cross", tail=training.tail == "pareto")
    return FitResult(features, detector, calibration, len(all_rows), rows, rows, scores)


def _overfit_distance(cross_fit: FitResult, contract: FrameContract) -> float:
    """Return the one-sided Kolmogorov distance of own scores above out-of-fold scores of the same rows."""
    if not cross_fit.calibration.computable:
        return 0.0
    own_scores = make_scorer(cross_fit.features, cross_fit.detector, contract)(cross_fit.rows)
    p_values = np.sort(cross_fit.calibration.conformal_p_values(own_scores))
    return float(np.max(np.arange(1, len(p_values) + 1) / len(p_values) - p_values))


def _fit_detector(
    part: pd.DataFrame,
    pipeline: config.Pipeline,
    candidate: config.Candidate,
    contract: FrameContract,
    *,
    limited: bool,
    whole: pd.DataFrame | None = None,
) -> tuple[FeatureEncoder, Detector]:
    """Fit features and detector on `part`; if `limited`, within ``training.timeout`` where that is set.

    Entities with their own baseline learn it from `whole`, which `part` was drawn from, if it is given: a
    sample holds few rows of each.
    """
    training, settings = pipeline.training, pipeline.features
    own = settings.entities == "own"
    rows = prepare_rows(part, contract, calendar=settings.calendar, entities=own)
    features = FeatureEncoder.fit(rows.frame, rows.times, settings, rows.entities)
    if own and whole is not None and len(whole) > len(part):
        every = prepare_rows(whole, contract, calendar=False, entities=True)
        features = features.learn_entities(every.frame, every.entities, settings)
    encoded = encode_rows(rows, features, looks_back=find_entry(candidate.detector).looks_back)
    detector = make_detector_for(encoded, candidate.detector, training.seed, candidate.params)
    return features, fit_within(detector, encoded, training.fit_seconds if limited else None)
