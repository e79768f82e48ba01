"""Answers a pending promotion: approve, reject, or no answer until it expires. Each answer is one decision.

A pending promotion is a decision in the ledger; the decision that answers it names its key. Answering twice
changes nothing. An approval checks the gate again, and is refused once another version is champion. Called by
the flows ``approve`` and ``reject`` and by ``pynomaly pending``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.errors import NothingPendingError, allowed
from pynomaly.judging.promotion import Standing, standing
from pynomaly.records.ledger import Decision, Lease, Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.champion import (
    champion_of,
    changing_champion,
    closing,
    honour_alias,
    last_change,
    move_aliases,
    open_pendings,
)
from pynomaly.steps.promote import Gate, check_gate

__all__ = ["approve", "pending_promotions", "reject"]

_DONE = {"promote": "approved", "reject": "rejected", "expired": "expired", "refuse": "refused"}


def approve(
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
        Of kind ``promote``; ``expired`` or ``refuse`` if the answer is too late or the gate refuses.

    Raises
    ------
    NothingPendingError
        If no such promotion is pending, or it already has a different answer.
    """
    honour_alias(pipeline)
    registry = Registry.of(pipeline)
    with Ledger.open(pipeline.ledger_url) as ledger:
        pending = _asked(ledger, pipeline.name, version)
        earlier_answer = _answered(ledger, pending, "promote")
        if earlier_answer is not None:
            return earlier_answer
        gate = check_gate(pipeline, registry, registry.version(pipeline.name, pending.evidence["version"]))
        with changing_champion(pipeline, registry, ledger) as lease:
            earlier_answer = _answered(ledger, pending, "promote")
            if earlier_answer is not None:
                return earlier_answer
            promotion_standing = _standing(pipeline, registry, pending, at)
            if promotion_standing.state != "open":
                return _closed(ledger, registry, pending, promotion_standing, at, lease)
            if not gate.passed:
                refusal_reasons = ("the gate refuses the version", *gate.reasons)
                return _end(ledger, registry, pending, "refuse", "gate", refusal_reasons, at, actor, lease)
            decision = ledger.record(_yes(ledger, pending, gate, reason, actor, at), lease)
            move_aliases(ledger, registry, decision, lease)
            _tidy(ledger, registry, pending, decision)
            return decision


def reject(pipeline: Pipeline, at: datetime, reason: str, actor: str, version: int | None = None) -> Decision:
    """Reject the pending version; parameters and errors as for :func:`approve`."""
    honour_alias(pipeline)
    registry = Registry.of(pipeline)
    with Ledger.open(pipeline.ledger_url) as ledger:
        pending = _asked(ledger, pipeline.name, version)
        with changing_champion(pipeline, registry, ledger) as lease:
            earlier_answer = _answered(ledger, pending, "reject")
            if earlier_answer is not None:
                return earlier_answer
            promotion_standing = _standing(pipeline, registry, pending, at)
            if promotion_standing.state == "expired":
                return _closed(ledger, registry, pending, promotion_standing, at, lease)
            reasons = (f"{actor} said no: {reason}",)
            return _end(ledger, registry, pending, "reject", "rejected", reasons, at, actor, lease)


def pending_promotions(pipeline: Pipeline, at: datetime) -> dict[str, Any]:
    """Return the promotions that are pending at `at`, newest first; record those that have expired.

    Returns
    -------
    dict
        ``pipeline``, ``pending`` (each the decision with its ``state`` and ``standing``), ``ended`` (the
        decisions that this call closed).
    """
    honour_alias(pipeline)
    registry = Registry.of(pipeline)
    waiting, ended = [], []
    with Ledger.open(pipeline.ledger_url) as ledger:
        for pending in open_pendings(ledger, pipeline.name):
            promotion_standing = _standing(pipeline, registry, pending, at)
            if promotion_standing.state == "expired":
                with changing_champion(pipeline, registry, ledger) as lease:
                    earlier_answer = closing(ledger, pending)
                    ended.append(
                        earlier_answer or _closed(ledger, registry, pending, promotion_standing, at, lease)
                    )
                continue
            waiting.append(
                pending.to_dict()
                | {"state": promotion_standing.state, "standing": list(promotion_standing.reasons)}
            )
    return {"pipeline": pipeline.name, "pending": waiting, "ended": [item.to_dict() for item in ended]}


