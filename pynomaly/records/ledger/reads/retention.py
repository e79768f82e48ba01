"""Ledger rows that may be removed: those about files, each together with its file, and dead letters.

Reached through :attr:`pynomaly.records.ledger.Ledger.retention`, called only by
:mod:`pynomaly.steps.operations.prune`. Decisions are never removed: the database itself refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import String, delete, func, select, type_coerce

from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.tables import observations, partitions, stream_letters

__all__ = ["JudgedWindow", "LetterDay", "RetentionRows"]


@dataclass(frozen=True)
class JudgedWindow:
    """A window that was judged, the model version, and when."""

    window: str
    version: int
    at: datetime


@dataclass(frozen=True)
class LetterDay:
    """Dead letters of a stream that came on one day: the day, when the newest came, their bytes."""

    day: str
    at: datetime
    size: int


class RetentionRows:
    """The rows of one ledger that may be removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_judged_windows(self, pipeline: str) -> tuple[JudgedWindow, ...]:
        """Return every window that was judged, without its observation."""
        table = observations.c
        query = select(table.window, table.version, table.at).where(table.pipeline == pipeline)
        return tuple(JudgedWindow(*row) for row in self._database.read_rows(query))

    def drop_partition(self, pipeline: str, window: str, sha256: str) -> bool:
        """Remove the row of a scored window unless it was scored again; returns whether its file may go."""
        same_window = (partitions.c.pipeline == pipeline) & (partitions.c.window == window)
        with self._database.begin_write() as connection:
            connection.execute(delete(partitions).where(same_window & (partitions.c.sha256 == sha256)))
            return connection.execute(select(partitions.c.window).where(same_window)).first() is None

    def list_letter_days(self, pipeline: str) -> tuple[LetterDay, ...]:
        """Return the days of the dead letters of a stream, oldest first."""
        table = stream_letters.c
        day, size = func.substr(type_coerce(table.at, String), 1, 10), func.sum(func.length(table.body))
        query = select(day, func.max(table.at), size).where(table.pipeline == pipeline)
        rows = self._database.read_rows(query.group_by(day).order_by(day))
        return tuple(LetterDay(name, at, int(size)) for name, at, size in rows)

    def drop_letters(self, pipeline: str, day: str) -> None:
        """Remove the dead letters of a stream that came on a day."""
        table = stream_letters.c
        same_day = func.substr(type_coerce(table.at, String), 1, 10) == day
        with self._database.begin_write() as connection:
            connection.execute(delete(stream_letters).where(table.pipeline == pipeline, same_day))
