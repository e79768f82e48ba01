"""Turns scored windows into alerts: groups their rows, explains them, records them, queues messages.

Called after scoring, and by ``reconcile`` for windows that were scored but not grouped (a process may die
between the two). A window scored again is grouped again: the same rows give the same alerts, and an alert
whose rows no longer alert is withdrawn. All events of a window are written in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.errors import PynomalyError
from pynomaly.judging.alerts.alert import Alert, Carrier, build_alert
from pynomaly.judging.alerts.grouping import AlertGroup, group_rows
from pynomaly.judging.alerts.past_alerts import find_quiet_reason, find_similar_alerts
from pynomaly.records.ledger import AlertEvent, Answers, Ledger, Partition, QueuedNotice
from pynomaly.records.ledger.rows import to_json
from pynomaly.records.store import Store
from pynomaly.steps.alerting.alert_rows import build_flags, build_row_key, read_entities
from pynomaly.steps.alerting.carriers import choose_explained_rows, find_carriers
from pynomaly.steps.alerting.planned_times import list_planned_times
from pynomaly.steps.notify import queue_messages
from pynomaly.steps.window_run import WindowRun, use_window_run

__all__ = ["RaisedAlerts", "describe_alert", "raise_alerts", "read_alerts"]

MIN_CARRIER_SHARE = 0.1
"""Smallest share of a row's score that makes a column a cause of the alert."""


