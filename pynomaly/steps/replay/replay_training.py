"""Train and decide in memory, on slices of rows that were read once, for a replay.

Called by :mod:`pynomaly.steps.replay.replay`. Rows are validated, split, fitted, chosen and compared by the
functions that production uses; models stay in memory and nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from pynomaly.config import Candidate, Pipeline
from pynomaly.data.frame import FrameContract, hash_frame
from pynomaly.data.incidents import mark_incident_rows, read_incidents
from pynomaly.data.quality import validate
from pynomaly.data.window import Window
from pynomaly.errors import DataError, DetectorError, QualityError
from pynomaly.judging.comparison.promotion_rules import PromotionRuling, rule_on_promotion
from pynomaly.judging.comparison.verdict import Verdict
from pynomaly.judging.drift.degradation import Observation
from pynomaly.judging.drift.performance import keep_judged_scores
from pynomaly.judging.drift.retraining import RetrainDecision, RetrainSituation, decide_retraining
from pynomaly.model.window_alerts import expect_alerts_of
from pynomaly.records.ledger import TrainedBaseline
from pynomaly.steps.changes import (
    find_cause,
    find_drift_start,
    find_learned_start,
    find_training_start,
    has_grown,
    has_outlasted,
    has_rare_alerts,
    learned_more,
    recalibrates_again,
)
from pynomaly.steps.keys import compute_work_key
from pynomaly.steps.rejections import age_rejections
from pynomaly.steps.replay.history import ReplayHistory, TrainedModel
from pynomaly.steps.training.exclusions import AlertingModel
from pynomaly.steps.training.label_free_checks import probe_version
from pynomaly.steps.training.prepare import label_candidates
from pynomaly.steps.training.recalibration.new_p_values import (
    find_learned_end,
    name_detector_window,
    recalibrate_in_memory,
)
from pynomaly.steps.training.reference import find_reference_window, holds_change
from pynomaly.steps.training.train_candidates import (
    CandidateTraining,
    MemoryCandidate,
    compare_with,
    fit_in_memory,
    train_candidates,
)
from pynomaly.steps.training.training_rows import TrainingRows

__all__ = [
    "ReplayPlan",
    "compare_challenger",
    "decide_training",
    "rule_on_challenger",
    "train_on_reference",
]


def train_on_reference(
    past: ReplayHistory, at: datetime, champion: TrainedModel | None = None
) -> TrainedModel:
    """Train on the whole reference that ends at `at`; rows that `champion` alerts on stay out.

    Raises
    ------
    DataError
        If there are no or too few rows, or validation blocks them.
    DetectorError
        If no candidate can be fitted or gives scores that can be compared.
    """
    return _train(past, _find_reference_window(past.pipeline, at), at, past.candidates, champion)


def _find_reference_window(pipeline: Pipeline, at: datetime, since: datetime | None = None) -> Window:
    window = find_reference_window(pipeline, at, first=False, since=since)
    assert window is not None, "a replay is refused without time"
    return window


def _train(
    history: ReplayHistory,
    window: Window,
    as_of: datetime,
    candidates: tuple[Candidate, ...],
    champion: TrainedModel | None,
) -> TrainedModel:
    """Fit the candidates and choose; one on the same rows is reused, whichever champion left out others."""
    pipeline, started = history.pipeline, time.perf_counter()
    frame = _read_rows(history, window, as_of)
    rows = _split_rows(pipeline, window, frame, _find_alerting(pipeline, champion))
    key = compute_work_key(pipeline, "replay", window.key, hash_frame(frame), candidates)
    use = hash_frame(pd.concat([rows.fit, rows.calibration], keys=["fit", "calibration"]).reset_index(0))
    if (key, use) in history.students:
        return replace(history.students[key, use], reused=True)
    facts = _build_provenance(pipeline, window, as_of)
    training = train_candidates(
        pipeline,
        rows,
        (fit_in_memory(pipeline, rows, label, item, facts) for label, item in label_candidates(candidates)),
    )
    model = _build_model(pipeline, rows, training, key, started)
    history.students[key, use] = model
    return model


def _recalibrate(
    history: ReplayHistory, window: Window, as_of: datetime, champion: TrainedModel
) -> TrainedModel:
    """Return the champion with p-values from the newer reference."""
    pipeline, started = history.pipeline, time.perf_counter()
    rows = _split_rows(pipeline, window, _read_rows(history, window, as_of), None)
    facts = _build_provenance(pipeline, window, as_of)
    recalibrated = recalibrate_in_memory(pipeline, rows, champion.bundle, champion.baseline, facts)
    training = train_candidates(pipeline, rows, [recalibrated])
    model = _build_model(pipeline, rows, training, f"{champion.key}:{window.key}", started)
    probe = champion.baseline.probe or model.baseline.probe  # of a ranking that stays
    return replace(model, recalibrated=True, baseline=replace(model.baseline, probe=probe))


def _find_alerting(pipeline: Pipeline, champion: TrainedModel | None) -> AlertingModel | None:
    """Return the champion if its alerts stay out of a training (``training.exclude_alerts``)."""
    if champion is None or pipeline.training.exclude_alerts is None:
        return None
    bundle = champion.bundle
    return AlertingModel("the champion", lambda: bundle)


def _read_rows(history: ReplayHistory, window: Window, as_of: datetime) -> pd.DataFrame:
    frame = history.read_reference(window, as_of)
    if frame.empty:
        raise DataError(f"{history.pipeline.name}: no row lies in the reference {window}")
    return frame


def _split_rows(
    pipeline: Pipeline, window: Window, frame: pd.DataFrame, alerting: AlertingModel | None
) -> TrainingRows:
    """Validate the reference and lay out its rows by their use."""
    contract = FrameContract.infer(frame, pipeline.data)
    checked = validate(frame, contract, pipeline.quality, "train")
    if checked.report.outcome == "block":
        raise QualityError(
            f"{pipeline.name}: the reference {window.key} is blocked: {'; '.join(checked.report.reasons)}"
        )
    return TrainingRows.split(pipeline, contract, checked.clean, alerting)[0]


def _build_provenance(pipeline: Pipeline, window: Window, as_of: datetime) -> dict[str, object]:
    return {"pipeline": pipeline.name, "window": window.key, "as_of": as_of.isoformat()}


def _build_model(
    pipeline: Pipeline, rows: TrainingRows, training: CandidateTraining, key: str, started: float
) -> TrainedModel:
    """Return the winner with the baseline that production would register."""
    choice = training.choice
    if choice is None:
        problems = "; ".join(training.problems)
        raise DetectorError(f"{pipeline.name}: no candidate gives scores that can be compared: {problems}")
    winner = next(item for item in training.candidates if item.label == choice.winner)
    assert isinstance(winner, MemoryCandidate), "a replay fits in memory"
    bundle, judged = winner.model(), rows.judged
    held_out = judged.drop_injected(winner.scores())
    expected = expect_alerts_of(bundle, held_out)
    scores = {item.label: item.scores()["score"].to_numpy() for item in training.candidates if not item.error}
    metric, seed = pipeline.comparison.metric, pipeline.training.seed
    kept = keep_judged_scores(judged.evidence, scores, winner.label, choice.among, metric, seed)
    baseline = TrainedBaseline(
        value=choice.measured[winner.label].values().get(pipeline.comparison.metric),
        rung=str(judged.evidence.rung),
        expected_alert_rate=expected.rate,
        probe=probe_version(pipeline, bundle, rows.fit, rows.calibration).to_dict(),
        expected_rate_high=expected.high,
        expected_with_anomalies=judged.measure_usual_alerts(
            held_out["is_anomaly"].to_numpy(), pipeline.data.time, expected.rate
        )
        or 0.0,
        judged=kept.to_dict() if kept else None,
    )
    seconds = time.perf_counter() - started
    return TrainedModel(bundle, winner, baseline, judged, choice.among, key, seconds)


@dataclass(frozen=True)
class ReplayPlan:
    """A retraining decision, and the training that follows from it."""

    decision: RetrainDecision
    key: str
    learn: Callable[[TrainedModel], TrainedModel]


def decide_training(
    past: ReplayHistory,
    at: datetime,
    champion: TrainedModel,
    observations: Sequence[Observation],
    last_training: datetime,
    asked: set[str],
    rejections: Sequence[datetime],
    withdrawn: Sequence[str] = (),
) -> ReplayPlan:
    """Decide on a retraining as production does after an event, from the state of a replay.

    Parameters
    ----------
    observations : sequence of Observation
        Of the champion, oldest first.
    asked : set of str
        Keys of the trainings that were done already.
    rejections : sequence of datetime
        When challengers were refused since the last promotion.
    withdrawn : sequence of str
        Promises of the champion that no longer hold.
    """
    pipeline = past.pipeline
    learned = name_detector_window(champion.bundle, recalibrated=champion.recalibrated)
    grown = has_grown(observations, learned, at, pipeline.windows.reference)
    rare = has_rare_alerts(observations, pipeline, withdrawn)
    cause = find_cause(observations, pipeline.degradation, withdrawn, grown, rare)
    incidents = read_incidents(pipeline.data)
    change = find_drift_start(observations)
    counted = age_rejections(rejections, at, pipeline.retraining.forget, change)
    recalibrates = cause == "thresholds" and recalibrates_again(observations, counted.count)
    earliest = find_learned_end(champion.bundle) if recalibrates else find_learned_start(learned)
    began = find_training_start(cause, observations, learned)
    since = max(filter(None, (began, earliest)), default=None)
    window = _find_reference_window(pipeline, at, since)
    frame = past.read_reference(window, at)
    left_out = int(mark_incident_rows(pipeline.data, frame, incidents).sum())
    if since != earliest and not holds_change(pipeline, window, frame, left_out, recalibrates):
        window = _find_reference_window(pipeline, at, earliest)
        frame = past.read_reference(window, at)
        left_out = int(mark_incident_rows(pipeline.data, frame, incidents).sum())
    kind = "recalibrate" if recalibrates else "replay"
    key = compute_work_key(pipeline, kind, window.key, hash_frame(frame), past.candidates)
    situation = RetrainSituation(
        reason=cause,
        trigger="event",
        as_of=at,
        last_training=last_training,
        last_data_hash=key if key in asked else None,
        data_hash=key,
        rows_available=len(frame) - left_out,
        rejected_in_a_row=counted.count,
        last_rejection=counted.last,
        forgotten_rejections=counted.forgotten,
        schema_ok=True,
        champion=pipeline.name,
        left_out=left_out,
        asked="recalibrate" if recalibrates else "search",
    )
    decision = decide_retraining(situation, pipeline.retraining)
    reference = window

    def learn(champion: TrainedModel) -> TrainedModel:
        if decision.remedy == "recalibrate":
            return _recalibrate(past, reference, at, champion)
        detector = champion.bundle.detector.name
        same = tuple(item for item in past.candidates if item.detector == detector)
        used = same if decision.remedy == "refit" and same else past.candidates
        return _train(past, reference, at, used, champion)

    return ReplayPlan(decision, key, learn)


def compare_challenger(
    past: ReplayHistory,
    champion: TrainedModel,
    challenger: TrainedModel,
    attempt: int = 1,
    observations: Sequence[Observation] = (),
) -> Verdict:
    """Compare two models on the challenger's held-out rows.

    `attempt` is the number of the challenger since the last promotion; `observations` are the champion's.
    """
    window = str(challenger.bundle.facts.get("window", ""))
    learned = name_detector_window(champion.bundle, recalibrated=champion.recalibrated)
    settings = past.pipeline
    return compare_with(
        past.pipeline,
        challenger.judged,
        champion.bundle,
        challenger.candidate,
        name="champion",
        among=challenger.among,
        attempt=attempt,
        outlasted=has_outlasted(observations, window, settings.retraining.settled),
        grown=learned_more(observations, learned, window, settings.windows.reference),
        rare_alerts=has_rare_alerts(observations, settings),
    )


def rule_on_challenger(past: ReplayHistory, challenger: TrainedModel, verdict: Verdict) -> PromotionRuling:
    """Rule on a compared challenger; only a superior one is promoted.

    No clean process runs; ``promotion.mode: approval`` counts as approved, ``never`` promotes nothing.
    """
    return rule_on_promotion(
        verdict,
        "never" if past.pipeline.promotion.mode == "never" else "automatic",
        gate_passed=True,
        champion="champion",
        recalibrated=challenger.recalibrated,
    )
