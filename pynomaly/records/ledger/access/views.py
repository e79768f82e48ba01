"""Views of the inbox that people saved by name: the filters of an address, each person's own.

Reached through :attr:`pynomaly.records.ledger.Access.views`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from pynomaly.errors import ConfigError
from pynomaly.records.ledger.access.tables import saved_views
from pynomaly.records.ledger.database import Database

__all__ = ["SavedView", "SavedViews"]

_MOST = 100


@dataclass(frozen=True)
class SavedView:
    """A view: its name, and the query of its address."""

    name: str
    query: str
    saved: datetime


class SavedViews:
    """The saved views of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_views(self, owner: str) -> tuple[SavedView, ...]:
        """Return the views of a person, by name."""
        c = saved_views.c
        query = select(c.name, c.query, c.saved).where(c.owner == owner).order_by(c.name)
        return tuple(SavedView(*row) for row in self._database.read_rows(query))

    def save_view(self, owner: str, name: str, query: str) -> SavedView:
        """Save a view; it takes the place of one of the same name.

        Raises
        ------
        ConfigError
            If the person has a hundred already.
        """
        c = saved_views.c
        view = SavedView(name, query, self._database.clock())
        row = {**vars(view), "owner": owner}
        statement = self._database.build_insert(saved_views).values(row)
        others = select(func.count()).select_from(saved_views).where(c.owner == owner, c.name != name)
        with self._database.begin_write() as connection:
            if (connection.execute(others).scalar() or 0) >= _MOST:
                raise ConfigError(f"{_MOST} views are saved already; delete one of them first")
            updates = {"query": query, "saved": view.saved}
            connection.execute(
                statement.on_conflict_do_update(index_elements=["owner", "name"], set_=updates)
            )
        return view

    def delete_view(self, owner: str, name: str) -> bool:
        """Delete a view; returns whether there was one."""
        c = saved_views.c
        with self._database.begin_write() as connection:
            result = connection.execute(delete(saved_views).where(c.owner == owner, c.name == name))
        return bool(result.rowcount)
