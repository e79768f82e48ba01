"""Accounts: the state of bets against a promise after each window. Rows are only added, never changed.

An entry has a key that identifies it by its content, and the first row with a key stays: a window judged
again, also by a process that was killed, leaves one entry, and the bets go on from there. Reached through
:attr:`pynomaly.records.ledger.Ledger.accounts`; each method is one short transaction. Entries are some
hundred bytes and are never removed, because the newest one stands on all before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.rows import to_json
from pynomaly.records.ledger.tables import account_entries

__all__ = ["AccountEntry", "Accounts"]


@dataclass(frozen=True)
class AccountEntry:
    """The state of one guarantee of an account after a window.

    Attributes
    ----------
    account : str
        Whose account: a champion's, from one promotion to the next, or that of a month's alerts.
    guarantee : str
        What is promised.
    window : str
        Key of the window.
    content : mapping
        The state after it, as plain values.
    """

    pipeline: str
    account: str
    guarantee: str
    window: str
    content: Mapping[str, Any]
    at: datetime | None = None

    @property
    def key(self) -> str:
        """Identifies the entry."""
        return f"{self.pipeline}:{self.account}:{self.guarantee}:{self.window}"


class Accounts:
    """The entries of all accounts of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_entry(self, entry: AccountEntry) -> AccountEntry:
        """Write an entry unless its key exists already; return the one that the ledger holds."""
        table = account_entries
        row = asdict(replace(entry, at=entry.at or self._database.clock(), content=to_json(entry.content)))
        with self._database.begin_write() as connection:
            statement = self._database.build_insert(table).values(row | {"key": entry.key})
            connection.execute(statement.on_conflict_do_nothing(index_elements=["key"]))
            return _as_entry(connection.execute(select(table).where(table.c.key == entry.key)).one())

    def find_newest(self, pipeline: str, account: str, guarantee: str) -> AccountEntry | None:
        """Return the entry that was written last, or None."""
        table = account_entries.c
        same = (table.pipeline == pipeline) & (table.account == account) & (table.guarantee == guarantee)
        query = select(account_entries).where(same).order_by(table.seq.desc()).limit(1)
        return next(map(_as_entry, self._database.read_rows(query)), None)

    def list_entries(self, pipeline: str, account: str, guarantee: str) -> tuple[AccountEntry, ...]:
        """Return all entries of a guarantee of an account, oldest first."""
        table = account_entries.c
        same = (table.pipeline == pipeline) & (table.account == account) & (table.guarantee == guarantee)
        query = select(account_entries).where(same).order_by(table.seq)
        return tuple(map(_as_entry, self._database.read_rows(query)))

    def find_entry(self, pipeline: str, account: str, guarantee: str, window: str) -> AccountEntry | None:
        """Return the entry of a window, or None."""
        key = AccountEntry(pipeline, account, guarantee, window, {}).key
        query = select(account_entries).where(account_entries.c.key == key)
        return next(map(_as_entry, self._database.read_rows(query)), None)


def _as_entry(row: Row[Any]) -> AccountEntry:
    return AccountEntry(**{name: value for name, value in row._mapping.items() if name not in ("seq", "key")})
