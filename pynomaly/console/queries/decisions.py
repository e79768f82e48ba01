"""Decisions of several pipelines as one timeline, and the promotions that wait for an approval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pynomaly.config import Pipeline
from pynomaly.console.paging import read_number_cursor, write_number_cursor
from pynomaly.console.pipelines import Pipelines
from pynomaly.console.schemas import DecisionSummary, Page, PendingPromotion
from pynomaly.errors import ConfigError
from pynomaly.records.ledger import DecisionFilter, Identity
from pynomaly.records.ledger.decision_evidence import PendingEvidence
from pynomaly.steps.promotion.approvers import find_obstacle, list_approvals

__all__ = ["list_promotions", "page_decisions"]


def page_decisions(
    pipelines: Pipelines,
    chosen: Sequence[Pipeline],
    wanted: DecisionFilter,
    limit: int = 50,
    cursor: str = "",
) -> Page[DecisionSummary]:
    """Return a page of decisions, newest first; `wanted.pipelines` is not used.

    Raises
    ------
    ConfigError
        If the cursor is none that a page gave, or the pipelines keep their records in several ledgers: their
        decisions have no common order, so choose pipelines of one.
    """
    groups = pipelines.group_by_ledger(chosen)
    if len(groups) > 1:
        names = ", ".join(items[0].name for _, items in groups[:3])
        raise ConfigError(f"{names} keep their records in different ledgers; choose pipelines of one")
    if not groups:
        return Page(items=(), next=None)
    ledger, items = groups[0]
    own = replace(wanted, pipelines=tuple(item.name for item in items))
    decisions = ledger.across.list_decisions(own, limit + 1, read_number_cursor(cursor))
    shown = decisions[:limit]
    after_page = write_number_cursor(shown[-1].seq or 0) if len(decisions) > limit else None
    return Page(items=tuple(map(DecisionSummary.of_decision, shown)), next=after_page)


def list_promotions(
    pipelines: Pipelines, chosen: Sequence[Pipeline], now: datetime, identity: Identity
) -> tuple[PendingPromotion, ...]:
    """Return the promotions that wait and have not expired, those that end first before.

    Each says what keeps the one who asks from approving it.
    """
    names = {item.name: item for item in chosen}
    waiting = []
    for ledger, _ in pipelines.group_by_ledger(chosen):
        for name, items in ledger.across.list_pending().items():
            for item in items if name in names else ():
                evidence, needed = PendingEvidence.of(item), names[name].promotion.approvals
                approvals = list_approvals(ledger, item) if needed > 1 else ()
                waiting.append(
                    PendingPromotion(
                        pipeline=name,
                        version=evidence.version,
                        replaces=evidence.replaces,
                        expires=evidence.expires_at,
                        decision=DecisionSummary.of_decision(item),
                        verdict=dict(evidence.verdict) if evidence.verdict else None,
                        diff=dict(evidence.diff) if evidence.diff else None,
                        diff_error=evidence.diff_error,
                        approvals=tuple(approval.actor for approval in approvals),
                        needed=needed,
                        obstacle=find_obstacle(needed, item, approvals, identity.name, identity),
                    )
                )
    return tuple(sorted((item for item in waiting if item.expires > now), key=lambda item: item.expires))