def _asked(ledger: Ledger, pipeline: str, version: int | None) -> Decision:
    """Return the pending promotion of `version`, or the only open one, or else the newest answered one."""
    decisions = ledger.decisions(pipeline, "pending")
    if version is not None:
        match = next((item for item in decisions if item.evidence["version"] == version), None)
        if match is None:
            known_versions = [item.evidence["version"] for item in decisions]
            raise NothingPendingError(
                f"{pipeline}: v{version} never waited for an answer; {allowed(version, known_versions)}"
            )
        return match
    open_promotions = open_pendings(ledger, pipeline)
    if len(open_promotions) > 1:
        versions = ", ".join(f"v{item.evidence['version']}" for item in open_promotions)
        raise NothingPendingError(f"{pipeline}: {versions} wait for an answer; say which with --version")
    if not (open_promotions or decisions):
        raise NothingPendingError(f"{pipeline}: no promotion waits for an answer")
    return (open_promotions or decisions)[0]


def _answered(ledger: Ledger, pending: Decision, kind: str) -> Decision | None:
    """Return the same answer if it was given before, or None while the promotion is open."""
    answer = closing(ledger, pending)
    if answer is None or answer.kind == kind:
        return answer
    when = answer.at.isoformat(timespec="minutes") if answer.at else ""
    raise NothingPendingError(
        f"{pending.subject} waits no longer: {_DONE[answer.kind]} at {when} by {answer.actor}; "
        f"{'; '.join(answer.reasons[:1])}"
    )


def _standing(pipeline: Pipeline, registry: Registry, pending: Decision, at: datetime) -> Standing:
    champion = champion_of(pipeline, registry)
    return standing(
        pending.evidence["version"],
        pending.evidence["replaces"],
        champion.version if champion else None,
        datetime.fromisoformat(pending.evidence["expires"]),
        at,
    )


def _yes(ledger: Ledger, pending: Decision, gate: Gate, reason: str, actor: str, at: datetime) -> Decision:
    change = last_change(ledger, pending.pipeline)
    place = (change.seq or 0) if change else 0
    return Decision(
        key=f"approve:{pending.seq}:{place}",
        pipeline=pending.pipeline,
        kind="promote",
        subject=pending.subject,
        outcome="approved",
        reasons=(f"{actor} approved: {reason}", *pending.reasons[1:]),
        evidence={
            "version": pending.evidence["version"],
            "replaces": pending.evidence["replaces"],
            "verdict": pending.evidence["verdict"],
            "gate": gate.evidence,
            "pending": pending.key,
        },
        as_of=at,
        actor=actor,
    )


def _closed(
    ledger: Ledger,
    registry: Registry,
    pending: Decision,
    promotion_standing: Standing,
    at: datetime,
    lease: Lease,
) -> Decision:
    """Record that a promotion is expired or stale; no person decided this, so none is named."""
    kind = "expired" if promotion_standing.state == "expired" else "refuse"
    return _end(
        ledger,
        registry,
        pending,
        kind,
        promotion_standing.state,
        promotion_standing.reasons,
        at,
        "pynomaly",
        lease,
    )


def _end(
    ledger: Ledger,
    registry: Registry,
    pending: Decision,
    kind: str,
    outcome: str,
    reasons: tuple[str, ...],
    at: datetime,
    actor: str,
    lease: Lease,
) -> Decision:
    decision = ledger.record(
        Decision(
            key=f"{kind}:pending:{pending.seq}",
            pipeline=pending.pipeline,
            kind=kind,
            subject=pending.subject,
            outcome=outcome,
            reasons=reasons,
            evidence={"version": pending.evidence["version"], "pending": pending.key},
            as_of=at,
            actor=actor,
        ),
        lease,
    )
    _tidy(ledger, registry, pending, decision)
    return decision


def _tidy(ledger: Ledger, registry: Registry, pending: Decision, decision: Decision) -> None:
    """Close the training that asked for the promotion, and remove the version's ``shadow`` alias."""
    version = pending.evidence["version"]
    for item in ledger.trainings(pending.pipeline):
        if item.version == version:
            ledger.put_training(
                item.key, item.pipeline, item.as_of, item.data_hash, version, decision.kind, item.detail
            )
    if registry.aliases(pending.pipeline).get("shadow") == version:
        registry.drop_alias(pending.pipeline, "shadow")
