"""Count the challengers that came to nothing since the last promotion that stands.

Refused by the gate or the verdict, rejected by a person, expired without an answer, or promoted and taken
back: each is an attempt on this champion that failed, and the next one waits longer. A rejection ages: after
``retraining.forget`` it says nothing about a challenger of today. Changes of the alert policy, and of the
alias by hand, are no challengers. Where the rows hold too few anomalies to compare one, nothing was tested
and it is not rejected. An audit compares a challenger that was counted when its training ended: where the
audit, or a person after it, refuses it again, or nobody answers, nothing more is counted. Called by
:mod:`pynomaly.steps.training.planning`; whoever compares models asks for the number of the attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pynomaly.judging.comparison.verdict import awaits_evidence
from pynomaly.records.ledger import Audit, Decision
from pynomaly.records.ledger.decision_evidence import PendingEvidence

__all__ = ["RECALIBRATED", "Rejections", "age_rejections", "count_attempts", "count_rejections"]

RECALIBRATED = "recalibrated"
"""Name, among challengers, of the champion's own detector with new p-values."""

_NEVER = timedelta(days=36_525)  # a retraining forgets rejections; what they cost is not forgotten

_SAME_RANKING = ("policy", "recalibrated")
"""Outcomes of promotions that change no score: what was compared with the champion before still counts."""

_NO_CHALLENGER = ("policy", "by hand")
"""Outcomes of decisions that no training led to."""


@dataclass(frozen=True)
class Rejections:
    """Rejected challengers in a row.

    Attributes
    ----------
    count : int
        Those that count.
    last : datetime or None
        When the newest of them was rejected; aware.
    forgotten : int
        Those that are too old to count.
    """

    count: int
    last: datetime | None
    forgotten: int


def count_rejections(
    decisions: Sequence[Decision], as_of: datetime, forget: timedelta, change: datetime | None = None
) -> Rejections:
    """Count the rejected challengers since the last promotion that stands.

    Parameters
    ----------
    decisions : sequence of Decision
        All decisions of a pipeline, newest first.
    as_of : datetime
        Moment for which they are counted; aware.
    forget : timedelta
        A rejection older than this no longer counts.
    change : datetime, optional
        When columns began to drift. What was rejected before met another world, and holds nothing back.
    """
    changed_policies = {item.key for item in decisions if item.kind == "pending" and item.outcome == "policy"}
    by_audit = _list_audited(decisions)
    challengers = [
        item
        for item in decisions
        if item.outcome not in _NO_CHALLENGER
        and item.answered_key not in changed_policies
        and item.key not in by_audit
        and not (item.kind == "refuse" and _awaits_evidence(item))
    ]
    versions_by_policy = {
        item.version for item in decisions if item.kind == "promote" and item.outcome == "policy"
    }
    taken_back = _find_taken_back(decisions)
    standing = _find_standing(decisions)
    since = (standing.seq or 0) if standing else 0
    moments = [
        item.as_of
        for item in challengers
        if (item.seq or 0) > since
        and (
            item.kind in ("refuse", "reject", "expired")
            or (
                item.kind == "rollback"
                and (item.seq or 0) in taken_back.values()
                and item.replaces not in versions_by_policy
            )
        )
    ]
    moments += _list_lapsed(challengers, since, as_of)
    return age_rejections(moments, as_of, forget, change)


def count_attempts(decisions: Sequence[Decision], audits: Sequence[Audit], as_of: datetime) -> int:
    """Return the number of the next comparison with the champion, from 1; each costs part of one error.

    Counted since the last promotion that stands: rejected challengers, however old, and audits that were
    drawn to compare a challenger, whatever came of them, a version that was taken back too. All looks at one
    audit are one comparison. A refused recalibration ranks as the champion does: no ranking was looked at.
    """
    decisions = [item for item in decisions if not (item.kind == "refuse" and _ranks_alike(item))]
    standing = _find_standing(decisions)
    since = standing.at if standing else None
    drawn = [
        item
        for item in audits
        if item.content.get("against") and (since is None or item.at is None or item.at > since)
    ]
    promotions = {item.seq: item.key for item in _list_new_models(decisions)}
    by_audit, first = _list_audited(decisions), (standing.seq or 0) if standing else 0
    counted_twice = sum(
        end > first and promotions.get(promotion) in by_audit
        for promotion, end in _find_taken_back(decisions).items()
    )
    return 1 + count_rejections(decisions, as_of, _NEVER).count - counted_twice + len(drawn)


def age_rejections(
    moments: Iterable[datetime], as_of: datetime, forget: timedelta, change: datetime | None = None
) -> Rejections:
    """Return how many of the rejections at `moments` count at `as_of`, and how many are forgotten.

    Those up to `change` are neither, see :func:`count_rejections`.
    """
    every = [moment for moment in moments if change is None or moment > change]
    counted = [moment for moment in every if as_of - moment <= forget]
    return Rejections(len(counted), max(counted, default=None), len(every) - len(counted))


def _list_audited(decisions: Sequence[Decision]) -> frozenset[str]:
    """Return the keys of the decisions that the answers to an audit led to, and of those that end them."""
    led = {item.key for item in decisions if item.evidence.get("audit")}
    return frozenset(led | {item.key for item in decisions if item.answered_key in led})


def _awaits_evidence(refusal: Decision) -> bool:
    verdict = refusal.evidence.get("verdict")
    return isinstance(verdict, Mapping) and awaits_evidence(verdict)


def _ranks_alike(refusal: Decision) -> bool:
    verdict = refusal.evidence.get("verdict")
    return isinstance(verdict, Mapping) and verdict.get("challenger") == RECALIBRATED


def _find_standing(decisions: Sequence[Decision]) -> Decision | None:
    """Return the last promotion of a challenger that was not taken back, or None."""
    taken_back = _find_taken_back(decisions)
    return next((item for item in _list_new_models(decisions) if (item.seq or 0) not in taken_back), None)


def _list_new_models(decisions: Sequence[Decision]) -> list[Decision]:
    """Return the promotions after which rows have other scores, by a person's answer or not."""
    kept = {item.key for item in decisions if item.kind == "pending" and item.outcome in _SAME_RANKING}
    return [
        item
        for item in decisions
        if item.kind == "promote" and item.outcome not in _SAME_RANKING and item.answered_key not in kept
    ]


def _find_taken_back(decisions: Sequence[Decision]) -> dict[int, int]:
    """Return the ``seq`` of each promotion that was rolled back for good, and of its rollback.

    A second rollback makes the version champion again, and the promotion stands.
    """
    changes = [item for item in decisions if item.kind in ("promote", "rollback")]
    pairs: dict[int, int] = {}
    for place, promotion in enumerate(changes):
        if promotion.kind != "promote":
            continue
        later = changes[:place]  # newest first
        undone = (promotion.version, promotion.replaces)
        rollback = next(
            (item for item in later if item.kind == "rollback" and (item.replaces, item.version) == undone),
            None,
        )
        came_back = any(
            item.version == promotion.version and rollback and (item.seq or 0) > (rollback.seq or 0)
            for item in later
        )
        if rollback is not None and not came_back:
            pairs[promotion.seq or 0] = rollback.seq or 0
    return pairs


def _list_lapsed(decisions: Sequence[Decision], since: int, as_of: datetime) -> list[datetime]:
    """Return when promotions expired that waited for an answer, and of which nobody took note yet."""
    closed = {item.answered_key for item in decisions}
    ends = (
        PendingEvidence.of(item).expires_at
        for item in decisions
        if item.kind == "pending" and (item.seq or 0) > since and item.key not in closed
    )
    return [end for end in ends if end <= as_of]
