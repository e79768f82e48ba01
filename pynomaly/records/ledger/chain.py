"""The hash chain of the ledger's decisions, which shows whether somebody changed them.

Each decision has the hash of the decision before it, and a hash over its own content and that one. So a row
that is changed, removed or inserted breaks the chain. The chain cannot show that the newest decisions were
removed: to notice that, keep the newest hash elsewhere (``pynomaly history --verify`` prints it).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pynomaly.records.ledger.rows import Decision

__all__ = ["GENESIS", "Verification", "link_decision", "verify_chain"]

GENESIS = "0" * 64
"""The previous hash of the first decision."""


@dataclass(frozen=True)
class Verification:
    """Result of checking the chain.

    Attributes
    ----------
    decisions : int
        Number of decisions that fit.
    head : str
        Hash of the newest decision that fits.
    broken_at : int or None
        ``seq`` of the first decision that does not fit; None if all do.
    reason : str
        Why it does not fit; empty if all do.
    """

    decisions: int
    head: str
    broken_at: int | None = None
    reason: str = ""

    @property
    def intact(self) -> bool:
        """Whether every decision fits the one before it."""
        return self.broken_at is None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "intact": self.intact,
            "decisions": self.decisions,
            "head": self.head,
            "broken_at": self.broken_at,
            "reason": self.reason,
        }


def link_decision(decision: Decision, previous: str) -> Decision:
    """Return `decision` with the hash of the decision before it, and its own hash."""
    linked_decision = replace(decision, previous=previous, hash="", seq=None)
    content = json.dumps(linked_decision.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return replace(linked_decision, hash=hashlib.sha256(content.encode()).hexdigest(), seq=decision.seq)


def verify_chain(decisions: Iterable[Decision]) -> Verification:
    """Check the chain from its start, up to the first decision that does not fit.

    Parameters
    ----------
    decisions : iterable of Decision
        Every decision of the ledger, oldest first.
    """
    head, count = GENESIS, 0
    for decision in decisions:
        if decision.previous != head:
            return Verification(count, head, decision.seq, "the decision before it is not the one it names")
        if link_decision(decision, head).hash != decision.hash:
            return Verification(count, head, decision.seq, "its content is not what was recorded")
        head, count = decision.hash, count + 1
    return Verification(count, head)
