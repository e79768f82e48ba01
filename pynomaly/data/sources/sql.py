"""Rows of a query, from any database that SQLAlchemy reaches.

The query defines a row and takes the window as ``:start`` and ``:end``, so that the database can use its own
index::

    data:
      source: sql
      connection: PLANT_DB        # environment variable with the URL: no YAML holds a password
      query: select * from readings where at >= :start and at < :end
      time: at

Rows are read in chunks over one read-only connection. sqlite has no type for time, so there the two values
are text like ``2026-01-05T00:00:00+00:00``; write ``datetime(:start)`` if the table writes times in another
way. Where ``data.epoch`` is set, the two values are numbers of that unit. A time of another form, and one in
several columns, is made one by the query itself. Called through ``SOURCES``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Row, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from pynomaly.config import Data, read_variable
from pynomaly.data.shape.epoch import spell_epoch
from pynomaly.data.sources import bounded
from pynomaly.data.sources.kind import SourceKind
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, ConfigError, SourceError, WindowError, list_allowed

__all__ = ["SOURCE", "count_rows", "read_chunks", "read_edges", "read_rows"]

_CHUNK = 50_000
_TIME_FORMATS = {"sqlite": datetime.isoformat}
_ALL_TIME = Window(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


def read_rows(data: Data, path: str, columns: list[str] | None, window: Window | None = None) -> pd.DataFrame:
    """Run the query for a window, or for all time.

    Parameters
    ----------
    data : Data
        Names the connection and holds the query.
    path : str
        The query.
    columns : list of str or None
        None keeps all columns.
    window : Window, optional

    Returns
    -------
    DataFrame of shape (n, d), n >= 1

    Raises
    ------
    ConfigError
        If the environment has no URL for the connection, or one that is not usable.
    SourceError
        If the database cannot be reached, refuses the query, has no row at all, or returns more than
        ``data.limits`` allow.
    WindowError
        If the query returns no row for `window`.
    ColumnError
        If a name is duplicated or not printable, or one of `columns` is not in the result.
    """
    with _run_query(data, path, window or _ALL_TIME) as (names, chunk_iterator):
        parts = list(_enforce_limits(data, names, chunk_iterator))
    for item in columns or ():
        if item not in names:
            raise ColumnError(f"data.query: no column {item!r}; {list_allowed(item, names)}")
    if not parts and window is not None:
        raise WindowError(f"no row lies in the window {window}: data.query gives none")
    if not parts:
        raise SourceError(f"data.query gives columns {names} but no rows")
    frame = pd.concat(parts, ignore_index=True)
    return frame[columns] if columns else frame


def read_chunks(data: Data, window: Window | None) -> Iterator[pd.DataFrame]:
    """Yield the rows of a window in parts, sorted by time, so that the order is the same in each run.

    Raises
    ------
    ConfigError, SourceError, ColumnError
        As :func:`read_rows`; but a window without rows is no error.
    """
    statement = f"select * from ({_strip_query(data)}) q"  # nosec B608  # as below
    if order := ", ".join(f"q.{_quote_column(name)}" for name in (data.time, data.id) if name):
        statement += f" order by {order}"
    with _run_query(data, statement, window or _ALL_TIME) as (_, parts):
        yield from parts


def count_rows(data: Data, window: Window | None) -> int:
    """Return the number of rows of a window, counted by the database.

    Raises
    ------
    ConfigError, SourceError
        As :func:`read_rows`.
    """
    statement = f"select count(*) from ({_strip_query(data)}) q"  # nosec B608  # as below
    with _run_query(data, statement, window or _ALL_TIME) as (_, parts):
        return int(next(parts).to_numpy()[0, 0])


def read_edges(data: Data) -> pd.Series[Any]:
    """Return the first and last time of the query's rows, from the database, in the time column's type.

    Raises
    ------
    ConfigError, SourceError, ColumnError
        As :func:`read_rows`.
    """
    # The query is the pipeline's own SQL, run over a read-only connection; the column is quoted.
    query = _strip_query(data)
    with _run_query(data, f"select * from ({query}) q where 1 = 0", _ALL_TIME) as (names, _):  # nosec B608  # see above
        pass
    if data.time not in names:
        raise ColumnError(f"data.query: no column {data.time!r}; {list_allowed(str(data.time), names)}")
    time = _quote_column(data.time)
    ends = f"select min(q.{time}) as first, max(q.{time}) as last from ({query}) q"  # nosec B608  # also
    with _run_query(data, ends, _ALL_TIME) as (_, parts):
        first, last = next(parts).iloc[0]
    if first is None:
        raise SourceError(f"data.query gives columns {names} but no rows")
    return pd.Series([first, last], name=data.time)


@contextmanager
def _run_query(data: Data, query: str, window: Window) -> Iterator[tuple[list[str], Iterator[pd.DataFrame]]]:
    """Yield the column names, and an iterator of the rows in chunks that works inside the ``with``."""
    try:
        with _connect_read_only(str(data.connection)) as connection:
            edges = {"start": window.start, "end": window.end}
            bounds = {name: _bind_time(edge, connection, data) for name, edge in edges.items()}
            statement = text(query)
            parameters = {key: value for key, value in bounds.items() if key in statement.compile().params}
            streaming = connection.execution_options(yield_per=_CHUNK)
            with closing(streaming.execute(statement, parameters)) as result:
                names = [str(name) for name in result.keys()]  # noqa: SIM118  # a Result, not a dict
                if duplicates := sorted({name for name in names if names.count(name) > 1}):
                    raise ColumnError(
                        f"data.query: column {', '.join(map(repr, duplicates))} occurs more than once"
                    )
                bounded.check_names(names, "data.query", data.limits)
                yield names, (_build_frame(part, names) for part in result.partitions())
    except SQLAlchemyError as error:
        reason = _redact_secrets(" ".join(str(getattr(error, "orig", None) or error).split()), data)
        raise SourceError(
            f"the database of {data.connection} cannot answer data.query: {reason[:500]}"
        ) from error


def _bind_time(moment: datetime, connection: Connection, data: Data) -> object:
    """Return an edge of a window as the query compares it: a time, its text, or the number of an epoch."""
    if data.epoch is not None:
        number = spell_epoch(pd.Timestamp(moment), data.epoch)
        return max(min(number, 2**63 - 1), -(2**63))  # all time in nanoseconds exceeds a database's integers
    return _TIME_FORMATS.get(connection.dialect.name, lambda edge: edge)(moment)


def _build_frame(part: Sequence[Row[Any]], names: list[str]) -> pd.DataFrame:
    return pd.DataFrame.from_records([tuple(row) for row in part], columns=names, coerce_float=True)


def _enforce_limits(data: Data, names: list[str], parts: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Yield the parts; raise when all of them together exceed ``data.limits``."""
    total = 0
    for part in parts:
        total += len(part)
        bounded.check_size(total, len(names), "data.query", data.limits)
        yield part


def _strip_query(data: Data) -> str:
    return str(data.query).strip().rstrip(";")


def _quote_column(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _redact_secrets(message: str, data: Data) -> str:
    """Return a driver's message with the database address and password replaced by ``***``."""
    address = read_variable(str(data.connection))
    for secret in filter(None, (address, make_url(address).password)):
        message = message.replace(str(secret), "***")
    return message


@contextmanager
def _connect_read_only(name: str) -> Iterator[Connection]:
    """Yield one read-only connection."""
    address = read_variable(name)
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


SOURCE = SourceKind(
    read_rows,
    read_edges=read_edges,
    count_rows=count_rows,
    read_chunks=lambda data, window, rows: read_chunks(data, window),
    has_raw_text=True,
)
