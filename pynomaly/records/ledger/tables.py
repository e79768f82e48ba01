"""Tables of the ledger, and the code that creates or migrates them exactly once.

Several processes may open a new database, or one that an older Pynomaly wrote, at the same time: the first
one migrates it under a lock, the others wait. sqlite runs in write-ahead mode, so readers never wait for a
writer, and a writer waits up to 30 s for another instead of failing. Only ``book.py`` opens a database
here; the modules beside it import the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    column,
    create_engine,
    event,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool
from sqlalchemy.types import TypeDecorator

from pynomaly.errors import ConfigError, RecordError, mask_addresses
from pynomaly.records.ledger.migrations import HEAD, VERSION_TABLE, upgrade_tables
from pynomaly.records.locks import hold_file_lock

__all__ = [
    "beats",
    "decisions",
    "leases",
    "messages",
    "observations",
    "open_database",
    "partitions",
    "trainings",
]
__all__ += ["alert_events", "audits", "labels"]

BUSY_SECONDS = 30
_ADVISORY_LOCK = 7_046_966_259  # number of the lock for migrating a ledger; any constant would do

metadata = MetaData()


class Moment(TypeDecorator[datetime]):
    """An aware time, stored as UTC text of fixed width, which sorts by time in any database."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Convert to text such as ``2026-01-05T00:00:00.000000Z``."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise RecordError(f"{value.isoformat()} has no offset; the ledger keeps aware times only")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Convert back to an aware time in UTC."""
        return None if value is None else datetime.fromisoformat(value)


decisions = Table(
    "decisions",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("pipeline", String(64), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("as_of", Moment, nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    sqlite_autoincrement=True,
)

partitions = Table(
    "partitions",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("window", String(64), primary_key=True),
    Column("start", Moment, index=True),
    Column("end", Moment),
    Column("version", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("data_hash", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("alerts", Integer, nullable=False),
    Column("quarantined", Integer, nullable=False),
    Column("scored_at", Moment, nullable=False),
)

observations = Table(
    "observations",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("window", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("start", Moment),
    Column("end", Moment, index=True),
    Column("observation", JSON, nullable=False),
    Column("report", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

trainings = Table(
    "trainings",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("pipeline", String(64), nullable=False, index=True),
    Column("as_of", Moment, nullable=False),
    Column("data_hash", String(64), nullable=False),
    Column("version", Integer),
    Column("outcome", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("at", Moment, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("token", String(32), nullable=False),
    Column("expires", Moment, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("key", String(300), primary_key=True),
    Column("target", String(64), primary_key=True),
    Column("pipeline", String(64), nullable=False, index=True),
    Column("event", String(32), nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("delivered", Moment),
)

beats = Table(
    "beats",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("work", String(64), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("seq", Integer, nullable=False),
)

alert_events = Table(
    "alert_events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("key", String(300), nullable=False, unique=True),
    Column("pipeline", String(64), nullable=False, index=True),
    Column("alert", String(16), nullable=False, index=True),
    Column("event", String(32), nullable=False),
    Column("window", String(64), nullable=False),
    Column("content", JSON, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

labels = Table(
    "labels",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("key", String(300), nullable=False, unique=True),
    Column("pipeline", String(64), nullable=False, index=True),
    Column("entity", Text, nullable=False),
    Column("row", String(64), nullable=False),
    Column("truth", Integer, nullable=False),
    Column("source", String(32), nullable=False),
    Column("note", Text, nullable=False),
    Column("author", String(200), nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

audits = Table(
    "audits",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("pipeline", String(64), nullable=False, index=True),
    Column("content", JSON, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_autoincrement=True,
)


def open_database(url: str) -> Engine:
    """Open the ledger at `url`, creating its folder and tables if it is new.

    Raises
    ------
    ConfigError
        If `url` is not a supported database URL, or names a database in memory.
    RecordError
        If the database cannot be reached, or was written by a newer Pynomaly.
    """
    try:
        target = make_url(url)
        dialect = target.get_backend_name()
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(
            f"records.ledger: {mask_addresses(url)!r} is not a database URL, e.g. sqlite:////data/ledger.db"
        ) from error
    if dialect not in ("sqlite", "postgresql"):
        raise ConfigError(f"records.ledger: {dialect!r} is not supported; allowed: 'postgresql', 'sqlite'")
    if dialect == "sqlite" and target.database in (None, "", ":memory:"):
        raise ConfigError("records.ledger: a database in memory forgets every decision; name a file")
    arguments: dict[str, Any] = {"timeout": BUSY_SECONDS} if dialect == "sqlite" else {}
    try:
        # sqlite keeps its connection while the ledger is open, because closing the last one copies the whole
        # log back into the file. A server allows few connections, and a flow holds a ledger open throughout.
        pool = QueuePool if dialect == "sqlite" else NullPool
        engine = create_engine(target, poolclass=pool, connect_args=arguments)
        if dialect == "sqlite":
            Path(str(target.database)).parent.mkdir(parents=True, exist_ok=True)
            _configure_transactions(engine)
        _ensure_schema(engine)
    except (SQLAlchemyError, ModuleNotFoundError, OSError) as error:
        place = target.render_as_string(hide_password=True)
        raise RecordError(f"cannot open the ledger at {place}: {error}") from error
    return engine


def _configure_transactions(engine: Engine) -> None:
    """Make a writing transaction take the write lock when it begins.

    By default sqlite3 begins deferred, and a deferred reader that starts to write fails at once with
    "database is locked", whatever the timeout. See https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable.
    """

    @event.listens_for(engine, "connect")
    def _disable_implicit_begin(connection: Any, record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin_transaction(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("writing", False):
            # A fleeting write need not wait for the disk: a power cut ends the holder of a lease as well.
            synchronous = "NORMAL" if options.get("fleeting", False) else "FULL"
            connection.exec_driver_sql(f"PRAGMA synchronous={synchronous}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writing", False) else "BEGIN")


def _ensure_schema(engine: Engine) -> None:
    version = _read_version(engine)
    if version is None or version < HEAD:
        with _hold_migration_lock(engine):
            version = _read_version(engine)
            if version is None and engine.dialect.name == "sqlite":
                _enable_write_ahead(engine)
            if version is None or version < HEAD:
                with engine.connect().execution_options(writing=True) as connection, connection.begin():
                    upgrade_tables(connection)
                version = HEAD
    if version > HEAD:
        raise RecordError(
            f"the ledger has schema {version}, this Pynomaly knows up to {HEAD}; upgrade Pynomaly to open it"
        )


def _read_version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        return connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar()


def _enable_write_ahead(engine: Engine) -> None:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.close()
    finally:
        connection.close()


@contextmanager
def _hold_migration_lock(engine: Engine) -> Iterator[None]:
    """Hold the lock that lets only one process change the tables."""
    if engine.dialect.name == "sqlite":
        with hold_file_lock(Path(f"{engine.url.database}.lock")):
            yield
        return
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": _ADVISORY_LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": _ADVISORY_LOCK})
