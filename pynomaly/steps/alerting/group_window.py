"""Groups the alerting rows of one window into alerts, and writes down what is new of them.

The same for a window that was scored and for one whose rows still come: an alert is named after its first
row, so the alerts of a window that closes are those that were open before. Called by
:mod:`pynomaly.steps.alerting.raise_alerts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.judging.alerts.alert import Alert, Carrier, build_alert
from pynomaly.judging.alerts.alert_text import describe_alert
from pynomaly.judging.alerts.grouping import AlertGroup, group_rows
from pynomaly.judging.alerts.past_alerts import find_quiet_reason, find_similar_alerts
from pynomaly.records.ledger import AlertEvent, Ledger, QueuedNotice
from pynomaly.records.ledger.rows import to_json
from pynomaly.steps.alerting.alert_rows import build_flags, build_row_key
from pynomaly.steps.notices.queue_notice import Notice, queue_notice
from pynomaly.steps.window_run import WindowRun

__all__ = ["AlertCounts", "AlertingWindow", "group_window", "queue_alert"]

MIN_CARRIER_SHARE = 0.1
"""Smallest share of a row's score that makes a column a cause of the alert."""


class AlertCounts(TypedDict):
    """What grouping a window came to; see :class:`pynomaly.steps.alerting.raise_alerts.RaisedAlerts`."""

    rows: int
    opened: int
    grown: int
    quiet: int
    withdrawn: int
    messages: int


@dataclass(frozen=True, eq=False)
class AlertingWindow:
    """Scored rows of one window.

    Attributes
    ----------
    key : str
    start : datetime or None
        None for a table without time.
    stamp : str
        Names this view of the window: the same view gives the same events.
    scores : DataFrame of shape (n, k)
        Rows as a partition holds them, with a fresh index; those that do not alert matter to
        ``grouping.needed`` alone.
    carriers : dict of int to tuple of Carrier
        Of rows that were explained, by position in `scores`.
    before : DataFrame or None
        Rows of earlier windows, which count towards ``grouping.needed``.
    is_over : bool
        Whether all rows of the window are known; until then no alert of it is withdrawn.
    """

    key: str
    start: datetime | None
    stamp: str
    scores: pd.DataFrame
    carriers: Mapping[int, tuple[Carrier, ...]] = field(default_factory=dict)
    before: pd.DataFrame | None = None
    is_over: bool = True


def group_window(
    run: WindowRun,
    window: AlertingWindow,
    planned: list[tuple[datetime, datetime, str, str]],
    history: dict[str, list[Mapping[str, Any]]],
    alerts: dict[str, Alert],
    *,
    announce: bool = True,
    mark: AlertEvent | None = None,
) -> AlertCounts:
    """Group one window and write all its events in one transaction.

    Parameters
    ----------
    planned : list of tuple
        Planned work, in which alerts stay quiet.
    history : dict of str to list
        Events of each alert, oldest first; those of this window are added.
    alerts : dict of str to Alert
        The same as states; renewed.
    announce : bool
        Whether people are told of new alerts.
    mark : AlertEvent, optional
        Written with the others: it says that the window is grouped.
    """
    pipeline, settings = run.pipeline, run.pipeline.grouping
    causes = {
        row: [item.feature for item in items if item.share >= MIN_CARRIER_SHARE]
        for row, items in window.carriers.items()
    }
    flags = build_flags(pipeline, window.scores, window.before, causes)
    groups = group_rows(
        pipeline.name,
        flags,
        settings.gap,
        by_cause=settings.by_cause,
        before=_find_open_groups(alerts, window),
    )
    events: list[AlertEvent] = []

    def add_event(name: str, event: str, key: str, content: Mapping[str, Any]) -> None:
        events.append(AlertEvent(key, pipeline.name, name, event, window.key, to_json(content), at=now))
        history.setdefault(name, []).append(vars(events[-1]))

    now = datetime.now(UTC)
    new: list[tuple[str, str]] = []
    for item in groups:
        if item.name not in history:
            opening = _build_opening(pipeline, item, alerts, planned)
            new.append((item.name, opening["quiet"]))
            add_event(item.name, "opened", f"opened:{pipeline.name}:{item.name}", opening)
        sighting = _build_sighting(pipeline, window, item)
        add_event(item.name, "seen", f"seen:{pipeline.name}:{item.name}:{window.stamp}", sighting)
        alerts[item.name] = build_alert(item.name, history[item.name])
    withdrawn = _find_withdrawn(alerts, groups, window.key) if window.is_over else []
    for name in withdrawn:
        sightings = [event for event in history[name] if event["window"] == window.key]
        empty_sighting = {**sightings[-1]["content"], "rows": 0, "row_keys": []}
        add_event(name, "seen", f"seen:{pipeline.name}:{name}:{window.stamp}", empty_sighting)
        alerts[name] = build_alert(name, history[name])
    if mark is not None:
        events.append(mark)
    message_count = 0
    # Messages are queued before the window is marked: queueing twice gives one message, but a message that
    # is not queued before a crash is lost.
    for name, silence in new if announce else ():
        message_count += 0 if silence else len(queue_alert(pipeline, run.ledger, alerts[name]))
    run.ledger.answers.add_facts(*events)
    return {
        "rows": len(flags),
        "opened": len(new),
        "grown": len(groups) - len(new),
        "quiet": sum(bool(silence) for _, silence in new),
        "withdrawn": len(withdrawn),
        "messages": message_count,
    }


