"""Counts the challengers that failed since the last promotion that stood; each further one must show more.

Called when a retraining is planned, and when a challenger is compared with the champion: looking again and
again until chance promotes one of equal challengers is paid for in the verdict. Reads the ledger alone.
"""

from __future__ import annotations

from pynomaly.records.ledger import Decision, Ledger

__all__ = ["list_failed_attempts"]


def list_failed_attempts(ledger: Ledger, pipeline: str) -> list[Decision]:
    """Return the decisions that ended a challenger since the last standing promotion, newest first.

    A challenger fails when it is refused, rejected by a person, left without an answer until it expired, or
    promoted and taken back while it baked; that promotion did not stand. Changes of the alert policy alone
    are no challengers.
    """
    decisions = ledger.list_decisions(pipeline)
    taken_back = [item for item in decisions if item.kind == "rollback" and item.actor == "bake"]
    standing = 0
    for item in decisions:
        if item.kind != "promote" or item.outcome == "policy":
            continue
        seq = item.seq or 0
        if not any(back.replaces == item.version and (back.seq or 0) > seq for back in taken_back):
            standing = max(standing, seq)
    return [
        item
        for item in sorted(decisions, key=lambda item: -(item.seq or 0))
        if (item.seq or 0) > standing
        and item.outcome != "policy"
        and (item.kind in ("refuse", "reject", "expired") or item in taken_back)
    ]
