"""Ledger rows about files that may be removed, and removing a row together with its file.

Reached through :attr:`pynomaly.records.ledger.Ledger.retention`, called only by
:mod:`pynomaly.steps.operations.prune`. Decisions are never removed: the database itself refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.tables import observations, partitions

__all__ = ["JudgedWindow", "RetentionRows"]


@dataclass(frozen=True)
class JudgedWindow:
    """A window that was judged, the model version, and when."""

    window: str
    version: int
    at: datetime


class RetentionRows:
    """The rows of one ledger that name files."""

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
