"""Decide, before anything is fitted, whether a training runs now and on which rows; hold its lease.

The facts are gathered here from the ledger and the source; the decision itself is pure
(:mod:`pynomaly.judging.retraining`). A decision not to retrain is recorded like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd

from pynomaly.config import Candidate, Pipeline
from pynomaly.data.frame import digest
from pynomaly.data.incidents import covered, declared, unmatched
from pynomaly.data.window import Window
from pynomaly.detectors import make
from pynomaly.errors import ColumnError, ConfigError, WindowError
from pynomaly.judging.degradation import Observation
from pynomaly.judging.retraining import RetrainDecision, Situation, decide
from pynomaly.records.ledger import Decision, Ledger, bounds
from pynomaly.records.registry import ModelRef, Registry
from pynomaly.steps.champion import champion_of, honour_alias
from pynomaly.steps.excluded import excluded, held_rows, teacher
from pynomaly.steps.feedback import NO_FEEDBACK, Feedback, feedback_of
from pynomaly.steps.keys import work_key
from pynomaly.steps.reference import reference_rows, reference_window

__all__ = ["Plan", "cause_of", "changed_since", "named_candidate", "plan_training", "training_lease"]

Trigger = Literal["schedule", "event", "manual"]

# A training that died holds its lease no longer than this; a running one renews it.
LEASE_TTL = timedelta(minutes=5)


@dataclass(frozen=True)
class Plan:
    """Whether to train, and on which rows and candidates."""

    decision: RetrainDecision
    window: Window | None
    candidates: tuple[Candidate, ...]
    asked: str
    searches: bool = False
    """Whether detectors and parameters are searched before the candidates are fitted."""

    @property
    def go(self) -> bool:
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


def named_candidate(detector: str, params: str) -> tuple[Candidate, ...]:
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
        pairs[name] = _plain(value)
    return (Candidate(detector=detector, params=pairs),)


def _plain(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def changed_since(observations: Sequence[Observation]) -> datetime | None:
    """Returns the start of the unbroken run of bad windows that ends with the newest one, or None.

    Parameters
    ----------
    observations : sequence of Observation
        Of one champion, oldest first.
    """
    start: datetime | None = None
    for observation in reversed(observations):
        if not observation.violated:
            break
        edges = bounds(observation.window)
        start = edges[0] if edges else None
    return start


def cause_of(observations: Sequence[Observation]) -> str:
    """Returns the problem of the newest window, as :mod:`pynomaly.judging.retraining` names causes."""
    newest = observations[-1] if observations else None
    if newest is None or not newest.violated:
        return "schedule"
    if newest.performance_status in ("moderate", "major", "critical"):
        return "performance"
    if newest.injected_status in ("moderate", "major", "critical"):
        return "performance"
    if newest.data == "drift":
        return "data_drift"
    # If a fresh refit ranks rows differently, new p-values for the same model do not help.
    return "score_drift" if "drift" in (newest.score, newest.agreement_status) else "alert_rate"


def plan_training(
    pipeline: Pipeline,
    as_of: datetime,
    trigger: Trigger,
    reason: str,
    candidates: tuple[Candidate, ...] = (),
    kind: Literal["train", "search"] = "train",
) -> Plan:
    """Decide whether to train at `as_of`, and record the decision with its reasons.

    Parameters
    ----------
    trigger : {"schedule", "event", "manual"}
    reason : str
        Why it was requested, as given by the caller.
    kind : {"train", "search"}
        A search is a different request from a training on the same rows.
    """
    for candidate in candidates or pipeline.training.candidates:
        # An unknown name or parameter raises before a row is read.
        make(candidate.detector, seed=pipeline.training.seed, **candidate.params)
    honour_alias(pipeline)
    champion = champion_of(pipeline, Registry.of(pipeline))
    with Ledger.open(pipeline.ledger_url) as ledger:
        observations = (
            [
                Observation.from_dict(item)
                for item in ledger.recent(pipeline.name, as_of, 52, champion.version)
            ]
            if champion
            else []
        )
        reference = _reference(pipeline, as_of, champion is None, observations)
        window, rows, left_out, data_hash = (
            reference.window,
            reference.rows,
            reference.left_out,
            reference.data_hash,
        )
        # The key leaves out the champion whose alerts are excluded: a repeated request has the same key.
        feedback = feedback_of(pipeline, reference.frame) if reference.frame is not None else NO_FEEDBACK
        window_key = window.key if window else "all"
        key = work_key(pipeline, kind, window_key, data_hash, candidates, labels=feedback.digest)
        cause = {"event": cause_of(observations), "manual": reason}.get(trigger, "schedule")
        situation = _situation(pipeline, ledger, as_of, trigger, cause, rows, left_out, key, reference.broken)
        decision = decide(situation, pipeline.retraining)
        exclusions: dict[str, Any] = {}
        if reference.frame is not None and decision.remedy not in ("none", "block"):
            exclusions = _left_out(pipeline, reference.frame, key, feedback)
        notes = (*reference.unmatched, *filter(None, [exclusions.get("said")]))
        decision = replace(decision, reasons=(*decision.reasons, *notes))
        request_digest = hashlib.sha256(repr((trigger, reason, decision.reasons)).encode()).hexdigest()[:12]
        ledger.record(
            Decision(
                key=f"retrain:{pipeline.name}:{as_of.isoformat()}:{key}:{request_digest}",
                pipeline=pipeline.name,
                kind="retrain",
                subject=window.key if window else "all",
                outcome=str(decision.remedy),
                reasons=decision.reasons,
                evidence={
                    "trigger": trigger,
                    "reason": reason,
                    "rows": rows,
                    "incident_rows": left_out,
                    "excluded": exclusions,
                    "data_hash": data_hash,
                    "key": key,
                },
                as_of=as_of,
                actor=trigger,
            )
        )
    plan_candidates = candidates or _candidates(pipeline, str(decision.remedy), champion)
    # After a loss of performance, all configured candidates may be wrong.
    performance_lost = trigger == "event" and champion is not None and decision.remedy == "search"
    searches = performance_lost and not candidates and pipeline.search.when == "degraded"
    return Plan(decision, window, plan_candidates, key, searches)


def _candidates(pipeline: Pipeline, remedy: str, champion: ModelRef | None) -> tuple[Candidate, ...]:
    """Returns every candidate; for a refit, those of the champion's detector if it is still configured."""
    configured = pipeline.training.candidates
    if remedy != "refit" or champion is None:
        return configured
    detector = champion.tags.get("pynomaly.detector")
    return tuple(item for item in configured if item.detector == detector) or configured


