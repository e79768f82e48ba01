"""Alerts of several pipelines as one list, over as many ledgers as they have."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from pynomaly.config import Pipeline
from pynomaly.console.paging import read_alert_cursor, write_alert_cursor
from pynomaly.console.pipelines import Pipelines
from pynomaly.console.schemas import AlertSummary, Lane, Page
from pynomaly.judging.alerts.alert import Alert
from pynomaly.records.ledger import AlertFilter, AlertOrder, AlertPlace, Ledger

__all__ = ["count_alerts", "find_newest_time", "list_lanes", "page_alerts"]


def page_alerts(
    pipelines: Pipelines,
    chosen: Sequence[Pipeline],
    wanted: AlertFilter,
    order: AlertOrder = "severity",
    limit: int = 50,
    cursor: str = "",
) -> Page[AlertSummary]:
    """Return a page of alerts.

    Parameters
    ----------
    chosen : sequence of Pipeline
        Whose alerts; `wanted.pipelines` is not used.

    Raises
    ------
    ConfigError
        If the cursor is none that a page gave.
    """
    after = read_alert_cursor(cursor)
    lists = [
        ledger.alert_states.list_alerts(own, order, limit + 1, after)
        for ledger, own in _split_filter(pipelines, chosen, wanted)
    ]

    def rank(item: tuple[AlertPlace, Alert]) -> tuple[float | str, ...]:
        place = item[0]
        gravity = (place.severity,) if order == "severity" else ()
        return (*gravity, -place.newest.timestamp(), place.pipeline, place.alert)

    merged = list(heapq.merge(*lists, key=rank))
    shown = merged[:limit]
    after_page = write_alert_cursor(shown[-1][0]) if len(merged) > limit else None
    return Page(items=tuple(AlertSummary.of_alert(alert) for _, alert in shown), next=after_page)


def count_alerts(
    pipelines: Pipelines, chosen: Sequence[Pipeline], wanted: AlertFilter
) -> dict[str, dict[str, int]]:
    """Return the number of alerts by state and severity."""
    totals: dict[str, Counter[str]] = {}
    for ledger, own in _split_filter(pipelines, chosen, wanted):
        for (state, severity), count in ledger.alert_states.count_by_severity(own).items():
            totals.setdefault(state, Counter())[severity] += count
    return {state: dict(counts) for state, counts in totals.items()}


def list_lanes(
    pipelines: Pipelines,
    chosen: Sequence[Pipeline],
    wanted: AlertFilter,
    by: Literal["day", "hour"] = "day",
    most: int = 20,
) -> tuple[Lane, ...]:
    """Return the entities with the most alerts, and their alerts by time."""
    lanes = [
        lane
        for ledger, own in _split_filter(pipelines, chosen, wanted)
        for lane in ledger.alert_states.list_lanes(own, by, most)
    ]
    lanes.sort(key=lambda lane: (-lane.total, lane.pipeline, lane.entity))
    return tuple(
        Lane(pipeline=lane.pipeline, entity=lane.entity, total=lane.total, counts=lane.counts)
        for lane in lanes[:most]
    )


def find_newest_time(pipelines: Pipelines, chosen: Sequence[Pipeline]) -> datetime | None:
    """Return the newest time of the alerts of some pipelines, or None."""
    newest = [
        places[0][0].newest
        for ledger, own in _split_filter(pipelines, chosen, AlertFilter())
        if (places := ledger.alert_states.list_alerts(own, "newest", 1))
    ]
    return max(newest, default=None)


def _split_filter(
    pipelines: Pipelines, chosen: Sequence[Pipeline], wanted: AlertFilter
) -> list[tuple[Ledger, AlertFilter]]:
    """Return the filter of each ledger; without names where these are all that it holds, which is cheaper."""
    filters = []
    for ledger, items in pipelines.group_by_ledger(chosen):
        names = () if pipelines.are_all_of_ledger(items) else tuple(item.name for item in items)
        filters.append((ledger, replace(wanted, pipelines=names)))
    return filters
