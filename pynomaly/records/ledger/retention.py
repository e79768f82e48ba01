"""Ledger rows about files that may be removed, and removing a row together with its file.

Reached through :attr:`pynomaly.records.ledger.Ledger.retention`, called only by
:mod:`pynomaly.steps.operations.prune`. Decisions are never removed: the database itself refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import SQLAlchemyError

from pynomaly.errors import RecordError
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

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list_judged_windows(self, pipeline: str) -> tuple[JudgedWindow, ...]:
        """Return every window that was judged, without its observation."""
        table = observations.c
        query = select(table.window, table.version, table.at).where(table.pipeline == pipeline)
        try:
            with self._engine.connect() as connection:
                return tuple(JudgedWindow(*row) for row in connection.execute(query))
        except SQLAlchemyError as error:
            raise RecordError(f"the ledger could not list what was judged: {error}") from error

    def drop_partition(self, pipeline: str, window: str, sha256: str) -> bool:
        """Remove the row of a scored window unless it was scored again; returns whether its file may go."""
        same_window = (partitions.c.pipeline == pipeline) & (partitions.c.window == window)
        try:
            with (
                self._engine.connect().execution_options(writing=True) as connection,
                connection.begin(),
            ):
                connection.execute(delete(partitions).where(same_window & (partitions.c.sha256 == sha256)))
                return connection.execute(select(partitions.c.window).where(same_window)).first() is None
        except SQLAlchemyError as error:
            raise RecordError(f"the ledger could not forget the window {window}: {error}") from error
