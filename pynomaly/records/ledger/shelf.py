"""What lies in the ledger about files that may be removed, and how a row goes together with its file.

Reached through :attr:`pynomaly.records.ledger.Ledger.shelf`, called by :mod:`pynomaly.steps.prune` alone.
Decisions are not among it: the database itself refuses to remove one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import SQLAlchemyError

from pynomaly.errors import RecordError
from pynomaly.records.ledger.tables import observations, partitions

__all__ = ["Shelf", "Watched"]


@dataclass(frozen=True)
class Watched:
    """Which window was judged under which version, and when."""

    window: str
    version: int
    at: datetime


class Shelf:
    """Rows of one ledger that name files."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def watched(self, pipeline: str) -> tuple[Watched, ...]:
        """Every window that was judged, without what was seen in it."""
        table = observations.c
        query = select(table.window, table.version, table.at).where(table.pipeline == pipeline)
        try:
            with self._engine.connect() as connection:
                return tuple(Watched(*row) for row in connection.execute(query))
        except SQLAlchemyError as error:
            raise RecordError(f"the ledger could not list what was judged: {error}") from error

    def drop_partition(self, pipeline: str, window: str, sha256: str) -> bool:
        """Forget a scored window, unless it was scored again since; whether its file may go."""
        mine = (partitions.c.pipeline == pipeline) & (partitions.c.window == window)
        try:
            with (
                self._engine.connect().execution_options(writing=True) as connection,
                connection.begin(),
            ):
                connection.execute(delete(partitions).where(mine & (partitions.c.sha256 == sha256)))
                return connection.execute(select(partitions.c.window).where(mine)).first() is None
        except SQLAlchemyError as error:
            raise RecordError(f"the ledger could not forget the window {window}: {error}") from error
