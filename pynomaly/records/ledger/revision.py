"""Inspect a database without changing it: the revision of its tables, and its clock.

Also for the databases of MLflow and Prefect, which store their revisions the same way (Alembic's). A database
that does not exist is not created. Called by ``pynomaly doctor``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, column, create_engine, inspect, select, text
from sqlalchemy import table as table_of
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from pynomaly.errors import RecordError

__all__ = ["DatabaseState", "find_newest_revision", "inspect_database"]

_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class DatabaseState:
    """Revision and clock of a database.

    Attributes
    ----------
    revision : str
        Empty if it has no such tables yet, or does not exist.
    clock : datetime or None
        Time of the server, aware; None for a file, which has no clock of its own.
    """

    revision: str
    clock: datetime | None


def inspect_database(url: str, table: str = "alembic_version") -> DatabaseState:
    """Return the revision that `table` holds, and the clock of the server.

    Raises
    ------
    RecordError
        If the database cannot be reached; the error text has no password.
    """
    with _open_existing(url) as connection:
        if connection is None:
            return DatabaseState("", None)
        has_table = inspect(connection).has_table(table)
        query: Any = select(column("version_num")).select_from(table_of(table))
        revision = connection.execute(query).scalar() if has_table else ""
        clock = None
        if connection.dialect.name == "postgresql":
            clock = connection.execute(text("SELECT clock_timestamp()")).scalar_one().astimezone(UTC)
        return DatabaseState(str(revision or ""), clock)


def find_newest_revision(package: str, *folders: str) -> str:
    """Return the newest Alembic revision that a package ships, read from its files without importing it.

    It is the only revision on which no other builds; empty if there is none, or more than one.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    files = Path(spec.origin).parent.joinpath(*folders).glob("*.py")
    texts = [file.read_text(encoding="utf-8") for file in files]
    revisions = {match[1] for item in texts if (match := re.search(r'^revision.*?=\s*"(\w+)"', item, re.M))}
    predecessors = {
        name
        for item in texts
        if (match := re.search(r"^down_revision.*?=\s*(.*)$", item, re.M))
        for name in re.findall(r'"(\w+)"', match[1])
    }
    newest = sorted(revisions - predecessors)
    return newest[0] if len(newest) == 1 else ""


@contextmanager
def _open_existing(url: str) -> Iterator[Connection | None]:
    try:
        target = make_url(url)
        target = target.set(drivername=_DRIVERS[target.get_backend_name()])
    except (ArgumentError, KeyError) as error:
        raise RecordError("it is no address of a PostgreSQL or sqlite database") from error
    if target.drivername == "sqlite":
        if not target.database or not Path(target.database).is_file():
            yield None
            return
        target = target.set(
            database=f"file:{Path(target.database).resolve()}", query={"mode": "ro", "uri": "true"}
        )
    arguments = (
        {"timeout": _TIMEOUT_SECONDS}
        if target.drivername == "sqlite"
        else {"connect_timeout": _TIMEOUT_SECONDS}
    )
    try:
        with create_engine(target, poolclass=NullPool, connect_args=arguments).connect() as connection:
            yield connection
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        address = target.render_as_string(hide_password=True)
        raise RecordError(f"{address}: {str(error).splitlines()[0]}") from error
