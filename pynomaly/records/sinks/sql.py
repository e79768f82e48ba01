"""Tables of a database: PostgreSQL or sqlite; the same key replaces its row.

Three tables, made if they are missing. A table that is there must have the columns, and may have more. Scores
have one column more, ``revision``: when the last part of a window is there, rows of the window with another
one go, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Double,
    Engine,
    MetaData,
    Table,
    Text,
    create_engine,
    inspect,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from pynomaly.config.delivery import SqlSink
from pynomaly.errors import ConfigError, ReceiverError, RefusedError
from pynomaly.records.sinks.content.cells import list_records
from pynomaly.records.sinks.content.columns import COLUMNS
from pynomaly.records.sinks.kind import Part, Receiver, SinkKind

__all__ = ["SINK"]

_DIALECTS = {"postgresql": postgresql, "sqlite": sqlite}
_TYPES: Mapping[str, Any] = {
    "text": Text,
    "integer": BigInteger,
    "number": Double,
    "truth": Boolean,
    "time": DateTime(timezone=True),
}


class SqlReceiver(Receiver):
    """A database with a table for scores, one for alerts and one for decisions."""

    def __init__(self, settings: SqlSink, secrets: Mapping[str, str]) -> None:
        self._engine = _open_engine(secrets["address"], int(settings.timeout.total_seconds()))
        self._insert = _DIALECTS[self._engine.dialect.name].insert
        self._schema, self._prefix = settings.table_schema or None, settings.prefix
        self._tables: dict[str, Table] = {}

    def deliver(self, part: Part) -> None:
        """Insert the rows of a part, or replace those of the same key, in one transaction."""
        with _translate_errors():
            table = self._find_table(part.what)
            records = [_as_row(part, record) for record in list_records(part.rows)]
            statement = self._insert(table)
            updates = {
                column.name: statement.excluded[column.name] for column in table.c if column.name != "key"
            }
            statement = statement.on_conflict_do_update(index_elements=["key"], set_=updates)
            with self._engine.begin() as connection:
                if records:
                    connection.execute(statement, records)
                if part.revision and part.is_last:
                    _remove_former_rows(connection, table, part)

    def check(self) -> str:
        """Connect, and compare the columns of the tables that are there."""
        with _translate_errors():
            for what in COLUMNS:
                self._check_columns(self._build_table(what))
            return f"{self._engine.dialect.name} answers"

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _find_table(self, what: str) -> Table:
        """Return the table of `what`, made if it is missing; ConfigError if it lacks a column."""
        if what not in self._tables:
            table = self._build_table(what)
            table.create(self._engine, checkfirst=True)
            self._check_columns(table)
            self._tables[what] = table
        return self._tables[what]

    def _build_table(self, what: str) -> Table:
        columns = [
            Column(name, _TYPES[kind], primary_key=name == "key") for name, kind in COLUMNS[what].items()
        ]
        if what == "scores":
            columns.append(Column("revision", Text))
        return Table(f"{self._prefix}{what}", MetaData(), *columns, schema=self._schema)

    def _check_columns(self, table: Table) -> None:
        inspector = inspect(self._engine)
        if not inspector.has_table(table.name, schema=self._schema):
            return
        there = {column["name"] for column in inspector.get_columns(table.name, schema=self._schema)}
        missing = [column.name for column in table.c if column.name not in there]
        if missing:
            raise ConfigError(
                f"the table {table.name} has no column {', '.join(map(repr, missing))}; add them, or name "
                "other tables by `prefix`"
            )


def _remove_former_rows(connection: Connection, table: Table, part: Part) -> None:
    former = (table.c.pipeline == part.pipeline) & (table.c.window == part.subject)
    connection.execute(table.delete().where(former & (table.c.revision.is_distinct_from(part.revision))))


def _as_row(part: Part, record: dict[str, Any]) -> dict[str, Any]:
    row = {name: _as_cell(COLUMNS[part.what][name], value) for name, value in record.items()}
    return row | {"revision": part.revision} if part.what == "scores" else row


def _as_cell(kind: str, value: Any) -> Any:
    """Return a cell as the driver takes it; PostgreSQL keeps no NUL character in text."""
    if value is None:
        return None
    if kind == "time":
        return datetime.fromisoformat(value)
    return value.replace("\0", "") if kind == "text" else value


def _open_engine(address: str, seconds: int) -> Engine:
    """Return the engine of a database; ConfigError if the address is none of a supported one."""
    try:
        url = make_url(address)
        name = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise ConfigError(
            "the address is none of a database; write one like postgresql+psycopg://user:password@host/name"
        ) from None
    if name not in _DIALECTS:
        raise ConfigError(f"{name!r} is not supported as a sink; allowed: 'postgresql', 'sqlite'")
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    arguments = {"timeout": seconds} if name == "sqlite" else {"connect_timeout": seconds}
    try:
        return create_engine(url, connect_args=arguments, pool_pre_ping=True, hide_parameters=True)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the driver of {name} is not installed ({error.name}); pip install 'pynomaly-mlops[postgres]'"
        ) from None


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Turn errors of the database: what it refuses for its content is a refusal, anything else a failure."""
    try:
        yield
    except DBAPIError as error:
        text = f"{type(error).__name__}: {' '.join(str(error.orig).split())}"
        refused = type(error).__name__ in ("DataError", "IntegrityError")
        raise (RefusedError if refused and not error.connection_invalidated else ReceiverError)(
            text
        ) from None
    except SQLAlchemyError as error:
        raise ReceiverError(f"{type(error).__name__}: {' '.join(str(error).split())}") from None


SINK = SinkKind(SqlReceiver)
