"""Should a training run now, on which rows, and is one running already? Answered before anything is fitted.

The facts are gathered here from the ledger and the source; the decision itself is pure
(:mod:`pynomaly.judging.retraining`). Deciding not to retrain is on record like any other decision.
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

# A training that died holds its lease no longer than this; a live one renews it.
LEASE_TTL = timedelta(minutes=5)


@dataclass(frozen=True)
class Plan:
    """Whether to train, and on what."""

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
        named = [candidate.model_dump(mode="json") for candidate in self.candidates]
        return {
            "decision": self.decision.to_dict(),
            "window": self.window.key if self.window else "all",
            "candidates": named,
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
    """Start of the unbroken run of bad windows that ends with the newest, or None.

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
    """What the newest window suffers from, as :mod:`pynomaly.judging.retraining` names causes."""
    newest = observations[-1] if observations else None
    if newest is None or not newest.violated:
        return "schedule"
    if newest.performance_status in ("moderate", "major", "critical"):
        return "performance"
    if newest.injected_status in ("moderate", "major", "critical"):
        return "performance"
    if newest.data == "drift":
        return "data_drift"
    # Where a fresh refit ranks rows otherwise, new p-values for the same model mend nothing.
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
        Why it was asked for, in the words of whoever asked.
    kind : {"train", "search"}
        A search is not answered by a training on the same rows.
    """
    for candidate in candidates or pipeline.training.candidates:
        # An unknown name or parameter is said before a row is read.
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
        found = _reference(pipeline, as_of, champion is None, observations)
        window, rows, left_out, data_hash = found.window, found.rows, found.left_out, found.data_hash
        # The request leaves out whose alerts stay out of it: asked again, it is the same request.
        heard = feedback_of(pipeline, found.frame) if found.frame is not None else NO_FEEDBACK
        named = window.key if window else "all"
        key = work_key(pipeline, kind, named, data_hash, candidates, labels=heard.digest)
        cause = {"event": cause_of(observations), "manual": reason}.get(trigger, "schedule")
        situation = _situation(pipeline, ledger, as_of, trigger, cause, rows, left_out, key, found.broken)
        decision = decide(situation, pipeline.retraining)
        counted: dict[str, Any] = {}
        if found.frame is not None and decision.remedy not in ("none", "block"):
            counted = _left_out(pipeline, found.frame, key, heard)
        said_too = (*found.unmatched, *filter(None, [counted.get("said")]))
        decision = replace(decision, reasons=(*decision.reasons, *said_too))
        said = hashlib.sha256(repr((trigger, reason, decision.reasons)).encode()).hexdigest()[:12]
        ledger.record(
            Decision(
                key=f"retrain:{pipeline.name}:{as_of.isoformat()}:{key}:{said}",
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
                    "excluded": counted,
                    "data_hash": data_hash,
                    "key": key,
                },
                as_of=as_of,
                actor=trigger,
            )
        )
    chosen = candidates or _candidates(pipeline, str(decision.remedy), champion)
    # An event that performance answers for: the configured candidates may all be the wrong ones.
    degraded = trigger == "event" and champion is not None and decision.remedy == "search"
    searches = degraded and not candidates and pipeline.search.when == "degraded"
    return Plan(decision, window, chosen, key, searches)


def _candidates(pipeline: Pipeline, remedy: str, champion: ModelRef | None) -> tuple[Candidate, ...]:
    """Every candidate; for a refit, those of the champion's own detector, if it is still configured."""
    configured = pipeline.training.candidates
    if remedy != "refit" or champion is None:
        return configured
    detector = champion.tags.get("pynomaly.detector")
    return tuple(item for item in configured if item.detector == detector) or configured


@dataclass(frozen=True)
class _Reference:
    """What a training would read: usable rows and rows of incidents; or why it cannot (`broken`)."""

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
    """The reference of a training at `as_of`: of the changed data alone, where these are rows enough."""
    since = changed_since(observations)
    window = reference_window(pipeline, as_of, first=first, since=since)
    incidents = declared(pipeline.data)
    try:
        found = reference_rows(pipeline, window, as_of)
        frame = found.frame
        left_out = int(covered(pipeline.data, frame, incidents).sum())
        if since is not None and len(frame) - left_out < pipeline.retraining.min_rows:
            window = reference_window(pipeline, as_of, first=first)
            found = reference_rows(pipeline, window, as_of)
            frame = found.frame
            left_out = int(covered(pipeline.data, frame, incidents).sum())
    except WindowError:
        if first:
            raise
        return _Reference(window)
    except ColumnError as error:
        if first:
            raise
        return _Reference(window, broken=str(error))
    said = unmatched(pipeline.data, frame, incidents)
    if found.sample is not None:
        said = (*said, f"The reference is a sample: {found.sample.said}.")
    return _Reference(window, frame, left_out, digest(frame), "", said)


def _left_out(pipeline: Pipeline, frame: pd.DataFrame, asked: str, heard: Feedback) -> dict[str, Any]:
    """Rows by cause that a training would not learn as normal, counted before validation."""
    held = held_rows(pipeline, frame, np.random.default_rng(pipeline.training.seed))
    return excluded(pipeline, frame, held, teacher(pipeline, asked), heard).to_dict()


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
    """What the ledger knows that the decision rests on."""
    # Another alert policy is no training: it neither cools down nor counts as a challenger.
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
    # A training cut off before its verdict is not repeated but finished; nobody waits for it to cool down.
    ended = [item for item in trainings if item.outcome not in ("registered", "abandoned")]
    repeated = any(item.detail.get("asked") == key for item in ended)
    return Situation(
        reason=reason,
        trigger=trigger,
        as_of=as_of,
        last_training=ended[0].as_of if ended else None,
        # A training is its rows and its settings: the content key stands for both.
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
