"""Hears from PostgreSQL of alerts and decisions when they are committed, so that nobody has to ask.

Who writes them announces it in the same transaction (:meth:`Database.announce`), with the first number that
is new: numbers are given before rows can be seen, so a reader may have passed one by. Reached through
:attr:`pynomaly.records.ledger.Ledger.change_listener`. Behind a pool of connections by transaction, as
PgBouncer's, a listener hears nothing: whoever listens still looks now and then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from pynomaly.records.ledger.database import CHANGES_CHANNEL, Database

__all__ = ["Announced", "ChangeListener"]


@dataclass(frozen=True)
class Announced:
    """What a transaction wrote: rows of this kind, of this number and above."""

    what: Literal["alerts", "decisions"]
    first: int


class ChangeListener:
    """Opens connections on which a ledger's database says what was committed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def hears(self) -> bool:
        """Whether the database says anything; sqlite does not."""
        return not self._database.is_sqlite

    @contextmanager
    def open(self) -> Iterator[OpenListener]:
        """Listen during the ``with`` body, on a connection of its own.

        Raises
        ------
        RecordError
            If the connection cannot be made, or breaks.
        """
        with (
            self._database.translate_errors("listen for changes"),
            self._database.open_plain_connection() as connection,
        ):
            connection.execute(f"LISTEN {CHANGES_CHANNEL}")
            yield OpenListener(connection)


class OpenListener:
    """A connection that listens."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def wait(self, seconds: float) -> tuple[Announced, ...]:
        """Return what was announced, as soon as anything is; nothing where that takes longer."""
        heard = self._connection.notifies(timeout=seconds, stop_after=1)
        return tuple(announced for item in heard if (announced := _read_payload(item.payload)))


def _read_payload(payload: str) -> Announced | None:
    """Return what a payload says; None for one that no Pynomaly wrote."""
    what, _, first = payload.partition(" ")
    if what not in ("alerts", "decisions") or not first.isdecimal():
        return None
    return Announced("alerts" if what == "alerts" else "decisions", int(first))
