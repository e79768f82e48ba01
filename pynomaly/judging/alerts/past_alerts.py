"""Compare a new alert with past alerts: does it send a notification, and which alerts are similar? Pure.

Called by :mod:`pynomaly.steps.alerting.raise_alerts` when an alert opens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pynomaly.judging.alerts.alert import Alert

__all__ = ["find_quiet_reason", "find_similar_alerts"]


def find_quiet_reason(
    entity: str,
    causes: Sequence[str],
    first: datetime | None,
    last: datetime | None,
    past: Iterable[Alert],
    planned: Iterable[tuple[datetime, datetime, str, str]],
    *,
    mute: timedelta,
    flapping: int,
    within: timedelta,
) -> str:
    """Return why a new alert sends no notification, or "" if it sends one.

    Parameters
    ----------
    entity, causes, first, last
        Of the new alert.
    past : iterable of Alert
        Alerts opened before it.
    planned : iterable of (start, end, entity, name)
        Planned work; an empty entity means all entities.
    mute : timedelta
        How long after the last row of a false alarm a similar alert is suppressed.
    flapping : int
        The alert is flapping when at least this many similar alerts began at most `within` before it.
    """
    if first is None or last is None:
        return ""
    for start, end, whose, name in planned:
        if whose in ("", entity) and start <= last and first < end:
            return f"planned work: {name or 'not named'}, until {end:%Y-%m-%d %H:%M} UTC"
    same_cause_alerts = [
        item
        for item in past
        if item.entity == entity
        and item.first is not None
        and item.first < first
        and item.state != "withdrawn"
        and item.cause == (causes[0] if causes else "")
    ]
    muting = next((item for item in same_cause_alerts if item.muted_until and first < item.muted_until), None)
    if muting is not None:
        until = f"{muting.muted_until:%Y-%m-%d %H:%M} UTC"
        return f"muted: by hand, as the like of {muting.alert}, until {until}"
    false_alarms = [item for item in same_cause_alerts if item.ending == "false-alarm" and item.last]
    false_alarms = [item for item in false_alarms if item.last and first - item.last <= mute]
    if false_alarms:
        newest = max(false_alarms, key=lambda item: item.last or first)
        return f"muted: {newest.alert}, the like of it, was a false alarm"
    recent = [item for item in same_cause_alerts if item.first is not None and first - item.first <= within]
    if len(recent) >= flapping:
        return f"flapping: {len(recent)} alike alerts in the {_format_span(within)} before it"
    return ""


def _format_span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours"


def find_similar_alerts(
    entity: str, causes: Sequence[str], past: Iterable[Alert], most: int = 3
) -> tuple[Alert, ...]:
    """Return up to `most` past alerts with common contributing columns, the most similar first.

    Similarity is the share of columns in common (Jaccard). Ties are ordered by: same entity first, then
    alerts with an ending, then the newest. Alerts without a common column are left out.
    """
    own_columns = set(causes)

    def similarity(item: Alert) -> float:
        past_columns = set(item.causes)
        union = own_columns | past_columns
        return len(own_columns & past_columns) / len(union) if union else 0.0

    alike = [item for item in past if similarity(item) > 0 and item.state != "withdrawn"]
    alike.sort(
        key=lambda item: (
            -similarity(item),
            item.entity != entity,
            not item.ending,
            -(item.first.timestamp() if item.first else 0.0),
            item.alert,
        )
    )
    return tuple(alike[:most])
