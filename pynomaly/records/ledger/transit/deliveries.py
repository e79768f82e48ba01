"""What each sink has received of scores, alerts and decisions, and what it has yet to receive.

A *channel* is one of the three for one sink of one pipeline. Its cursor row says how far it has come and why
it waits; scores have one row more for each window, dead letters one each. A row is written after the receiver
has what it says, so a process that dies in between delivers that again. Reached through
:attr:`pynomaly.records.ledger.Ledger.deliveries`; each method is one short transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, delete, func, select, text

from pynomaly.records.ledger.alerts.answers import AlertEvent
from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.rows import Decision, Partition, as_decision, as_partition
from pynomaly.records.ledger.tables import alert_events, decisions, deliveries, partitions

__all__ = ["CURSOR", "DEAD_PREFIX", "Channel", "Deliveries", "DeliveryState"]

CURSOR = ""
"""Subject of the row that says how far a channel has come."""

DEAD_PREFIX = "dead:"
"""Subjects of dead letters begin like this; those of windows are their keys."""


@dataclass(frozen=True)
class Channel:
    """One of scores, alerts and decisions, for one sink of one pipeline."""

    pipeline: str
    sink: str
    what: str


@dataclass(frozen=True)
class DeliveryState:
    """One row of a channel: its cursor, a window, or a dead letter.

    Attributes
    ----------
    subject : str
        :data:`CURSOR`, the key of a window, or :data:`DEAD_PREFIX` and a name.
    content : str
        Of the cursor: ``since`` as set when the channel was opened. Of a window: SHA-256 of its scores.
    position : int
        Of the cursor: last position in the ledger that was handed over. Of a window and of a dead letter: its
        rows that were.
    attempts : int
        Of the cursor: tries of the part that waits, so far.
    error : str
        Why the last try failed; never contains an address.
    dead : str
        Of a dead letter: its file in the store. "" for others.
    begun : datetime
        Of the cursor: when the channel was opened; what was written down before is not delivered.
    failing_since, retry_at : datetime or None
        Of the cursor: the first failure of the part that waits, and when to try next.
    delivered : datetime or None
        When the receiver had all of it; of the cursor the last success.
    """

    pipeline: str
    sink: str
    what: str
    subject: str
    begun: datetime
    content: str = ""
    position: int = 0
    attempts: int = 0
    error: str = ""
    dead: str = ""
    failing_since: datetime | None = None
    retry_at: datetime | None = None
    delivered: datetime | None = None


class Deliveries:
    """Delivery states of every pipeline of a ledger, and the rows that are still to be delivered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def now(self) -> datetime:
        """The time that rows are stamped with."""
        return self._database.clock()

    # States

    def find_state(self, channel: Channel, subject: str = CURSOR) -> DeliveryState | None:
        """Return a row of a channel, or None."""
        query = select(deliveries).where(_is_of(channel), deliveries.c.subject == subject)
        rows = self._database.read_rows(query)
        return DeliveryState(**rows[0]._mapping) if rows else None

    def put_state(self, state: DeliveryState) -> DeliveryState:
        """Write a row, or replace it."""
        self._database.upsert_row(deliveries, asdict(state), ("pipeline", "sink", "what", "subject"))
        return state

    def remove_state(self, state: DeliveryState) -> None:
        """Remove a row, such as a dead letter that was delivered after all."""
        same = _is_of(Channel(state.pipeline, state.sink, state.what)) & (
            deliveries.c.subject == state.subject
        )
        with self._database.begin_write() as connection:
            connection.execute(delete(deliveries).where(same))

    def list_states(self, pipeline: str, *, dead: bool) -> tuple[DeliveryState, ...]:
        """Return the cursors of all channels of a pipeline, or its dead letters, oldest first."""
        is_dead = deliveries.c.subject.startswith(DEAD_PREFIX)
        query = select(deliveries).where(
            deliveries.c.pipeline == pipeline, is_dead if dead else deliveries.c.subject == CURSOR
        )
        query = query.order_by(deliveries.c.sink, deliveries.c.what, deliveries.c.begun, deliveries.c.subject)
        return tuple(DeliveryState(**row._mapping) for row in self._database.read_rows(query))

    # What is due

    def list_due_windows(self, channel: Channel, since: datetime | None) -> tuple[Partition, ...]:
        """Return the scored windows that the channel has not received as they are now, oldest first.

        Parameters
        ----------
        channel : Channel
        since : datetime or None
            Windows scored before, and that start before, are not due; None: all are.
        """
        query = _select_due_windows(channel, since, partitions)
        rows = self._database.read_rows(query.order_by(partitions.c.start, partitions.c.scored_at))
        return tuple(map(as_partition, rows))

    def count_due_windows(self, channel: Channel, since: datetime | None) -> int:
        """Return the number of windows that :meth:`list_due_windows` returns."""
        return int(self._database.read_rows(_select_due_windows(channel, since, func.count()))[0][0])

    def find_last_seq(self, what: str) -> int:
        """Return the largest position in the table of `what` below which no row can appear any more.

        PostgreSQL gives numbers before rows are visible: a reader that passed a row still being written would
        never come back to it. So this waits for those that write at this moment.
        """
        table = _table_of(what)
        if self._database.is_sqlite:
            rows = self._database.read_rows(select(func.max(table.c.seq)))
            return int(rows[0][0] or 0)
        with self._database.begin_write() as connection:
            connection.execute(text(f"LOCK TABLE {table.name} IN SHARE MODE"))
            return int(connection.execute(select(func.max(table.c.seq))).scalar() or 0)

    def count_due(self, channel: Channel, after: int) -> int:
        """Return the number of events or decisions after a position."""
        table = _table_of(channel.what)
        query = select(func.count()).select_from(table).where(_is_due(table, channel.pipeline, after))
        return int(self._database.read_rows(query)[0][0])

    def list_alert_events(
        self, pipeline: str, after: int, last: int, limit: int
    ) -> list[tuple[int, AlertEvent]]:
        """Return at most `limit` events of alerts, with positions in ``(after, last]``, oldest first."""
        query = select(alert_events).where(_is_due(alert_events, pipeline, after), alert_events.c.seq <= last)
        return [
            (row.seq, AlertEvent(**{name: item for name, item in row._mapping.items() if name != "seq"}))
            for row in self._database.read_rows(query.order_by(alert_events.c.seq).limit(limit))
        ]

    def list_alert_history(self, pipeline: str, alerts: Sequence[str]) -> list[tuple[int, AlertEvent]]:
        """Return all events of some alerts with their positions, oldest first."""
        query = select(alert_events).where(
            alert_events.c.pipeline == pipeline, alert_events.c.alert.in_(alerts)
        )
        return [
            (row.seq, AlertEvent(**{name: item for name, item in row._mapping.items() if name != "seq"}))
            for row in self._database.read_rows(query.order_by(alert_events.c.seq))
        ]

    def list_decisions(self, pipeline: str, after: int, last: int, limit: int) -> list[Decision]:
        """Return decisions with positions in ``(after, last]``, oldest first, at most `limit`."""
        query = select(decisions).where(_is_due(decisions, pipeline, after), decisions.c.seq <= last)
        return list(map(as_decision, self._database.read_rows(query.order_by(decisions.c.seq).limit(limit))))

    def find_seq_before(self, what: str, pipeline: str, since: datetime) -> int:
        """Return the position after which everything was written down at `since` or later."""
        table = _table_of(what)
        query = select(func.min(table.c.seq)).where(table.c.pipeline == pipeline, table.c.at >= since)
        first = self._database.read_rows(query)[0][0]
        return int(first) - 1 if first is not None else self.find_last_seq(what)


