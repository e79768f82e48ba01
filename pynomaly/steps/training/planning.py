"""Decide, before anything is fitted, whether a training runs now and on which rows; hold its lease.

The facts are gathered here from the ledger and the source; the decision itself is pure
(:mod:`pynomaly.judging.drift.retraining`). A decision not to retrain is recorded like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd

from pynomaly.config import Candidate, Pipeline
from pynomaly.data.window import Window
from pynomaly.detectors import make_detector
from pynomaly.errors import ConfigError
from pynomaly.judging.drift.degradation import Observation
from pynomaly.judging.drift.retraining import RetrainDecision, RetrainSituation, decide_retraining
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.ledger.decision_evidence import RetrainEvidence
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.account import find_account
from pynomaly.steps.alerting.feedback import NO_FEEDBACK, RowFeedback, read_feedback
from pynomaly.steps.champion import find_champion, honour_alias
from pynomaly.steps.changes import (
    MAX_WINDOWS,
    find_cause,
    find_drift_start,
    find_learned_start,
    find_training_start,
    has_grown,
    has_rare_alerts,
    recalibrates_again,
)
from pynomaly.steps.keys import compute_work_key
from pynomaly.steps.rejections import Rejections, count_rejections
from pynomaly.steps.training.exclusions import (
    AlertingModel,
    exclude_rows,
    find_reference_champion,
    hold_out_rows,
)
from pynomaly.steps.training.recalibration.new_p_values import (
    find_detector_window,
    find_learned_end,
    require_recalibratable,
)
from pynomaly.steps.training.reference import HeldReference, ReferenceRows, read_reference_rows

__all__ = [
    "TrainingPlan",
    "hold_training_lease",
    "parse_candidate",
    "plan_training",
]

Trigger = Literal["schedule", "event", "manual"]
Kind = Literal["train", "search", "recalibrate"]

# A training that died holds its lease no longer than this; a running one renews it.
LEASE_TTL = timedelta(minutes=5)


@dataclass(frozen=True)
class TrainingPlan:
    """Whether to train, and on which rows and candidates."""

    decision: RetrainDecision
    window: Window | None
    candidates: tuple[Candidate, ...]
    asked: str
    searches: bool = False
    """Whether detectors and parameters are searched before the candidates are fitted."""
    held: HeldReference = field(default_factory=HeldReference, compare=False, repr=False)
    """The rows that were read to decide; none where the decision needs no rows."""

    @property
    def should_train(self) -> bool:
        """Whether a training follows."""
        return self.decision.remedy in ("recalibrate", "refit", "search")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for logs and artifacts."""
        candidates = [candidate.model_dump(mode="json") for candidate in self.candidates]
        return {
            "decision": self.decision.to_dict(),
            "window": self.window.key if self.window else "all",
            "candidates": candidates,
            "asked": self.asked,
            "searches": self.searches,
        }


def parse_candidate(detector: str, params: str) -> tuple[Candidate, ...]:
    """Read ``"iforest"`` and ``"n_estimators=50 max_samples=128"`` from a form as one candidate.

    Raises
    ------
    ConfigError
        If parameters are given without a detector, or are not ``name=value`` pairs.
    """
    if not detector:
        if params:
            raise ConfigError(f"params {params!r} need a detector to belong to")
        return ()
    pairs: dict[str, Any] = {}
    for part in params.replace(",", " ").split():
        name, equals, value = part.partition("=")
        if not equals or not name or not value:
            raise ConfigError(f"params: {part!r} is not name=value, like 'n_estimators=200'")
        pairs[name] = _parse_value(value)
    return (Candidate(detector=detector, params=pairs),)


