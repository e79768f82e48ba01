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

__all__ = ["chunks", "count", "edges", "rows"]

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
    with _answer(data, path, window or _EVER) as (names, found):
        parts = list(_bounded(data, names, found))
    for item in columns or ():
        if item not in names:
            raise ColumnError(f"data.query: no column {item!r}; {allowed(item, names)}")
    if not parts and window is not None:
        raise WindowError(f"no row lies in the window {window}: data.query gives none")
    if not parts:
        raise SourceError(f"data.query gives columns {names} but no rows")
    frame = pd.concat(parts, ignore_index=True)
    return frame[columns] if columns else frame


def chunks(data: Data, window: Window | None) -> Iterator[pd.DataFrame]:
    """The rows of a window, part by part, in the order of their times: the same each time.

    Raises
    ------
    ConfigError, SourceError, ColumnError
        As :func:`rows`; no row is no error here.
    """
    asked = f"select * from ({_inner(data)}) q"  # nosec B608  # as below
    if order := ", ".join(f"q.{_column(name)}" for name in (data.time, data.id) if name):
        asked += f" order by {order}"
    with _answer(data, asked, window or _EVER) as (_, parts):
        yield from parts


def count(data: Data, window: Window | None) -> int:
    """Rows of a window, counted by the database.

    Raises
    ------
    ConfigError, SourceError
        As :func:`rows`.
    """
    asked = f"select count(*) from ({_inner(data)}) q"  # nosec B608  # as below
    with _answer(data, asked, window or _EVER) as (_, parts):
        return int(next(parts).to_numpy()[0, 0])


def edges(data: Data) -> pd.Series[Any]:
    """First and last time of the query's rows, found by the database; of the time column's own type.

    Raises
    ------
    ConfigError, SourceError, ColumnError
        As :func:`rows`.
    """
    # The query is the pipeline's own SQL, run over a connection that may not write; the column is quoted.
    query = _inner(data)
    with _answer(data, f"select * from ({query}) q where 1 = 0", _EVER) as (names, _):  # nosec B608  # see above
        pass
    if data.time not in names:
        raise ColumnError(f"data.query: no column {data.time!r}; {allowed(str(data.time), names)}")
    time = _column(data.time)
    ends = f"select min(q.{time}) as first, max(q.{time}) as last from ({query}) q"  # nosec B608  # also
    with _answer(data, ends, _EVER) as (_, parts):
        first, last = next(parts).iloc[0]
    if first is None:
        raise SourceError(f"data.query gives columns {names} but no rows")
    return pd.Series([first, last], name=data.time)


@contextmanager
def _answer(data: Data, query: str, window: Window) -> Iterator[tuple[list[str], Iterator[pd.DataFrame]]]:
    """Column names, and the rows chunk by chunk while the ``with`` lasts."""
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
                yield names, (_frame(part, names) for part in result.partitions())
    except SQLAlchemyError as error:
        said = _without_secrets(" ".join(str(getattr(error, "orig", None) or error).split()), data)
        raise SourceError(
            f"the database of {data.connection} cannot answer data.query: {said[:500]}"
        ) from error


def _frame(part: Sequence[Row[Any]], names: list[str]) -> pd.DataFrame:
    return pd.DataFrame.from_records([tuple(row) for row in part], columns=names, coerce_float=True)


def _bounded(data: Data, names: list[str], parts: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Parts to be held together, as long as they fit into ``data.limits``."""
    total = 0
    for part in parts:
        total += len(part)
        bounded.checked_size(total, len(names), "data.query", data.limits)
        yield part


def _inner(data: Data) -> str:
    return str(data.query).strip().rstrip(";")


def _column(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


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
