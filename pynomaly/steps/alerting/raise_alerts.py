"""Turns scored windows into alerts: groups their rows, explains them, records them, queues messages.

Called after scoring, and by ``reconcile`` for windows that were scored but not grouped (a process may die
between the two). A window scored again is grouped again: the same rows give the same alerts, and an alert
whose rows no longer alert is withdrawn. All events of a window are written in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.errors import PynomalyError
from pynomaly.judging.alerts.alert import Alert, Carrier, build_alert
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import AlertEvent, Answers, Ledger, Partition
from pynomaly.records.store import Store
from pynomaly.steps.alerting.alert_rows import name_rows, read_entities
from pynomaly.steps.alerting.carriers import choose_explained_rows, find_carriers
from pynomaly.steps.alerting.group_window import AlertingWindow, group_window
from pynomaly.steps.alerting.planned_times import list_planned_times
from pynomaly.steps.window_run import WindowRun, use_window_run

__all__ = ["RaisedAlerts", "raise_alerts", "raise_open_alerts", "read_alerts"]


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


def raise_alerts(
    pipeline: Pipeline, run: WindowRun | None = None, since: datetime | None = None
) -> tuple[RaisedAlerts, ...]:
    """Group every scored window that is not grouped yet, oldest first.

    With the run that scored the windows, their rows are not read again.

    Parameters
    ----------
    since : datetime, optional
        Only windows that start from then on are looked at, with what may matter to them of the time before:
        a worker that closes a window a minute does not read a year of them each time.

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
        grouped_keys = answers.list_grouped_windows(pipeline.name, since)
        partitions = ledger.list_partitions(pipeline.name, since)
        earlier = _list_partitions_before(ledger, pipeline, since) if since else ()
        partitions, first = (*earlier, *partitions), len(earlier)
        ungrouped = [
            place
            for place, item in enumerate(partitions[first:], first)
            if _grouped_key(item) not in grouped_keys
        ]
        if not ungrouped:
            return ()
        planned = list_planned_times(pipeline, [partitions[place] for place in ungrouped])
        within = None
        if since:
            ends = [item.end for item in partitions if item.end is not None]
            within = (since - _find_reach(pipeline), max(ends, default=since))
        history = _read_events(answers, pipeline.name, within)
        alerts = {name: build_alert(name, events) for name, events in history.items()}
        for place in ungrouped:
            results.append(_group_window(records, partitions, place, planned, history, alerts))
    return tuple(results)


def raise_open_alerts(
    run: WindowRun, read_windows: Callable[[], Sequence[AlertingWindow]]
) -> tuple[RaisedAlerts, ...]:
    """Group windows whose rows still come; what opens now is the alert that the closed window will have.

    Only alerts of the time that may matter are read: as far back as a false alarm mutes others.

    Parameters
    ----------
    read_windows : callable
        Returns windows, oldest first, with what alerts of them so far; called while nobody else groups any.

    Raises
    ------
    LeaseHeldError
        If alerts of the pipeline are being grouped.
    RecordError, SourceError, ConfigError
        As :func:`raise_alerts`.
    """
    pipeline, store, ledger = run.pipeline, Store(run.pipeline.store_root), run.ledger
    results = []
    with ledger.hold_lease(f"alerts:{pipeline.name}"):
        windows = read_windows()
        spans = [window for item in windows if (window := Window.of_key(item.key)) is not None]
        if not spans:
            return ()
        start = min(item.start for item in spans)
        within = (start - _find_reach(pipeline), max(item.end for item in spans))
        history = _read_events(ledger.answers, pipeline.name, within)
        alerts = {name: build_alert(name, events) for name, events in history.items()}
        muted = run.ledger.alert_states.list_muted(pipeline.name, start)
        alerts = {item.alert: item for item in muted} | alerts
        planned = list_planned_times(pipeline, spans)
        earlier = _list_partitions_before(ledger, pipeline, start)
        for item in windows:
            before = _read_rows_before(pipeline, store, earlier, len(earlier))
            counts = group_window(run, replace(item, before=before), planned, history, alerts)
            results.append(RaisedAlerts(window=item.key, note="", **counts))
    return tuple(results)


def _find_reach(pipeline: Pipeline) -> timedelta:
    """Return how long before a window alerts may matter to it."""
    settings = pipeline.grouping
    return max(settings.mute, settings.flapping_within, settings.gap) + pipeline.windows.score


def _list_partitions_before(ledger: Ledger, pipeline: Pipeline, moment: datetime) -> tuple[Partition, ...]:
    """Return the windows before a moment whose rows ``grouping.needed`` may count, oldest first."""
    settings = pipeline.grouping
    if settings.needed <= 1:
        return ()
    return ledger.list_partitions(pipeline.name, end=moment, last=settings.of - 1)


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
    store = Store(pipeline.store_root)
    scores = store.read_scores(pipeline.name, [partition.window], {partition.window: partition.sha256})
    row_carriers, reason = _explain_rows(run, partition, scores)
    window = AlertingWindow(
        partition.window,
        partition.start,
        f"{partition.window}:{partition.scored_at.isoformat()}",
        scores,
        row_carriers,
        _read_rows_before(pipeline, store, partitions, place),
    )
    mark = AlertEvent(_grouped_key(partition), pipeline.name, "", "grouped", partition.window)
    counts = group_window(
        run,
        window,
        planned,
        history,
        alerts,
        announce=_is_recent(partitions, partition, pipeline),
        mark=mark,
    )
    return RaisedAlerts(window=partition.window, note=reason, **counts)


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
    rows = run.take_alert_rows(partition.window, partition.data_hash)  # of windows without alerts, too:
    known = run.take_carriers(partition.window)  # a worker that runs for a year closes many
    explained_rows = choose_explained_rows(scores, run.pipeline.grouping.explained)
    if not len(explained_rows):
        return {}, ""
    carriers: dict[int, tuple[Carrier, ...]] = {}
    if known:
        names = name_rows(run.pipeline, scores.iloc[explained_rows])
        carriers = {
            row: known[name]
            for row, name in zip(explained_rows.tolist(), names, strict=True)
            if name in known
        }
        explained_rows = np.array([row for row in explained_rows if row not in carriers], dtype=np.int64)
        if not len(explained_rows):
            return carriers, ""
    places = scores["row"].to_numpy()
    try:
        bundle = _load_bundle(run, partition.version)
        if rows is None or not set(places[explained_rows]) <= set(rows.index):
            window = Window(partition.start, partition.end) if partition.start and partition.end else None
            checked = run.read_window(window)
            if checked.data_hash != partition.data_hash:
                reason = "its rows changed since they were scored; no columns are named"
                return {}, f"{partition.window}: {reason}"
            rows = checked.check(bundle.contract).clean.reset_index(drop=True)  # the rows that were scored
        versions = scores["model_version"].to_numpy()  # of a stream there may be several
        for version in np.unique(versions[explained_rows]).tolist():
            own = explained_rows[versions[explained_rows] == version]
            named = find_carriers(_load_bundle(run, int(version)), rows.loc[places[own]])
            carriers |= dict(zip(own.tolist(), named, strict=True))
        return carriers, ""
    except PynomalyError as error:
        return {}, f"{partition.window}: no columns are named: {error}"


def _load_bundle(run: WindowRun, version: int) -> Bundle:
    return run.load_bundle(run.registry.find_version(run.pipeline.name, version))