@dataclass(frozen=True)
class RaisedAlerts:
    """Result of grouping one window.

    Attributes
    ----------
    opened, grown, quiet, withdrawn : int
        New alerts, older alerts that continue, new alerts without a message, and withdrawn alerts.
    messages : int
        Messages queued.
    note : str
        Reason why the alerts name no columns, or "".
    """

    window: str
    rows: int
    opened: int
    grown: int
    quiet: int
    withdrawn: int
    messages: int
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for logs and artifacts."""
        values = asdict(self)
        return values | {"told": values.pop("messages"), "said": values.pop("note")}


def raise_alerts(pipeline: Pipeline, run: WindowRun | None = None) -> tuple[RaisedAlerts, ...]:
    """Group every scored window that is not grouped yet, oldest first.

    With the run that scored the windows, their rows are not read again.

    Raises
    ------
    RecordError
        If scores are missing or do not match their recorded hash.
    SourceError, ConfigError
        If planned work (``grouping.planned``) cannot be read, or ``grouping.holidays`` is no place.
    """
    results = []
    with (
        use_window_run(pipeline, run) as records,
        records.ledger.hold_lease(f"alerts:{pipeline.name}"),
    ):
        ledger, answers = records.ledger, records.ledger.answers
        grouped_keys, partitions = (
            answers.list_grouped_windows(pipeline.name),
            ledger.list_partitions(pipeline.name),
        )
        ungrouped = [place for place, item in enumerate(partitions) if _grouped_key(item) not in grouped_keys]
        if not ungrouped:
            return ()
        planned = list_planned_times(pipeline, [partitions[place] for place in ungrouped])
        history = _read_events(answers, pipeline.name)
        alerts = {name: build_alert(name, events) for name, events in history.items()}
        for place in ungrouped:
            results.append(_group_window(records, partitions, place, planned, history, alerts))
    return tuple(results)


def read_alerts(
    answers: Answers, pipeline: str, within: tuple[datetime, datetime] | None = None
) -> dict[str, Alert]:
    """Return the current state of every alert of a pipeline, by alert name.

    With `within`, two aware moments, only of those with rows in a window that starts between them.
    """
    events = _read_events(answers, pipeline, within)
    return {name: build_alert(name, own_events) for name, own_events in events.items()}


def _read_events(
    answers: Answers, pipeline: str, within: tuple[datetime, datetime] | None = None
) -> dict[str, list[Mapping[str, Any]]]:
    events_by_alert: dict[str, list[Mapping[str, Any]]] = {}
    for event in answers.list_events(pipeline, within=within):
        events_by_alert.setdefault(event.alert, []).append(vars(event))
    return events_by_alert


def describe_alert(alert: Alert) -> list[str]:
    """Return an alert as lines of at most 80 columns, for messages and the command line."""
    edges = [f"{item:%Y-%m-%d %H:%M}" for item in (alert.first, alert.last) if item]
    lines = [f"alert {alert.alert}, {alert.state}: {alert.severity}, {alert.category}, {alert.rows} rows"]
    if edges:
        lines.append(f"from {edges[0]} to {edges[-1]} UTC, rarest {alert.rarity}, p {alert.p_value:.2g}")
    for item in alert.carriers:
        actual, expected = _format_value(item.actual), _format_value(item.expected)
        lines.append(f"- {item.feature}: {actual}, expected {expected} ({item.share:.0%})")
        lines += wrap(item.past, 80, initial_indent="  ", subsequent_indent="  ")
    lines += [f"- {reason}" for reason in alert.reasons]
    for other in alert.alike:
        how = other["ending"] or "not answered"
        lines.append(f"- like {other['alert']} of {str(other['first'] or '')[:10]}: {how}")
    if alert.quiet:
        lines.append(f"nobody was told: {alert.quiet}")
    return lines


def _format_value(value: float | str | None) -> str:
    return "missing" if value is None else f"{value:.4g}" if isinstance(value, float) else value


def _grouped_key(partition: Partition) -> str:
    moment = partition.scored_at.isoformat()
    return f"grouped:{partition.pipeline}:{partition.window}:{moment}"


def _group_window(
    run: WindowRun,
    partitions: Sequence[Partition],
    place: int,
    planned: list[tuple[datetime, datetime, str, str]],
    history: dict[str, list[Mapping[str, Any]]],
    alerts: dict[str, Alert],
) -> RaisedAlerts:
    """Group one window and write all its events in one transaction."""
    pipeline, partition = run.pipeline, partitions[place]
    store, settings = Store(pipeline.store_root), pipeline.grouping
    scores = store.read_scores(pipeline.name, [partition.window], {partition.window: partition.sha256})
    row_carriers, reason = _explain_rows(run, partition, scores)
    causes = {
        row: [item.feature for item in items if item.share >= MIN_CARRIER_SHARE]
        for row, items in row_carriers.items()
    }
    flags = build_flags(pipeline, scores, _read_rows_before(pipeline, store, partitions, place), causes)
    groups = group_rows(
        pipeline.name,
        flags,
        settings.gap,
        by_cause=settings.by_cause,
        before=_find_open_groups(alerts, partition),
    )
    stamp = f"{partition.window}:{partition.scored_at.isoformat()}"
    events: list[AlertEvent] = []

    def add_event(name: str, event: str, key: str, content: Mapping[str, Any]) -> None:
        events.append(AlertEvent(key, pipeline.name, name, event, partition.window, to_json(content), at=now))
        history.setdefault(name, []).append(vars(events[-1]))

    now = datetime.now(UTC)
    new: list[tuple[str, str]] = []
    for item in groups:
        if item.name not in history:
            opening = _build_opening(pipeline, item, alerts, planned)
            new.append((item.name, opening["quiet"]))
            add_event(item.name, "opened", f"opened:{pipeline.name}:{item.name}", opening)
        sighting = _build_sighting(pipeline, partition, item, scores, row_carriers)
        add_event(item.name, "seen", f"seen:{pipeline.name}:{item.name}:{stamp}", sighting)
        alerts[item.name] = build_alert(item.name, history[item.name])
    withdrawn = _find_withdrawn(alerts, groups, partition.window)
    for name in withdrawn:
        sightings = [event for event in history[name] if event["window"] == partition.window]
        empty_sighting = {**sightings[-1]["content"], "rows": 0, "row_keys": []}
        add_event(name, "seen", f"seen:{pipeline.name}:{name}:{stamp}", empty_sighting)
        alerts[name] = build_alert(name, history[name])
    events.append(AlertEvent(_grouped_key(partition), pipeline.name, "", "grouped", partition.window))
    message_count = 0
    # Messages are queued before the window is marked: queueing twice gives one message, but a message that
    # is not queued before a crash is lost.
    for name, silence in new if _is_recent(partitions, partition, pipeline) else ():
        message_count += 0 if silence else len(_queue_message(pipeline, run.ledger, alerts[name]))
    run.ledger.answers.add_facts(*events)
    silent = sum(bool(silence) for _, silence in new)
    grown = len(groups) - len(new)
    return RaisedAlerts(
        partition.window, len(flags), len(new), grown, silent, len(withdrawn), message_count, reason
    )


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


def _build_sighting(
    pipeline: Pipeline,
    partition: Partition,
    item: AlertGroup,
    scores: pd.DataFrame,
    row_carriers: Mapping[int, tuple[Carrier, ...]],
) -> dict[str, Any]:
    """Return the facts of an alert's rows in one window."""
    peak, numbers = item.peak, scores["row"].to_numpy()
    row = scores.iloc[peak.place]
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
        "version": partition.version,
        "carriers": [asdict(carrier) for carrier in row_carriers.get(peak.place, ())],
        "causes": list(item.causes),
        "collective": pipeline.grouping.collective,
        "row_keys": [build_row_key(flag, int(numbers[flag.place])) for flag in item.flags],
    }