@dataclass(frozen=True)
class _Reference:
    """Rows that a training would read, incidents among them (`left_out`); or why it cannot (`broken`)."""

    window: Window | None
    frame: pd.DataFrame | None = None
    left_out: int = 0
    data_hash: str = ""
    broken: str = ""
    unmatched: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return 0 if self.frame is None else len(self.frame) - self.left_out


def _reference(
    pipeline: Pipeline, as_of: datetime, first: bool, observations: Sequence[Observation]
) -> _Reference:
    """Read the reference of a training at `as_of`: the changed data alone, if these are enough rows."""
    since = changed_since(observations)
    window = reference_window(pipeline, as_of, first=first, since=since)
    incidents = declared(pipeline.data)
    try:
        reference = reference_rows(pipeline, window, as_of)
        frame = reference.frame
        left_out = int(covered(pipeline.data, frame, incidents).sum())
        if since is not None and len(frame) - left_out < pipeline.retraining.min_rows:
            window = reference_window(pipeline, as_of, first=first)
            reference = reference_rows(pipeline, window, as_of)
            frame = reference.frame
            left_out = int(covered(pipeline.data, frame, incidents).sum())
    except WindowError:
        if first:
            raise
        return _Reference(window)
    except ColumnError as error:
        if first:
            raise
        return _Reference(window, broken=str(error))
    notes = unmatched(pipeline.data, frame, incidents)
    if reference.sample is not None:
        notes = (*notes, f"The reference is a sample: {reference.sample.said}.")
    return _Reference(window, frame, left_out, digest(frame), "", notes)


def _left_out(
    pipeline: Pipeline, frame: pd.DataFrame, request_key: str, feedback: Feedback
) -> dict[str, Any]:
    """Returns counts, by cause, of rows that a training excludes as not normal, before validation."""
    held_out = held_rows(pipeline, frame, np.random.default_rng(pipeline.training.seed))
    return excluded(pipeline, frame, held_out, teacher(pipeline, request_key), feedback).to_dict()


def _situation(
    pipeline: Pipeline,
    ledger: Ledger,
    as_of: datetime,
    trigger: Trigger,
    reason: str,
    rows: int,
    left_out: int,
    key: str,
    broken: str,
) -> Situation:
    """Returns the facts for the decision, read from the ledger."""
    # A change of the alert policy is no training: no cooldown starts, and it is no challenger.
    trainings = [item for item in ledger.trainings(pipeline.name) if not item.detail.get("policy")]
    promoted = next(
        (item for item in ledger.decisions(pipeline.name, "promote") if item.outcome != "policy"), None
    )
    refusals = [
        item
        for item in ledger.decisions(pipeline.name)
        if item.kind in ("refuse", "reject")
        and item.outcome != "policy"
        and (promoted is None or (item.seq or 0) > (promoted.seq or 0))
    ]
    # A training interrupted before its verdict is finished, not repeated; it starts no cooldown.
    ended = [item for item in trainings if item.outcome not in ("registered", "abandoned")]
    repeated = any(item.detail.get("asked") == key for item in ended)
    return Situation(
        reason=reason,
        trigger=trigger,
        as_of=as_of,
        last_training=ended[0].as_of if ended else None,
        # The content key identifies both the rows and the settings of a training.
        last_data_hash=key if repeated else None,
        data_hash=key,
        rows_available=rows,
        rejected_in_a_row=len(refusals),
        last_rejection=refusals[0].as_of if refusals else None,
        data_status="pass",
        schema_ok=not broken,
        champion=promoted.subject if promoted else None,
        left_out=left_out,
    )


@contextmanager
def training_lease(pipeline: Pipeline) -> Iterator[None]:
    """Hold the pipeline's only training slot, renewed while the body runs.

    Raises
    ------
    LeaseHeldError
        If another training of this pipeline is running.
    """
    with (
        Ledger.open(pipeline.ledger_url) as ledger,
        ledger.lease(f"train:{pipeline.name}", ttl=LEASE_TTL, renew=True),
    ):
        yield
