"""Rows of a query, from any database that SQLAlchemy reaches.

The query says what a row is and takes the window as ``:start`` and ``:end``, so that the database's own index
finds its rows::

    data:
      source: sql
      connection: PLANT_DB        # environment variable with the URL: no YAML holds a password
      query: select * from readings where at >= :start and at < :end
      time: at

Read in chunks over one connection that may not write. On sqlite, which has no type for time, the two are text
like ``2026-01-05T00:00:00+00:00``; write ``datetime(:start)`` where the table spells times otherwise. Called
through ``SOURCES``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Row, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from pynomaly.config import Data
from pynomaly.data.sources import bounded
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, ConfigError, SourceError, WindowError, allowed

__all__ = ["edges", "rows"]

_CHUNK = 50_000
_SPELLED = {"sqlite": datetime.isoformat}
_EVER = Window(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


def rows(data: Data, path: str, columns: list[str] | None, window: Window | None = None) -> pd.DataFrame:
    """Run the query for a window, or for all time.

    Parameters
    ----------
    data : Data
        Its connection and query.
    path : str
        The query.
    columns : list of str or None
        None keeps all.
    window : Window, optional

    Returns
    -------
    DataFrame of shape (n, d), n >= 1

    Raises
    ------
    ConfigError
        If the environment holds no URL for the connection, or not a usable one.
    SourceError
        If the database cannot be reached, refuses the query, holds no row at all, or gives more than
        ``data.limits`` allow.
    WindowError
        If it gives no row for `window`.
    ColumnError
        If a name is duplicated or cannot be shown, or one of `columns` is not in the result.
    """
    names, parts = _answer(data, path, window or _EVER)
    for item in columns or ():
        if item not in names:
            raise ColumnError(f"data.query: no column {item!r}; {allowed(item, names)}")
    if not parts and window is not None:
        raise WindowError(f"no row lies in the window {window}: data.query gives none")
    if not parts:
        raise SourceError(f"data.query gives columns {names} but no rows")
    frame = pd.concat(parts, ignore_index=True)
    return frame[columns] if columns else frame


def edges(data: Data) -> pd.Series[Any]:
    """First and last time of the query's rows, found by the database; of the time column's own type.

    Raises
    ------
    ConfigError, SourceError, ColumnError
        As :func:`rows`.
    """
    query = str(data.query).strip().rstrip(";")
    # The query is the pipeline's own SQL, run over a connection that may not write; the column is quoted.
    names, _ = _answer(data, f"select * from ({query}) q where 1 = 0", _EVER)  # nosec B608  # see above
    if data.time not in names:
        raise ColumnError(f"data.query: no column {data.time!r}; {allowed(str(data.time), names)}")
    column = data.time.replace('"', '""')
    ends = f'select min(q."{column}") as first, max(q."{column}") as last from ({query}) q'  # nosec B608  # also
    _, parts = _answer(data, ends, _EVER)
    first, last = parts[0].iloc[0]
    if first is None:
        raise SourceError(f"data.query gives columns {names} but no rows")
    return pd.Series([first, last], name=data.time)


def _answer(data: Data, query: str, window: Window) -> tuple[list[str], list[pd.DataFrame]]:
    """Column names and rows, chunk by chunk."""
    try:
        with _reading(str(data.connection)) as connection:
            spelled = _SPELLED.get(connection.dialect.name, lambda moment: moment)
            edges = {"start": spelled(window.start), "end": spelled(window.end)}
            statement = text(query)
            taken = {key: value for key, value in edges.items() if key in statement.compile().params}
            streamed = connection.execution_options(yield_per=_CHUNK)
            with closing(streamed.execute(statement, taken)) as result:
                names = [str(name) for name in result.keys()]  # noqa: SIM118  # a Result, not a dict
                if twice := sorted({name for name in names if names.count(name) > 1}):
                    raise ColumnError(
                        f"data.query: column {', '.join(map(repr, twice))} occurs more than once"
                    )
                bounded.checked_names(names, "data.query", data.limits)
                return names, list(_parts(data, names, result.partitions()))
    except SQLAlchemyError as error:
        said = _without_secrets(" ".join(str(getattr(error, "orig", None) or error).split()), data)
        raise SourceError(
            f"the database of {data.connection} cannot answer data.query: {said[:500]}"
        ) from error


def _parts(data: Data, names: list[str], answers: Iterable[Sequence[Row[Any]]]) -> Iterator[pd.DataFrame]:
    total = 0
    for part in answers:
        total += len(part)
        bounded.checked_size(total, len(names), "data.query", data.limits)
        yield pd.DataFrame.from_records([tuple(row) for row in part], columns=names, coerce_float=True)


def _without_secrets(said: str, data: Data) -> str:
    """What a driver said, without the address or the password, should it have repeated them."""
    address = os.environ.get(str(data.connection), "")
    for secret in filter(None, (address, make_url(address).password)):
        said = said.replace(str(secret), "***")
    return said


@contextmanager
def _reading(name: str) -> Iterator[Connection]:
    """One connection that may not write."""
    address = os.environ.get(name, "")
    if not address:
        raise ConfigError(f"data.connection: the environment has no {name}; set it to a database URL")
    try:
        engine = create_engine(make_url(address), poolclass=NullPool)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(
            f"data.connection: {name} holds no usable database URL, like postgresql+psycopg://host/name"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA query_only = ON"))
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(postgresql_readonly=True)
        yield connection
