"""Look at a database without changing it: which revision its tables have, which clock it goes by.

Not the ledger's alone: MLflow and Prefect keep their revisions the same way (Alembic's), and this is where
databases are opened. A database that is not there yet is not made. Called by ``pynomaly doctor``.
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

__all__ = ["Look", "look", "newest_revision"]

_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_WITHIN_S = 10


@dataclass(frozen=True)
class Look:
    """What was seen in a database.

    Attributes
    ----------
    revision : str
        Empty if it has no tables of that kind yet, or is not there.
    clock : datetime or None
        The server's, aware; None for a file, which goes by ours.
    """

    revision: str
    clock: datetime | None


def look(url: str, table: str = "alembic_version") -> Look:
    """Read the revision that `table` holds.

    Raises
    ------
    RecordError
        If the database cannot be reached; the message has no password.
    """
    with _opened(url) as connection:
        if connection is None:
            return Look("", None)
        known = inspect(connection).has_table(table)
        asked: Any = select(column("version_num")).select_from(table_of(table))
        found = connection.execute(asked).scalar() if known else ""
        clock = None
        if connection.dialect.name == "postgresql":
            clock = connection.execute(text("SELECT clock_timestamp()")).scalar_one().astimezone(UTC)
        return Look(str(found or ""), clock)


def newest_revision(package: str, *folders: str) -> str:
    """The last Alembic revision a package ships, read from its files without importing it; empty if none is.

    It is the one no other builds on.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    files = Path(spec.origin).parent.joinpath(*folders).glob("*.py")
    texts = [file.read_text(encoding="utf-8") for file in files]
    own = {found[1] for item in texts if (found := re.search(r'^revision.*?=\s*"(\w+)"', item, re.M))}
    lower = {
        name
        for item in texts
        if (found := re.search(r"^down_revision.*?=\s*(.*)$", item, re.M))
        for name in re.findall(r'"(\w+)"', found[1])
    }
    left = sorted(own - lower)
    return left[0] if len(left) == 1 else ""


@contextmanager
def _opened(url: str) -> Iterator[Connection | None]:
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
    arguments = {"timeout": _WITHIN_S} if target.drivername == "sqlite" else {"connect_timeout": _WITHIN_S}
    try:
        with create_engine(target, poolclass=NullPool, connect_args=arguments).connect() as connection:
            yield connection
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        shown = target.render_as_string(hide_password=True)
        raise RecordError(f"{shown}: {str(error).splitlines()[0]}") from error