def _parse_value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def plan_training(
    pipeline: Pipeline,
    as_of: datetime,
    trigger: Trigger,
    reason: str,
    candidates: tuple[Candidate, ...] = (),
    kind: Kind = "train",
    record: bool = True,
) -> TrainingPlan:
    """Decide whether to train at `as_of`, and record the decision with its reasons.

    Parameters
    ----------
    trigger : {"schedule", "event", "manual"}
    reason : str
        Why it was requested, as given by the caller.
    kind : {"train", "search", "recalibrate"}
        A search is a different request from a training on the same rows.
    record : bool
        Without it nothing is written.

    Raises
    ------
    NoChampionError
        If a recalibration is asked for, and there is no champion.
    ConfigError
        If it is asked for, and rows have no times: nobody knows which of them the champion learned.
    """
    for candidate in candidates or pipeline.training.candidates:
        # An unknown name or parameter raises before a row is read.
        make_detector(candidate.detector, seed=pipeline.training.seed, **candidate.params)
    if record:
        honour_alias(pipeline)
    registry = Registry.open_for(pipeline)
    champion = find_champion(pipeline, registry)
    if kind == "recalibrate":
        require_recalibratable(pipeline, champion)
    with Ledger.open(pipeline.ledger_url) as ledger:
        recent = (
            ledger.list_recent_observations(pipeline.name, as_of, MAX_WINDOWS, champion.version)
            if champion
            else ()
        )
        observations = [Observation.from_dict(item) for item in recent]
        account = find_account(pipeline, ledger, champion.version) if champion else None
        withdrawn = account.list_withdrawn() if account else ()
        learner = registry.load_bundle(champion) if champion and pipeline.data.time else None
        learned = "all"
        if champion and learner:
            training = ledger.find_version_training(pipeline.name, champion.version)
            learned = find_detector_window(learner, training)
        grown = has_grown(observations, learned, as_of, pipeline.windows.reference)
        rare = has_rare_alerts(observations, pipeline, withdrawn)
        by_event = find_cause(observations, pipeline.degradation, withdrawn, grown, rare)
        cause = {"event": by_event, "manual": reason}.get(trigger, "schedule")
        change = find_drift_start(observations)
        rejections = count_rejections(
            ledger.list_decisions(pipeline.name), as_of, pipeline.retraining.forget, change
        )
        if trigger == "event" and cause == "thresholds":
            # Where no row is known to be new to the champion, a training of all rows.
            again = recalibrates_again(observations, rejections.count)
            kind, cause = (
                ("recalibrate" if again else kind, cause) if pipeline.data.time else ("train", "alert_rate")
            )
        recalibrates = champion is not None and kind == "recalibrate"
        earliest = find_learned_end(learner) if recalibrates and learner else find_learned_start(learned)
        since = find_training_start(cause, observations, learned)
        reference = read_reference_rows(pipeline, as_of, champion is None, since, earliest, recalibrates)
        window, rows, left_out, data_hash = (
            reference.window,
            reference.rows,
            reference.left_out,
            reference.data_hash,
        )
        # The key leaves out the champion whose alerts are excluded: a repeated request has the same key.
        feedback = read_feedback(pipeline, reference.frame) if reference.frame is not None else NO_FEEDBACK
        window_key = window.key if window else "all"
        teacher = champion.version if champion and recalibrates else None
        key = compute_work_key(pipeline, kind, window_key, data_hash, candidates, teacher, feedback.digest)
        situation = _build_situation(pipeline, ledger, as_of, trigger, cause, reference, key, rejections)
        if recalibrates:
            situation = replace(situation, asked="recalibrate")
        decision = decide_retraining(situation, pipeline.retraining)
        exclusions: dict[str, Any] = {}
        if reference.frame is not None and decision.remedy not in ("none", "block"):
            by = None if recalibrates else find_reference_champion(pipeline, key)
            exclusions = _count_exclusions(pipeline, reference.frame, by, feedback)
        notes = (*reference.unmatched, *filter(None, [exclusions.get("said")]))
        decision = replace(decision, reasons=(*decision.reasons, *notes))
        request_digest = hashlib.sha256(repr((trigger, reason, decision.reasons)).encode()).hexdigest()[:12]
        line = Decision(
            key=f"retrain:{pipeline.name}:{as_of.isoformat()}:{key}:{request_digest}",
            pipeline=pipeline.name,
            kind="retrain",
            subject=window.key if window else "all",
            outcome=str(decision.remedy),
            reasons=decision.reasons,
            evidence=RetrainEvidence(
                trigger=trigger,
                reason=reason,
                rows=rows,
                incident_rows=left_out,
                excluded=exclusions,
                data_hash=data_hash,
                key=key,
                rejected=situation.rejected_in_a_row,
                forgotten=situation.forgotten_rejections,
            ),
            as_of=as_of,
            actor=trigger,
        )
        if record:
            ledger.record_decision(line)
    plan_candidates = candidates or _select_candidates(pipeline, str(decision.remedy), champion)
    # After a loss of performance, all configured candidates may be wrong.
    performance_lost = trigger == "event" and champion is not None and decision.remedy == "search"
    searches = performance_lost and not candidates and pipeline.search.when == "degraded"
    held = HeldReference(reference.reference)
    return TrainingPlan(decision, window, plan_candidates, key, searches, held)


