"""What one channel (scores, alerts or decisions, for one sink) has yet to hand over, part by part.

A channel is opened by the first run after the sink is in the settings, and begins then: ``since`` of the sink
may reach back further. Called by :mod:`pynomaly.steps.delivery.deliverer`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pandas as pd

from pynomaly.config import Pipeline, Sink
from pynomaly.records.ledger import Channel, Deliveries, DeliveryState, Partition
from pynomaly.records.sinks import SINKS, Part
from pynomaly.records.store import Store
from pynomaly.steps.delivery.rows import list_alert_rows, list_decision_rows, list_score_rows

__all__ = [
    "count_due",
    "iterate_due_parts",
    "mark_delivered",
    "open_channel",
    "read_window_rows",
]


def open_channel(deliveries: Deliveries, channel: Channel, sink: Sink) -> DeliveryState:
    """Return the cursor of a channel; where ``since`` was changed, it goes back there.

    What was delivered before is delivered again then, which changes nothing at the receiver.
    """
    cursor = deliveries.find_state(channel)
    if cursor is not None and (cursor.content == sink.since or sink.since == "now"):
        return cursor
    begun = cursor.begun if cursor else deliveries.now
    position = 0
    if channel.what != "scores" and sink.since != "all":
        since = begun if sink.since == "now" else datetime.fromisoformat(sink.since)
        position = deliveries.find_seq_before(channel.what, channel.pipeline, since)
    opened = DeliveryState(
        channel.pipeline,
        channel.sink,
        channel.what,
        subject="",
        begun=begun,
        content=sink.since,
        position=min(position, cursor.position) if cursor else position,
    )
    return deliveries.put_state(opened)


def list_due_windows(deliveries: Deliveries, cursor: DeliveryState) -> tuple[Partition, ...]:
    """Return the windows that are due; see :meth:`Deliveries.list_due_windows`."""
    since = {"now": cursor.begun, "all": None}.get(cursor.content, datetime.min)
    if since == datetime.min:
        since = min(cursor.begun, datetime.fromisoformat(cursor.content))
    return deliveries.list_due_windows(_channel_of(cursor), since)


def count_due(deliveries: Deliveries, cursor: DeliveryState) -> int:
    """Return the number of windows, events or decisions that the channel has yet to hand over."""
    if cursor.what == "scores":
        return len(list_due_windows(deliveries, cursor))
    return deliveries.count_due(_channel_of(cursor), cursor.position)


def iterate_due_parts(
    pipeline: Pipeline, sink: Sink, deliveries: Deliveries, store: Store, cursor: DeliveryState
) -> Iterator[Part]:
    """Yield what is due in parts of at most ``batch`` rows, the oldest first; a window without rows too.

    Raises
    ------
    RecordError
        If scores are missing.
    IntegrityError
        If they do not match their recorded hash.
    """
    if cursor.what == "scores":
        for partition in list_due_windows(deliveries, cursor):
            yield from _split_window(pipeline, sink, deliveries, store, cursor, partition)
        return
    last = deliveries.find_last_seq(cursor.what)
    position = cursor.position
    while position < last:
        rows = _read_rows(deliveries, cursor, position, last, sink.batch)
        if rows is None:
            return
        position = int(rows["seq"].iloc[-1])
        subject = f"{rows['seq'].iloc[0]}-{position}"
        yield Part(pipeline.name, cursor.what, subject, "", rows, 0, len(rows))


def _read_rows(
    deliveries: Deliveries, cursor: DeliveryState, position: int, last: int, limit: int
) -> pd.DataFrame | None:
    if cursor.what == "decisions":
        decisions = deliveries.list_decisions(cursor.pipeline, position, last, limit)
        return list_decision_rows(decisions) if decisions else None
    events = deliveries.list_alert_events(cursor.pipeline, position, last, limit)
    if not events:
        return None
    history = deliveries.list_alert_history(cursor.pipeline, sorted({event.alert for _, event in events}))
    return list_alert_rows(events, history)


def _split_window(
    pipeline: Pipeline,
    sink: Sink,
    deliveries: Deliveries,
    store: Store,
    cursor: DeliveryState,
    partition: Partition,
) -> Iterator[Part]:
    rows = read_window_rows(pipeline, sink, store, partition)
    state = deliveries.find_state(_channel_of(cursor), partition.window)
    first = state.position if state and state.content == partition.sha256 else 0
    size = len(rows) if SINKS[sink.kind].takes_windows_whole else sink.batch
    total = len(rows)
    for place in range(min(first, total), total, max(size, 1)) if total else (0,):
        part = rows.iloc[place : place + size].reset_index(drop=True)
        yield Part(pipeline.name, cursor.what, partition.window, partition.sha256, part, place, total)


def read_window_rows(pipeline: Pipeline, sink: Sink, store: Store, partition: Partition) -> pd.DataFrame:
    """Return the scores of a window as rows for a sink."""
    expected = {partition.window: partition.sha256}
    rows = list_score_rows(
        pipeline, partition.window, store.read_scores(pipeline.name, [partition.window], expected)
    )
    return rows[rows["is_anomaly"]].reset_index(drop=True) if sink.only_alerts else rows


def mark_delivered(deliveries: Deliveries, cursor: DeliveryState, part: Part) -> DeliveryState:
    """Write down that a part is delivered, or is a dead letter; returns the cursor as it is then."""
    now = deliveries.now
    if cursor.what == "scores":
        deliveries.put_state(
            DeliveryState(
                cursor.pipeline,
                cursor.sink,
                cursor.what,
                part.subject,
                begun=now,
                content=part.revision,
                position=part.first + len(part.rows),
                delivered=now if part.is_last else None,
            )
        )
    position = cursor.position if cursor.what == "scores" else int(part.rows["seq"].iloc[-1])
    return deliveries.put_state(
        replace(
            cursor,
            position=position,
            attempts=0,
            error="",
            failing_since=None,
            retry_at=None,
            delivered=now,
        )
    )


def _channel_of(cursor: DeliveryState) -> Channel:
    return Channel(cursor.pipeline, cursor.sink, cursor.what)
