"""The chain that makes the ledger's decisions tell on whoever changes them.

Each decision carries the hash of the one before it and a hash over both, so a line that is changed, removed
or slipped in breaks every hash that follows. What it cannot show is a tail cut off clean: keep the newest
hash elsewhere (``pynomaly history --verify`` prints it) to notice that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pynomaly.records.ledger.rows import Decision

__all__ = ["GENESIS", "Verification", "chained", "verify"]

GENESIS = "0" * 64
"""What the first decision names as the one before it."""


@dataclass(frozen=True)
class Verification:
    """Whether the chain holds.

    Attributes
    ----------
    decisions : int
        How many were read.
    head : str
        Hash of the newest.
    broken_at : int or None
        Place of the first decision that does not fit.
    reason : str
    """

    decisions: int
    head: str
    broken_at: int | None = None
    reason: str = ""

    @property
    def intact(self) -> bool:
        """Whether every line fits the one before it."""
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


def chained(decision: Decision, previous: str) -> Decision:
    """`decision` with the hash of the one before it, and its own."""
    linked = replace(decision, previous=previous, hash="", seq=None)
    content = json.dumps(linked.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return replace(linked, hash=hashlib.sha256(content.encode()).hexdigest(), seq=decision.seq)


def verify(decisions: Iterable[Decision]) -> Verification:
    """Walk the chain from its start.

    Parameters
    ----------
    decisions : iterable of Decision
        Every decision of the ledger, oldest first.
    """
    head, count = GENESIS, 0
    for decision in decisions:
        if decision.previous != head:
            return Verification(count, head, decision.seq, "the decision before it is not the one it names")
        if chained(decision, head).hash != decision.hash:
            return Verification(count, head, decision.seq, "its content is not what was recorded")
        head, count = decision.hash, count + 1
    return Verification(count, head)
