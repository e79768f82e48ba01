"""What one channel (scores, alerts or decisions, for one sink) has yet to hand over, part by part.

A channel is opened by the first run after the sink is in the settings, and begins then: ``since`` of the sink
may reach back further. Called by :mod:`pynomaly.steps.delivery.deliverer`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import pandas as pd

from pynomaly.config import Pipeline, Sink
from pynomaly.errors import IntegrityError, PynomalyError, RecordError
from pynomaly.records.ledger import Channel, Deliveries, DeliveryState, Partition
from pynomaly.records.sinks import SINKS, Part
from pynomaly.records.sinks.content.cells import hash_record, list_records
from pynomaly.records.store import Store
from pynomaly.steps.delivery.rows import list_alert_rows, list_decision_rows, list_score_rows

__all__ = [
    "DueParts",
    "add_live_rows",
    "choose_rows",
    "count_due",
    "list_due_windows",
    "mark_delivered",
    "open_channel",
    "read_window_rows",
]


_LIVE = "live:"
_MODULUS = 1 << 128


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
    return deliveries.list_due_windows(_channel_of(cursor), _find_since(cursor))


def count_due(deliveries: Deliveries, cursor: DeliveryState) -> int:
    """Return the number of windows, events or decisions that the channel has yet to hand over."""
    if cursor.what == "scores":
        return deliveries.count_due_windows(_channel_of(cursor), _find_since(cursor))
    return deliveries.count_due(_channel_of(cursor), cursor.position)


def _find_since(cursor: DeliveryState) -> datetime | None:
    """Return the moment from which on windows are due; None for all."""
    if cursor.content == "all":
        return None
    return (
        cursor.begun if cursor.content == "now" else min(cursor.begun, datetime.fromisoformat(cursor.content))
    )


class DueParts:
    """What a channel has yet to hand over, in parts of at most ``batch`` rows.

    Parameters
    ----------
    pipeline : Pipeline
    sink : Sink
    deliveries : Deliveries
    store : Store
    note_unreadable : callable
        Is given the error of a window whose scores are gone or are not those on record: it is left out.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        sink: Sink,
        deliveries: Deliveries,
        store: Store,
        note_unreadable: Callable[[PynomalyError], None],
    ) -> None:
        self._pipeline, self._sink = pipeline, sink
        self._deliveries, self._store, self._note_unreadable = deliveries, store, note_unreadable

    def iterate(self, cursor: DeliveryState) -> Iterator[Part]:
        """Yield the parts, the oldest first; a window without rows is a part, too.

        Raises
        ------
        RecordError
            If the ledger or the store fails.
        """
        if cursor.what == "scores":
            for partition in list_due_windows(self._deliveries, cursor):
                yield from self._split_window(cursor, partition)
            return
        last, position = self._deliveries.find_last_seq(cursor.what), cursor.position
        while position < last:
            rows = _read_rows(self._deliveries, cursor, position, last, self._sink.batch)
            if rows is None:
                return
            position = int(rows["seq"].iloc[-1])
            subject = f"{rows['seq'].iloc[0]}-{position}"
            yield Part(cursor.pipeline, cursor.what, subject, "", rows, 0, len(rows))

    def _split_window(self, cursor: DeliveryState, partition: Partition) -> Iterator[Part]:
        try:
            rows = read_window_rows(self._pipeline, self._sink, self._store, partition)
        except (IntegrityError, RecordError) as error:
            if isinstance(error, RecordError) and not isinstance(error.__cause__, FileNotFoundError):
                raise
            self._note_unreadable(error)
            return
        state = self._deliveries.find_state(_channel_of(cursor), partition.window)
        is_live = state is not None and state.content.startswith(_LIVE) and len(rows) == state.position
        if state is not None and is_live and state.content == _spell_sum(_sum_rows(rows)):
            # All of them were handed over while the window was open.
            now = self._deliveries.now
            self._deliveries.put_state(replace(state, content=partition.sha256, delivered=now))
            return
        total = len(rows)
        size = total if SINKS[self._sink.kind].takes_windows_whole else self._sink.batch
        first = state.position if state and state.content == partition.sha256 else 0
        first = first if first < total else 0  # the sink was given other rows of it: `only_alerts` changed
        for place in range(first, total, max(size, 1)) if total else (0,):
            part = rows.iloc[place : place + size].reset_index(drop=True)
            yield Part(cursor.pipeline, cursor.what, partition.window, partition.sha256, part, place, total)


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


def read_window_rows(pipeline: Pipeline, sink: Sink, store: Store, partition: Partition) -> pd.DataFrame:
    """Return the scores of a window as rows for a sink."""
    expected = {partition.window: partition.sha256}
    rows = list_score_rows(
        pipeline, partition.window, store.read_scores(pipeline.name, [partition.window], expected)
    )
    return choose_rows(sink, rows)


def choose_rows(sink: Sink, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the scores that a sink receives: all, or those that alert."""
    return rows[rows["is_anomaly"]].reset_index(drop=True) if sink.only_alerts else rows


def add_live_rows(deliveries: Deliveries, channel: Channel, window: str, rows: pd.DataFrame) -> None:
    """Write down that rows of a window that is still open were handed over.

    Kept is the number of rows and the sum of their hashes, whatever the order: when the window closes and its
    rows come to the same, there is nothing left to send.
    """
    state = deliveries.find_state(channel, window)
    is_live = state is not None and state.content.startswith(_LIVE)
    before = int(state.content.removeprefix(_LIVE), 16) if state is not None and is_live else 0
    deliveries.put_state(
        DeliveryState(
            channel.pipeline,
            channel.sink,
            channel.what,
            window,
            begun=deliveries.now,
            content=_spell_sum((before + _sum_rows(rows)) % _MODULUS),
            position=(state.position if state is not None and is_live else 0) + len(rows),
        )
    )


def _sum_rows(rows: pd.DataFrame) -> int:
    return sum(int.from_bytes(hash_record(record), "big") for record in list_records(rows)) % _MODULUS


def _spell_sum(number: int) -> str:
    return f"{_LIVE}{number:x}"


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