def _build_opening(
    pipeline: Pipeline,
    item: AlertGroup,
    alerts: Mapping[str, Alert],
    planned: list[tuple[datetime, datetime, str, str]],
) -> dict[str, Any]:
    """Return the facts of an alert when it opens: the reason to stay quiet, and similar earlier alerts."""
    settings = pipeline.grouping
    silence = find_quiet_reason(
        item.entity,
        item.causes,
        item.first,
        item.last,
        alerts.values(),
        planned,
        mute=settings.mute,
        flapping=settings.flapping,
        within=settings.flapping_within,
    )
    alike = [
        {
            "alert": other.alert,
            "entity": other.entity,
            "first": other.first,
            "cause": other.cause,
            "ending": other.ending,
            "note": other.note,
        }
        for other in find_similar_alerts(item.entity, item.causes, alerts.values())
    ]
    return {"quiet": silence, "alike": alike}


def _build_sighting(pipeline: Pipeline, window: AlertingWindow, item: AlertGroup) -> dict[str, Any]:
    """Return the facts of an alert's rows in one window."""
    peak, numbers = item.peak, window.scores["row"].to_numpy()
    row = window.scores.iloc[peak.place]
    first = item.flags[0].time if item.carried else item.first
    return {
        "entity": item.entity,
        "rows": len(item.flags),
        "first": first,
        "last": max((flag.time for flag in item.flags if flag.time), default=None),
        "peak": peak.time,
        "score": float(row["score"]),
        "p_value": float(row["p_value"]),
        "severity": str(row["severity"]),
        "rarity": str(row["rarity"]),
        "extrapolated": bool(row["extrapolated"]),
        "version": int(row["model_version"]),
        "carriers": [asdict(carrier) for carrier in window.carriers.get(peak.place, ())],
        "causes": list(item.causes),
        "collective": pipeline.grouping.collective,
        "row_keys": [build_row_key(flag, int(numbers[flag.place])) for flag in item.flags],
    }


def queue_alert(
    pipeline: Pipeline, ledger: Ledger, alert: Alert, now: datetime | None = None
) -> tuple[QueuedNotice, ...]:
    """Queue the messages of an alert; the outbox delivers them, and what becomes of it is told, too."""
    whose = f" of {alert.entity}" if alert.entity else ""
    notice = Notice(
        event="alert",
        key=alert.alert,
        title=f"[pynomaly] {pipeline.name}: {alert.severity} alert{whose}",
        body="\n".join(describe_alert(alert)),
        severity=alert.severity,
        entity=alert.entity,
        alert=alert.alert,
        action="trigger",
    )
    return queue_notice(pipeline, ledger, notice, now)


def _find_open_groups(alerts: Mapping[str, Alert], window: AlertingWindow) -> list[AlertGroup]:
    """Return alerts that may continue in a window: not resolved, or already recorded with rows in it."""
    if window.start is None:
        return []
    return [
        AlertGroup(item.alert, item.entity, item.first, _find_last_row(item, window), item.causes)
        for item in alerts.values()
        if item.first is not None
        and item.first < window.start
        and item.state != "withdrawn"
        and (item.state != "resolved" or window.key in item.windows)
    ]


def _find_last_row(item: Alert, window: AlertingWindow) -> datetime | None:
    """Return the time of its newest row before a window: rows of the window itself do not count."""
    rows = [datetime.fromisoformat(row) for _, row in item.row_keys if not row.startswith("row:")]
    return max((row for row in rows if window.start is not None and row < window.start), default=None)


def _find_withdrawn(alerts: Mapping[str, Alert], groups: Sequence[AlertGroup], window: str) -> list[str]:
    group_names = {item.name for item in groups}
    return [name for name, item in alerts.items() if window in item.windows and name not in group_names]
