"""Answers a pending promotion: approve, reject, or no answer until it expires. Each answer is one decision.

A pending promotion is a decision in the ledger; the decision that answers it names its key. Answering twice
changes nothing. An approval checks the gate again, and is refused once another version is champion. Called by
the flows ``approve_promotion`` and ``reject_promotion`` and by ``pynomaly pending``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import NothingPendingError, list_allowed
from pynomaly.judging.comparison.promotion_rules import PendingState, check_pending
from pynomaly.records.ledger import Decision, Lease, Ledger
from pynomaly.records.ledger.decision_evidence import AnswerEvidence, ApprovalEvidence, PendingEvidence
from pynomaly.records.registry import Registry
from pynomaly.steps.champion import (
    find_champion,
    find_closing_decision,
    find_last_change,
    hold_champion_lease,
    honour_alias,
    list_pending_promotions,
    move_aliases,
)
from pynomaly.steps.gate import GateResult, check_gate
from pynomaly.steps.pipeline_records import PipelineRecords
from pynomaly.steps.promotion.approvers import count_approval, list_approvals, require_approver

__all__ = ["approve_promotion", "reject_promotion", "review_pending_promotions"]

_ANSWER_WORDS = {"promote": "approved", "reject": "rejected", "expired": "expired", "refuse": "refused"}


@dataclass(frozen=True)
class PendingAnswer:
    """How a pending promotion ends without a new champion, when, why, and who says so."""

    kind: str
    outcome: str
    reasons: tuple[str, ...]
    at: datetime
    actor: str

    @classmethod
    def lapsed(cls, standing: PendingState, at: datetime) -> PendingAnswer:
        """Return the end of an expired or stale promotion; no person decided this, so none is named."""
        kind = "expired" if standing.state == "expired" else "refuse"
        return cls(kind, standing.state, standing.reasons, at, "pynomaly")


def approve_promotion(
    pipeline: Pipeline, at: datetime, reason: str, actor: str, version: int | None = None
) -> Decision:
    """Promote the pending version if it is not expired, the champion is the same, and the gate passes again.

    Parameters
    ----------
    at : datetime
        Moment of the answer, with a time zone.
    reason, actor : str
        The reason, and the person who gives it.
    version : int, optional
        The version; needed only if several promotions are pending.

    Returns
    -------
    Decision
        Of kind ``promote``; ``approval`` if more people must approve (``promotion.approvals``); ``expired``
        or ``refuse`` if the answer is too late or the gate refuses.

    Raises
    ------
    NothingPendingError
        If no such promotion is pending, or it already has a different answer.
    ApprovalError
        If several people must approve, and this one does not count.
    """
    honour_alias(pipeline)
    with PipelineRecords.open(pipeline) as records:
        ledger, registry = records.ledger, records.registry
        pending = _find_pending(ledger, pipeline.name, version)
        earlier_answer = _find_same_answer(ledger, pending, "promote")
        if earlier_answer is not None:
            return earlier_answer
        needed = pipeline.promotion.approvals
        require_approver(needed, ledger, pending, actor)
        gate = check_gate(
            pipeline, registry, registry.find_version(pipeline.name, PendingEvidence.of(pending).version)
        )
        with hold_champion_lease(pipeline, registry, ledger) as lease:
            earlier_answer = _find_same_answer(ledger, pending, "promote")
            if earlier_answer is not None:
                return earlier_answer
            standing = _check_standing(pipeline, registry, pending, at)
            if standing.state != "open":
                return _record_answer(records, pending, PendingAnswer.lapsed(standing, at), lease)
            if not gate.passed:
                reasons = ("the gate refuses the version", *gate.reasons)
                refusal = PendingAnswer("refuse", "gate", reasons, at, actor)
                return _record_answer(records, pending, refusal, lease)
            counted, approvals = count_approval(needed, ledger, pending, actor, reason, at, lease)
            if counted is not None:
                return counted
            decision = ledger.record_decision(
                _build_approval(ledger, pending, gate, approvals, reason, actor, at), lease
            )
            move_aliases(ledger, registry, decision, lease)
            _close_training(records, pending, decision)
            return decision


def reject_promotion(
    pipeline: Pipeline, at: datetime, reason: str, actor: str, version: int | None = None
) -> Decision:
    """Reject the pending version; parameters and errors as for :func:`approve_promotion`."""
    honour_alias(pipeline)
    with PipelineRecords.open(pipeline) as records:
        ledger, registry = records.ledger, records.registry
        pending = _find_pending(ledger, pipeline.name, version)
        with hold_champion_lease(pipeline, registry, ledger) as lease:
            earlier_answer = _find_same_answer(ledger, pending, "reject")
            if earlier_answer is not None:
                return earlier_answer
            standing = _check_standing(pipeline, registry, pending, at)
            if standing.state == "expired":
                return _record_answer(records, pending, PendingAnswer.lapsed(standing, at), lease)
            refusal = PendingAnswer("reject", "rejected", (f"{actor} said no: {reason}",), at, actor)
            return _record_answer(records, pending, refusal, lease)


def review_pending_promotions(pipeline: Pipeline, at: datetime) -> dict[str, Any]:
    """Return the promotions that are pending at `at`, newest first; record those that have expired.

    Returns
    -------
    dict
        ``pipeline``, ``pending`` (each the decision with its ``state``, ``standing``, ``approvals`` so far,
        and how many are ``needed``), ``ended`` (the decisions that this call closed).
    """
    honour_alias(pipeline)
    waiting, ended = [], []
    with PipelineRecords.open(pipeline) as records:
        ledger, registry = records.ledger, records.registry
        for pending in list_pending_promotions(ledger, pipeline.name):
            standing = _check_standing(pipeline, registry, pending, at)
            if standing.state == "expired":
                with hold_champion_lease(pipeline, registry, ledger) as lease:
                    earlier_answer = find_closing_decision(ledger, pending)
                    ended.append(
                        earlier_answer
                        or _record_answer(records, pending, PendingAnswer.lapsed(standing, at), lease)
                    )
                continue
            approvals = [item.reasons[0] for item in list_approvals(ledger, pending)]
            standing_facts = {"state": standing.state, "standing": list(standing.reasons)}
            counts = {"approvals": approvals, "needed": pipeline.promotion.approvals}
            waiting.append(pending.to_dict() | standing_facts | counts)
    return {"pipeline": pipeline.name, "pending": waiting, "ended": [item.to_dict() for item in ended]}


def _find_pending(ledger: Ledger, pipeline: str, version: int | None) -> Decision:
    """Return the pending promotion of `version`, or the only open one, or else the newest answered one."""
    decisions = ledger.list_decisions(pipeline, "pending")
    if version is not None:
        match = next((item for item in decisions if item.version == version), None)
        if match is None:
            known_versions = [PendingEvidence.of(item).version for item in decisions]
            raise NothingPendingError(
                f"{pipeline}: v{version} never waited for an answer; {list_allowed(version, known_versions)}"
            )
        return match
    open_promotions = list_pending_promotions(ledger, pipeline)
    if len(open_promotions) > 1:
        versions = ", ".join(f"v{item.version}" for item in open_promotions)
        raise NothingPendingError(f"{pipeline}: {versions} wait for an answer; say which with --version")
    if not (open_promotions or decisions):
        raise NothingPendingError(f"{pipeline}: no promotion waits for an answer")
    return (open_promotions or decisions)[0]


def _find_same_answer(ledger: Ledger, pending: Decision, kind: str) -> Decision | None:
    """Return the same answer if it was given before, or None while the promotion is open."""
    answer = find_closing_decision(ledger, pending)
    if answer is None or answer.kind == kind:
        return answer
    when = answer.at.isoformat(timespec="minutes") if answer.at else ""
    raise NothingPendingError(
        f"{pending.subject} waits no longer: {_ANSWER_WORDS[answer.kind]} at {when} by {answer.actor}; "
        f"{'; '.join(answer.reasons[:1])}"
    )


def _check_standing(pipeline: Pipeline, registry: Registry, pending: Decision, at: datetime) -> PendingState:
    champion = find_champion(pipeline, registry)
    evidence = PendingEvidence.of(pending)
    return check_pending(
        evidence.version, evidence.replaces, champion.version if champion else None, evidence.expires_at, at
    )


def _build_approval(
    ledger: Ledger,
    pending: Decision,
    gate: GateResult,
    approvals: tuple[Decision, ...],
    reason: str,
    actor: str,
    at: datetime,
) -> Decision:
    change = find_last_change(ledger, pending.pipeline)
    place = (change.seq or 0) if change else 0
    evidence = PendingEvidence.of(pending)
    return Decision(
        key=f"approve:{pending.seq}:{place}",
        pipeline=pending.pipeline,
        kind="promote",
        subject=pending.subject,
        outcome="approved",
        reasons=(
            f"{actor} approved: {reason}",
            *(item.reasons[0] for item in approvals),
            *pending.reasons[1:],
        ),
        evidence=ApprovalEvidence(
            version=evidence.version,
            replaces=evidence.replaces,
            verdict=evidence.verdict,
            gate=gate.evidence,
            pending=pending.key,
            approvals=[item.seq or 0 for item in approvals] or None,
        ),
        as_of=at,
        actor=actor,
    )


def _record_answer(
    records: PipelineRecords, pending: Decision, answer: PendingAnswer, lease: Lease
) -> Decision:
    decision = records.ledger.record_decision(
        Decision(
            key=f"{answer.kind}:pending:{pending.seq}",
            pipeline=pending.pipeline,
            kind=answer.kind,
            subject=pending.subject,
            outcome=answer.outcome,
            reasons=answer.reasons,
            evidence=AnswerEvidence(PendingEvidence.of(pending).version, pending.key),
            as_of=answer.at,
            actor=answer.actor,
        ),
        lease,
    )
    _close_training(records, pending, decision)
    return decision


def _close_training(records: PipelineRecords, pending: Decision, decision: Decision) -> None:
    """Close the training that asked for the promotion, and remove the version's ``shadow`` alias."""
    version = PendingEvidence.of(pending).version
    for item in records.ledger.list_trainings(pending.pipeline):
        if item.version == version:
            records.ledger.end_training(item, decision.kind)
    if records.registry.list_aliases(pending.pipeline).get("shadow") == version:
        records.registry.drop_alias(pending.pipeline, "shadow")
