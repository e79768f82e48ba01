"""Counts approvals where ``promotion.approvals`` asks for several people, and says whose do not count.

Each approval is one decision, signed with the identity that the console knows. Only people whom a provider
vouches for count, each once, and not who asked for the promotion. Called by ``approve.py`` and the console.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from pynomaly.errors import ApprovalError
from pynomaly.records.ledger import SIGNED, Decision, Identity, Lease, Ledger, read_identity
from pynomaly.records.ledger.decision_evidence import CountedApprovalEvidence, PendingEvidence

__all__ = ["OTHERS", "count_approval", "find_obstacle", "list_approvals", "require_approver"]

OTHERS = "another approver, who signs in at the provider and did not ask for it"
"""Who else may approve."""


def find_obstacle(
    needed: int, pending: Decision, approvals: Sequence[Decision], name: str, identity: Identity | None
) -> str:
    """Return why an approval would not count; "" if it would. Pure.

    Parameters
    ----------
    needed : int
        People who must approve; anybody's approval counts where it is 1.
    pending : Decision
        The promotion that waits.
    approvals : sequence of Decision
        Those on record.
    name, identity : str, Identity or None
        Who would approve, and what is known of them.
    """
    if needed == 1:
        return ""
    if identity is None or not identity.is_person:
        return (
            f"{pending.subject} needs {needed} people (promotion.approvals), and nobody vouches for who "
            f"{name!r} is: a name on the command line or on a token does not count; sign in to the console "
            f"at the provider and approve there"
        )
    asker = _read_signature(pending)
    if pending.actor == name or (asker is not None and identity.is_same(asker)):
        return f"{name} asked for {pending.subject}; {needed} other people approve it"
    if any(identity.is_same(person) for person in map(_read_signature, approvals) if person is not None):
        return (
            f"{name} has approved {pending.subject} already, and counts once: {len(approvals)} of {needed} "
            f"people; it waits for {OTHERS}"
        )
    return ""


def require_approver(
    needed: int, ledger: Ledger, pending: Decision, actor: str
) -> tuple[Identity | None, tuple[Decision, ...]]:
    """Return who approves, None where one approval is enough, and the approvals of others before.

    Raises
    ------
    ApprovalError
        If no provider vouches for the actor, they asked for this promotion, or they have approved it.
    """
    if needed == 1:
        return None, ()
    approvals, identity = list_approvals(ledger, pending), read_identity(actor)
    if obstacle := find_obstacle(needed, pending, approvals, actor, identity):
        raise ApprovalError(obstacle)
    return identity, approvals


def list_approvals(ledger: Ledger, pending: Decision) -> tuple[Decision, ...]:
    """Return the approvals of a promotion, oldest first; each of another person of a provider."""
    kept: dict[tuple[str, str], Decision] = {}
    for item in reversed(ledger.list_decisions(pending.pipeline, "approval")):
        identity = _read_signature(item)
        if item.evidence.get("request") == pending.key and identity is not None and identity.is_person:
            kept.setdefault((identity.issuer, identity.subject), item)
    return tuple(kept.values())


def count_approval(
    needed: int, ledger: Ledger, pending: Decision, actor: str, reason: str, at: datetime, lease: Lease
) -> tuple[Decision | None, tuple[Decision, ...]]:
    """Record an approval if more are needed after it; call it while the champion's lease is held.

    Returns
    -------
    decision : Decision or None
        Of kind ``approval``; None if this approval is the last that is needed.
    approvals : tuple of Decision
        Those of other people before.

    Raises
    ------
    ApprovalError
        As for :func:`require_approver`.
    """
    identity, others = require_approver(needed, ledger, pending, actor)
    if identity is None:
        return None, ()
    # One who has another name at a provider before would count twice: of those, no approval counts.
    others = tuple(item for item in others if _read_issuer(item) == identity.issuer)
    given = len(others) + 1
    if given >= needed:
        return None, others
    person = sha256(f"{identity.issuer} {identity.subject}".encode()).hexdigest()[:16]
    decision = Decision(
        key=f"approval:{pending.seq}:{person}",
        pipeline=pending.pipeline,
        kind="approval",
        subject=pending.subject,
        outcome="counted",
        reasons=(f"{actor} approved: {reason}", f"{given} of {needed} people: it waits for {OTHERS}"),
        evidence=CountedApprovalEvidence(PendingEvidence.of(pending).version, pending.key, needed),
        as_of=at,
        actor=actor,
    )
    return ledger.record_decision(decision, lease), others


def _read_signature(decision: Decision) -> Identity | None:
    content = decision.evidence.get(SIGNED)
    return Identity.of_dict(content) if isinstance(content, dict) else None


def _read_issuer(decision: Decision) -> str:
    identity = _read_signature(decision)
    return identity.issuer if identity else ""
