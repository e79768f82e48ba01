"""Answer a promotion that waits: yes, no, or nothing until it expires. Each answer is one line on record.

A pending promotion is a line of the ledger; what answers it names its key. Answering twice changes nothing.
A yes passes the gate again, and is worth nothing once another version is champion. Called by the flows
``approve`` and ``reject`` and by ``pynomaly pending``.
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
    """Promote the version that waits, if it still may: not expired, same champion, gate passed again.

    Parameters
    ----------
    at : datetime
        Moment of the answer, aware.
    reason, actor : str
        Why, and who says so.
    version : int, optional
        Which one; needed only where several wait.

    Returns
    -------
    Decision
        Of kind ``promote``; ``expired`` or ``refuse`` where the answer came too late or the gate refuses.

    Raises
    ------
    NothingPendingError
        If no such promotion waits, or it was answered otherwise.
    """
    honour_alias(pipeline)
    registry = Registry.of(pipeline)
    with Ledger.open(pipeline.ledger_url) as ledger:
        pending = _asked(ledger, pipeline.name, version)
        known = _answered(ledger, pending, "promote")
        if known is not None:
            return known
        gate = check_gate(pipeline, registry, registry.version(pipeline.name, pending.evidence["version"]))
        with changing_champion(pipeline, registry, ledger) as lease:
            known = _answered(ledger, pending, "promote")
            if known is not None:
                return known
            found = _standing(pipeline, registry, pending, at)
            if found.state != "open":
                return _closed(ledger, registry, pending, found, at, lease)
            if not gate.passed:
                refused = ("the gate refuses the version", *gate.reasons)
                return _end(ledger, registry, pending, "refuse", "gate", refused, at, actor, lease)
            decision = ledger.record(_yes(ledger, pending, gate, reason, actor, at), lease)
            move_aliases(ledger, registry, decision, lease)
            _tidy(ledger, registry, pending, decision)
            return decision


def reject(pipeline: Pipeline, at: datetime, reason: str, actor: str, version: int | None = None) -> Decision:
    """Say no to the version that waits; parameters and errors as for :func:`approve`."""
    honour_alias(pipeline)
    registry = Registry.of(pipeline)
    with Ledger.open(pipeline.ledger_url) as ledger:
        pending = _asked(ledger, pipeline.name, version)
        with changing_champion(pipeline, registry, ledger) as lease:
            known = _answered(ledger, pending, "reject")
            if known is not None:
                return known
            found = _standing(pipeline, registry, pending, at)
            if found.state == "expired":
                return _closed(ledger, registry, pending, found, at, lease)
            said = (f"{actor} said no: {reason}",)
            return _end(ledger, registry, pending, "reject", "rejected", said, at, actor, lease)


def pending_promotions(pipeline: Pipeline, at: datetime) -> dict[str, Any]:
    """What waits for an answer at `at`, newest first; what has expired is written down as such.

    Returns
    -------
    dict
        ``pipeline``, ``pending`` (each the decision with its ``state`` and ``standing``), ``ended`` (what
        this look closed).
    """
    honour_alias(pipeline)
    registry = Registry.of(pipeline)
    waiting, ended = [], []
    with Ledger.open(pipeline.ledger_url) as ledger:
        for pending in open_pendings(ledger, pipeline.name):
            found = _standing(pipeline, registry, pending, at)
            if found.state == "expired":
                with changing_champion(pipeline, registry, ledger) as lease:
                    known = closing(ledger, pending)
                    ended.append(known or _closed(ledger, registry, pending, found, at, lease))
                continue
            waiting.append(pending.to_dict() | {"state": found.state, "standing": list(found.reasons)})
    return {"pipeline": pipeline.name, "pending": waiting, "ended": [item.to_dict() for item in ended]}


def _asked(ledger: Ledger, pipeline: str, version: int | None) -> Decision:
    """The pending promotion that is meant: the one named, the only one that waits, or the newest answered."""
    every = ledger.decisions(pipeline, "pending")
    if version is not None:
        found = next((item for item in every if item.evidence["version"] == version), None)
        if found is None:
            known = [item.evidence["version"] for item in every]
            raise NothingPendingError(
                f"{pipeline}: v{version} never waited for an answer; {allowed(version, known)}"
            )
        return found
    waiting = open_pendings(ledger, pipeline)
    if len(waiting) > 1:
        versions = ", ".join(f"v{item.evidence['version']}" for item in waiting)
        raise NothingPendingError(f"{pipeline}: {versions} wait for an answer; say which with --version")
    if not (waiting or every):
        raise NothingPendingError(f"{pipeline}: no promotion waits for an answer")
    return (waiting or every)[0]


def _answered(ledger: Ledger, pending: Decision, kind: str) -> Decision | None:
    """The same answer given before, or None while the promotion waits."""
    known = closing(ledger, pending)
    if known is None or known.kind == kind:
        return known
    when = known.at.isoformat(timespec="minutes") if known.at else ""
    raise NothingPendingError(
        f"{pending.subject} waits no longer: {_DONE[known.kind]} at {when} by {known.actor}; "
        f"{'; '.join(known.reasons[:1])}"
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
    ledger: Ledger, registry: Registry, pending: Decision, found: Standing, at: datetime, lease: Lease
) -> Decision:
    """Expired or stale: nobody's choice, so nobody is named."""
    kind = "expired" if found.state == "expired" else "refuse"
    return _end(ledger, registry, pending, kind, found.state, found.reasons, at, "pynomaly", lease)


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
    """Close the training that asked, and let the version stop shadowing the champion."""
    version = pending.evidence["version"]
    for item in ledger.trainings(pending.pipeline):
        if item.version == version:
            ledger.put_training(
                item.key, item.pipeline, item.as_of, item.data_hash, version, decision.kind, item.detail
            )
    if registry.aliases(pending.pipeline).get("shadow") == version:
        registry.drop_alias(pending.pipeline, "shadow")
