"""Every outcome that a decision can have, by kind: the list that code, pages and tests share.

A decision with typed evidence has a kind and an outcome of this list, or it is refused. Adding one here means
writing it somewhere and showing it somewhere: ``tests/records/test_outcomes.py`` holds both.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ANY_OUTCOME", "DECISION_KINDS", "DECISION_OUTCOMES", "matches_outcome"]

ANY_OUTCOME = "*"
"""Stands for the rest of an outcome that names something: a candidate, or the missed incidents."""

_NO_WORSE = ("superior", "non_inferior", "inconclusive")
"""Verdicts of promotions; the last two only in records of earlier editions, of recalibrations."""

DECISION_OUTCOMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "account": ("opened", "withdrawn"),
        "approval": ("counted",),
        "bake": ("ok", "insufficient_data", "breach", "stuck"),
        "degradation": ("normal", "warning", "degraded", "critical", "recovering", "insufficient_data"),
        "drill": ("passed", "failed"),
        "expired": ("expired",),
        "lease": ("taken over",),
        "pending": (*_NO_WORSE, "policy", "recalibrated"),
        "policy": ("registered", "unchanged"),
        "promote": (
            *_NO_WORSE,
            *("first", "policy", "recalibrated", "approved", "by hand", "approved by hand", "standing"),
        ),
        "prune": ("removed",),
        "quality": ("pass", "warn", "block"),
        "refuse": (
            *_NO_WORSE,
            "inferior",
            *(
                "first",
                "policy",
                "recalibrated",
                "gate",
                "stale",
                "unusable",
                "by hand",
                "past incidents not computable",
            ),
            f"misses {ANY_OUTCOME}",
        ),
        "register": (ANY_OUTCOME,),
        "reject": ("rejected",),
        "retrain": ("none", "recalibrate", "refit", "search", "block"),
        "rollback": ("done",),
        "score": ("again",),
        "search": ("better", "no better"),
        "silence": ("silent", "recovered"),
        "train": ("abandoned",),
    }
)

DECISION_KINDS = tuple(DECISION_OUTCOMES)


def matches_outcome(kind: str, outcome: str) -> bool:
    """Return whether a decision of this kind can have this outcome."""
    return any(
        outcome == allowed
        or (allowed.endswith(ANY_OUTCOME) and outcome.startswith(allowed.removesuffix(ANY_OUTCOME)))
        for allowed in DECISION_OUTCOMES[kind]
    )
