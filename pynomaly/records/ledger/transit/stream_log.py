"""What a stream brought: how far it was read, the rows of windows that are still open, and dead letters.

A batch of messages is one transaction: its rows with their scores, its dead letters, and the positions that
follow it. So a process that dies has recorded a batch or has not, and a message that comes again is known by
its position. Reached through :attr:`pynomaly.records.ledger.Ledger.stream`; each method is one transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime

from sqlalchemy import Connection, case, delete, func, insert, select, update

from pynomaly.errors import RecordError
from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.tables import stream_entries, stream_letters, stream_positions

__all__ = [
    "MAX_LETTERS",
    "OpenWindow",
    "StreamEntry",
    "StreamLetter",
    "StreamLog",
    "StreamMovedError",
    "StreamPosition",
]

_LOG = "(log)"
"""Part of no topic, whose offset names the log."""

MAX_LETTERS = 10_000
"""Newest dead letters of a pipeline that are kept."""


class StreamMovedError(RecordError):
    """Another worker recorded messages of the same part since its position was read."""


@dataclass(frozen=True)
class StreamPosition:
    """How far a part of a topic was read.

    Attributes
    ----------
    part : str
    offset : int or None
        Newest message that is recorded; None where the broker counts none.
    newest : datetime or None
        Newest time of its rows.
    at : datetime or None
        When that was recorded.
    lag : int or None
        Messages that waited in it at the moment `measured`; None where the broker does not tell.
    """

    part: str
    offset: int | None = None
    newest: datetime | None = None
    at: datetime | None = None
    lag: int | None = None
    measured: datetime | None = None


@dataclass(frozen=True)
class StreamEntry:
    """Rows of one window that came in one batch.

    Attributes
    ----------
    content : bytes
        The rows with their scores, as :mod:`pynomaly.steps.streaming.entry_rows` writes them; empty for
        none.
    """

    window: str
    rows: int
    alerts: int
    content: bytes
    seq: int = 0


@dataclass(frozen=True)
class StreamLetter:
    """A message, or a row of it, that could not be used.

    Attributes
    ----------
    key : str
        Names it by its position or its content, so that a message read again gives no second letter.
    size : int
        Bytes of the message; `body` is the beginning of it.
    """

    key: str
    part: str
    offset: int | None
    rule: str
    reason: str
    size: int
    body: bytes = field(repr=False)
    at: datetime | None = None
    seq: int = 0


@dataclass(frozen=True)
class OpenWindow:
    """A window that is not closed: it has rows that are in no file yet, or a mark that it is open.

    Attributes
    ----------
    window : str
    rows, alerts, entries : int
    newest_alert : int
        Number of its newest entry with alerts; 0 without any.
    """

    window: str
    rows: int
    alerts: int
    entries: int
    newest_alert: int


class StreamLog:
    """The streams of every pipeline of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_positions(self, pipeline: str) -> dict[str, StreamPosition]:
        """Return how far each part was read, by its name."""
        table = stream_positions.c
        columns = [table[each.name] for each in fields(StreamPosition)]
        query = select(*columns).where(table.pipeline == pipeline, table.part != _LOG)
        rows = self._database.read_rows(query)
        return {row.part: StreamPosition(*row) for row in rows}

    def name_log(self, pipeline: str) -> str:
        """Return a name that no other ledger's log of the pipeline has: entries are numbered in each anew."""
        table = stream_positions.c
        row = {
            "pipeline": pipeline,
            "part": _LOG,
            "offset": secrets.randbits(48),
            "at": self._database.clock(),
        }
        query = select(table.offset).where(table.pipeline == pipeline, table.part == _LOG)
        if not (named := self._database.read_rows(query)):
            with self._database.begin_write() as connection:
                statement = self._database.build_insert(stream_positions).values(row)
                connection.execute(statement.on_conflict_do_nothing(index_elements=["pipeline", "part"]))
            named = self._database.read_rows(query)
        return f"{int(named[0].offset):012x}"

    def record_batch(
        self,
        pipeline: str,
        entries: Sequence[StreamEntry],
        letters: Sequence[StreamLetter],
        positions: Sequence[StreamPosition],
        before: Mapping[str, int | None],
    ) -> tuple[int, ...]:
        """Record a batch of messages; returns the number of each entry.

        Parameters
        ----------
        positions : sequence of StreamPosition
            What follows the batch, a row for each part that it has messages of.
        before : mapping of str to int or None
            The offset of each of these parts when the batch was begun.

        Raises
        ------
        StreamMovedError
            If a part was read further meanwhile, by a worker that had it before; nothing is recorded.
        RecordError
            If the database fails; nothing is recorded.
        """
        now = self._database.clock()
        with self._database.begin_write() as connection:
            for position in positions:
                self._move_position(connection, pipeline, position, before.get(position.part), now)
            numbers = []
            for entry in entries:
                row = self._build_row(pipeline, entry)
                statement = insert(stream_entries).values(row).returning(stream_entries.c.seq)
                numbers.append(int(connection.execute(statement).scalar_one()))
            for letter in letters:
                values = {key: item for key, item in asdict(letter).items() if key != "seq"}
                written = self._database.build_insert(stream_letters).values(
                    values | {"pipeline": pipeline, "at": now}
                )
                connection.execute(written.on_conflict_do_nothing(index_elements=["key"]))
        return tuple(numbers)

    def _build_row(self, pipeline: str, entry: StreamEntry) -> dict[str, object]:
        values = {key: item for key, item in asdict(entry).items() if key != "seq"}
        return values | {"pipeline": pipeline, "at": self._database.clock()}

    def _move_position(
        self,
        connection: Connection,
        pipeline: str,
        position: StreamPosition,
        before: int | None,
        now: datetime,
    ) -> None:
        table = stream_positions.c
        row = {"pipeline": pipeline, "part": position.part, "offset": None, "newest": None, "at": now}
        fresh = self._database.build_insert(stream_positions).values(row)
        connection.execute(fresh.on_conflict_do_nothing(index_elements=["pipeline", "part"]))
        same = (table.pipeline == pipeline) & (table.part == position.part)
        offset, newest = connection.execute(
            select(table.offset, table.newest).where(same).with_for_update()
        ).one()
        if offset != before:
            raise StreamMovedError(
                f"{position.part} was read up to {offset} by another worker, and up to {before} by this one"
            )
        latest = max(filter(None, (newest, position.newest)), default=None)
        changes = {"offset": position.offset, "newest": latest, "at": now}
        connection.execute(update(stream_positions).where(same).values(changes))

    def note_lag(self, pipeline: str, lag: Mapping[str, int]) -> None:
        """Note how many messages wait in each part; of parts that no message was recorded of nothing is."""
        table, now = stream_positions.c, self._database.clock()
        with self._database.begin_write() as connection:
            for part, count in lag.items():
                same = (table.pipeline == pipeline) & (table.part == part)
                connection.execute(update(stream_positions).where(same).values(lag=count, measured=now))

    # Rows of open windows

    def list_open_windows(self, pipeline: str) -> tuple[OpenWindow, ...]:
        """Return the windows that are not closed, oldest first."""
        table = stream_entries.c
        newest_alert = func.max(case((table.alerts > 0, table.seq), else_=0))
        sums = (func.sum(table.rows), func.sum(table.alerts), func.count(), newest_alert)
        query = select(table.window, *sums).where(table.pipeline == pipeline)
        rows = self._database.read_rows(query.group_by(table.window).order_by(table.window))
        return tuple(OpenWindow(name, *map(int, numbers)) for name, *numbers in rows)

    def read_entries(
        self, pipeline: str, window: str, after: int = 0, most: int = 100, *, alerting: bool = False
    ) -> tuple[StreamEntry, ...]:
        """Return the `most` first entries of an open window after one, in the order of their numbers.

        With `alerting`, only of those with alerts.
        """
        table = stream_entries.c
        columns = (table.window, table.rows, table.alerts, table.content, table.seq)
        query = select(*columns).where(table.pipeline == pipeline, table.window == window, table.seq > after)
        query = query.where(table.alerts > 0) if alerting else query
        rows = self._database.read_rows(query.order_by(table.seq).limit(most))
        return tuple(StreamEntry(*row) for row in rows)

    def add_entry(self, pipeline: str, entry: StreamEntry) -> None:
        """Add what is known by now of rows that other entries hold."""
        with self._database.begin_write() as connection:
            connection.execute(insert(stream_entries).values(self._build_row(pipeline, entry)))

    def remove_entries(
        self, pipeline: str, window: str, numbers: Iterable[int], left: StreamEntry | None = None
    ) -> int:
        """Remove entries whose rows are in the window's file; `left` takes their place, if given.

        Returns
        -------
        int
            Number of `left`; 0 without.
        """
        wanted, number = sorted(numbers), 0
        with self._database.begin_write() as connection:
            if left is not None:
                statement = insert(stream_entries).values(self._build_row(pipeline, left))
                number = int(connection.execute(statement.returning(stream_entries.c.seq)).scalar_one())
            for first in range(0, len(wanted), 500):
                connection.execute(
                    delete(stream_entries).where(
                        stream_entries.c.pipeline == pipeline,
                        stream_entries.c.window == window,
                        stream_entries.c.seq.in_(wanted[first : first + 500]),
                    )
                )
        return number

    # Dead letters

    def list_letters(
        self, pipeline: str, *, unpublished: bool = False, limit: int = 100
    ) -> tuple[StreamLetter, ...]:
        """Return dead letters: those not published yet, oldest first, or the newest of all, newest first."""
        table = stream_letters.c
        columns = [table[each.name] for each in fields(StreamLetter)]
        query = select(*columns).where(table.pipeline == pipeline)
        query = (
            query.where(table.published.is_(None)).order_by(table.seq)
            if unpublished
            else query.order_by(table.seq.desc())
        )
        return tuple(StreamLetter(*row) for row in self._database.read_rows(query.limit(limit)))

    def count_letters(self, pipeline: str) -> dict[str, int]:
        """Return how many dead letters are kept, by rule."""
        table = stream_letters.c
        query = select(table.rule, func.count()).where(table.pipeline == pipeline).group_by(table.rule)
        return {rule: int(count) for rule, count in self._database.read_rows(query)}

    def mark_published(self, pipeline: str, numbers: Sequence[int]) -> None:
        """Record that dead letters are in their topic; of those, only such as are among the newest
        :data:`MAX_LETTERS` stay."""
        table = stream_letters.c
        with self._database.begin_write() as connection:
            connection.execute(
                update(stream_letters).where(table.seq.in_(numbers)).values(published=self._database.clock())
            )
            oldest = connection.execute(
                select(table.seq)
                .where(table.pipeline == pipeline)
                .order_by(table.seq.desc())
                .offset(MAX_LETTERS)
                .limit(1)
            ).scalar()
            if oldest is not None:
                connection.execute(
                    delete(stream_letters).where(
                        table.pipeline == pipeline, table.seq <= oldest, table.published.is_not(None)
                    )
                )