def _queue_message(pipeline: Pipeline, ledger: Ledger, alert: Alert) -> tuple[QueuedNotice, ...]:
    """Queue one message for an alert; the outbox delivers it."""
    whose = f" of {alert.entity}" if alert.entity else ""
    title = f"[pynomaly] {pipeline.name}: {alert.severity} alert{whose}"
    return queue_messages(pipeline, ledger, "alert", alert.alert, title, "\n".join(describe_alert(alert)))


def _find_open_groups(alerts: Mapping[str, Alert], partition: Partition) -> list[AlertGroup]:
    """Return alerts that may continue in a window: not resolved, or already recorded with rows in it."""
    if partition.start is None:
        return []
    return [
        AlertGroup(item.alert, item.entity, item.first, _find_last_row(item, partition), item.causes)
        for item in alerts.values()
        if item.first is not None
        and item.first < partition.start
        and item.state != "withdrawn"
        and (item.state != "resolved" or partition.window in item.windows)
    ]


def _find_last_row(item: Alert, partition: Partition) -> datetime | None:
    """Return the time of its newest row before a window: rows of the window itself do not count."""
    rows = [datetime.fromisoformat(row) for _, row in item.row_keys if not row.startswith("row:")]
    return max((row for row in rows if partition.start is not None and row < partition.start), default=None)


def _find_withdrawn(alerts: Mapping[str, Alert], groups: Sequence[AlertGroup], window: str) -> list[str]:
    group_names = {item.name for item in groups}
    return [name for name, item in alerts.items() if window in item.windows and name not in group_names]


def _is_recent(partitions: Sequence[Partition], partition: Partition, pipeline: Pipeline) -> bool:
    """Return whether a window is recent enough to send messages; backfilled windows are not."""
    ends = [item.end for item in partitions if item.end is not None]
    return partition.end is None or max(ends) - partition.end <= pipeline.windows.monitor


def _read_rows_before(
    pipeline: Pipeline, store: Store, partitions: Sequence[Partition], place: int
) -> pd.DataFrame | None:
    """Return the rows before a window that ``grouping.needed`` counts, from as many windows as necessary."""
    settings, data = pipeline.grouping, pipeline.data
    if settings.needed <= 1 or data.time is None:
        return None
    frames: list[pd.DataFrame] = []
    for item in reversed(partitions[max(0, place - settings.of + 1) : place]):
        frame = store.read_scores(pipeline.name, [item.window], {item.window: item.sha256})
        frames.insert(0, frame)
        counts = pd.Series(read_entities(pipeline, pd.concat(frames, ignore_index=True))).value_counts()
        if len(counts) and counts.min() >= settings.of - 1:
            break
    return pd.concat(frames, ignore_index=True) if frames else None


def _explain_rows(
    run: WindowRun, partition: Partition, scores: pd.DataFrame
) -> tuple[dict[int, tuple[Carrier, ...]], str]:
    """Return the carriers of the rarest alerting rows by row position, and the reason if there are none."""
    explained_rows = choose_explained_rows(scores, run.pipeline.grouping.explained)
    if not len(explained_rows):
        return {}, ""
    places = scores["row"].to_numpy()
    try:
        ref = run.registry.find_version(run.pipeline.name, partition.version)
        bundle = run.load_bundle(ref)
        rows = run.take_alert_rows(partition.window, partition.data_hash)
        if rows is None or not set(places[explained_rows]) <= set(rows.index):
            window = Window(partition.start, partition.end) if partition.start and partition.end else None
            checked = run.read_window(window)
            if checked.data_hash != partition.data_hash:
                reason = "its rows changed since they were scored; no columns are named"
                return {}, f"{partition.window}: {reason}"
            rows = checked.check(bundle.contract).clean.reset_index(drop=True)  # the rows that were scored
        return {int(at): find_carriers(bundle, rows.loc[[places[at]]]) for at in explained_rows}, ""
    except PynomalyError as error:
        return {}, f"{partition.window}: no columns are named: {error}"
