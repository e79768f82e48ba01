"""Counts approvals where ``promotion.approvals`` asks for several people, and says whose do not count.

Each approval is one decision, signed with the identity that the console knows. Only people whom a provider
vouches for count, each once, and not who asked for the promotion. Called by ``approve.py`` and the console.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from pynomaly.config import Pipeline
from pynomaly.errors import ApprovalError
from pynomaly.records.ledger import SIGNED, Decision, Identity, Lease, Ledger, read_identity
from pynomaly.records.ledger.decision_evidence import CountedApprovalEvidence, PendingEvidence

__all__ = ["count_approval", "list_approvals", "require_approver"]


def require_approver(pipeline: Pipeline, pending: Decision, actor: str) -> Identity | None:
    """Return who approves; None where one approval is enough, as anybody's counts there.

    Raises
    ------
    ApprovalError
        If no provider vouches for the actor, or they asked for this promotion.
    """
    needed = pipeline.promotion.approvals
    if needed == 1:
        return None
    identity = read_identity(actor)
    if identity is None or not identity.is_person:
        raise ApprovalError(
            f"{pending.subject} needs {needed} people (promotion.approvals), and nobody vouches for who "
            f"{actor!r} is: a name on the command line or on a token does not count; sign in to the console "
            f"at the provider and approve there"
        )
    asked_by = _read_signature(pending)
    if pending.actor == actor or (asked_by is not None and identity.is_same(asked_by)):
        raise ApprovalError(f"{actor} asked for {pending.subject}; {needed} other people approve it")
    return identity


def list_approvals(ledger: Ledger, pending: Decision) -> tuple[Decision, ...]:
    """Return the approvals of a promotion that still waits, oldest first; each of another person."""
    found: dict[tuple[str, str], Decision] = {}
    for item in reversed(ledger.list_decisions(pending.pipeline, "approval")):
        identity = _read_signature(item)
        if item.evidence.get("request") == pending.key and identity is not None and identity.is_person:
            found.setdefault((identity.issuer, identity.subject), item)
    return tuple(found.values())


def count_approval(
    pipeline: Pipeline,
    ledger: Ledger,
    pending: Decision,
    identity: Identity,
    reason: str,
    at: datetime,
    lease: Lease,
) -> tuple[Decision | None, tuple[Decision, ...]]:
    """Record an approval if more are needed after it; the same person's is recorded once.

    Returns
    -------
    decision : Decision or None
        Of kind ``approval``; None if this approval is the last that is needed.
    approvals : tuple of Decision
        Those of other people before.
    """
    others = []
    for item in list_approvals(ledger, pending):
        signature = _read_signature(item)
        if signature is None or signature.issuer != identity.issuer:
            continue  # of a provider before: the same person may have another name here
        if signature.is_same(identity):
            return item, ()
        others.append(item)
    needed = pipeline.promotion.approvals
    if len(others) + 1 >= needed:
        return None, tuple(others)
    person = sha256(f"{identity.issuer} {identity.subject}".encode()).hexdigest()[:16]
    decision = Decision(
        key=f"approval:{pending.seq}:{person}",
        pipeline=pending.pipeline,
        kind="approval",
        subject=pending.subject,
        outcome="counted",
        reasons=(
            f"{identity.name} approved: {reason}",
            f"{len(others) + 1} of {needed} people: it waits for another approver, who signs in at the "
            f"provider and did not ask for it",
        ),
        evidence=CountedApprovalEvidence(PendingEvidence.of(pending).version, pending.key, needed),
        as_of=at,
        actor=identity.name,
    )
    return ledger.record_decision(decision, lease), ()


def _read_signature(decision: Decision) -> Identity | None:
    content = decision.evidence.get(SIGNED)
    return Identity.of_dict(content) if isinstance(content, dict) else None