def _select_candidates(pipeline: Pipeline, remedy: str, champion: ModelRef | None) -> tuple[Candidate, ...]:
    """Returns every candidate; for a refit, those of the champion's detector if it is still configured."""
    configured = pipeline.training.candidates
    if remedy != "refit" or champion is None:
        return configured
    detector = champion.tags.get("pynomaly.detector")
    return tuple(item for item in configured if item.detector == detector) or configured


def _count_exclusions(
    pipeline: Pipeline, frame: pd.DataFrame, by: ModelRef | None, feedback: RowFeedback
) -> dict[str, Any]:
    """Returns counts, by cause, of rows that a training excludes as not normal, before validation.

    `by` is the version whose confident alerts are excluded.
    """
    held_out = hold_out_rows(pipeline, frame, np.random.default_rng(pipeline.training.seed))
    return exclude_rows(pipeline, frame, held_out, AlertingModel.of(pipeline, by), feedback).to_dict()


def _build_situation(
    pipeline: Pipeline,
    ledger: Ledger,
    as_of: datetime,
    trigger: Trigger,
    reason: str,
    reference: ReferenceRows,
    key: str,
    rejections: Rejections,
) -> RetrainSituation:
    """Returns the facts for the decision, read from the ledger."""
    # A change of the alert policy is no training: no cooldown starts, and it is no challenger.
    trainings = [item for item in ledger.list_trainings(pipeline.name) if not item.facts.policy]
    promoted = next(
        (item for item in ledger.list_decisions(pipeline.name, "promote") if item.outcome != "policy"), None
    )
    # A training interrupted before its verdict is finished, not repeated; it starts no cooldown.
    ended = [item for item in trainings if item.outcome not in ("registered", "abandoned")]
    repeated = any(item.facts.asked == key for item in ended)
    return RetrainSituation(
        reason=reason,
        trigger=trigger,
        as_of=as_of,
        last_training=ended[0].as_of if ended else None,
        # The content key identifies both the rows and the settings of a training.
        last_data_hash=key if repeated else None,
        data_hash=key,
        rows_available=reference.rows,
        rejected_in_a_row=rejections.count,
        last_rejection=rejections.last,
        forgotten_rejections=rejections.forgotten,
        schema_ok=not reference.broken,
        champion=promoted.subject if promoted else None,
        left_out=reference.left_out,
    )


@contextmanager
def hold_training_lease(pipeline: Pipeline) -> Iterator[None]:
    """Hold the pipeline's only training slot, renewed while the body runs.

    Raises
    ------
    LeaseHeldError
        If another training of this pipeline is running.
    """
    with (
        Ledger.open(pipeline.ledger_url) as ledger,
        ledger.hold_lease(f"train:{pipeline.name}", ttl=LEASE_TTL, renew=True),
    ):
        yield