def _select_due_windows(channel: Channel, since: datetime | None, what: Any) -> Select[Any]:
    """Return the query of `what` (columns or a count) over the windows that are due."""
    received = (
        (deliveries.c.pipeline == partitions.c.pipeline)
        & (deliveries.c.subject == partitions.c.window)
        & (deliveries.c.sink == channel.sink)
        & (deliveries.c.what == channel.what)
        & (deliveries.c.content == partitions.c.sha256)
        & deliveries.c.delivered.is_not(None)
    )
    query = select(what).select_from(partitions.outerjoin(deliveries, received))
    query = query.where(partitions.c.pipeline == channel.pipeline, deliveries.c.subject.is_(None))
    if since is not None:
        query = query.where((partitions.c.scored_at >= since) | (partitions.c.start >= since))
    return query


def _table_of(what: str) -> Table:
    return {"alerts": alert_events, "decisions": decisions}[what]


def _is_of(channel: Channel) -> ColumnElement[bool]:
    table = deliveries.c
    return (table.pipeline == channel.pipeline) & (table.sink == channel.sink) & (table.what == channel.what)


def _is_due(table: Table, pipeline: str, after: int) -> ColumnElement[bool]:
    due = (table.c.pipeline == pipeline) & (table.c.seq > after)
    return due & (table.c.alert != "") if table is alert_events else due
