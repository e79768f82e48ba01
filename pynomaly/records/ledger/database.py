"""The ledger's database: how it is opened and migrated, and how rows are written and read.

One object for everything that lies in it: decisions, answers, messages, leases. Several processes may open a
new database, or one that an older Pynomaly wrote, at the same time: the first one migrates it under a lock,
the others wait. sqlite runs in write-ahead mode, so readers never wait for a writer, and a writer waits up to
30 s for another instead of failing. Called only by the modules beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    Select,
    Table,
    column,
    create_engine,
    event,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool

from pynomaly.errors import ConfigError, RecordError, mask_addresses
from pynomaly.records.ledger.alerts.projection import STATES_SINCE, fill_alert_states
from pynomaly.records.ledger.migrations import HEAD, VERSION_TABLE, upgrade_tables
from pynomaly.records.locks import hold_file_lock

__all__ = ["CHANGES_CHANNEL", "Database", "read_utc_now"]

BUSY_SECONDS = 30
CHANGES_CHANNEL = "pynomaly_changes"
"""Where PostgreSQL says what was committed."""
_ADVISORY_LOCK = 7_046_966_259  # number of the lock for migrating a ledger; any constant would do


def read_utc_now() -> datetime:
    """Return the time of this machine, in UTC."""
    return datetime.now(UTC)


class Database:
    """An open database and a clock. Each method is one short transaction, or opens one.

    Attributes
    ----------
    clock : callable
        Returns the aware time that a row is stamped with.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = read_utc_now) -> None:
        self._engine = engine
        self.clock = clock

    @classmethod
    def open(cls, url: str, clock: Callable[[], datetime] = read_utc_now) -> Database:
        """Open the database at `url`, creating its folder and tables if it is new.

        Raises
        ------
        ConfigError
            If the URL is not that of a sqlite file or a PostgreSQL database.
        RecordError
            If the database cannot be opened, or was written by a newer Pynomaly.
        """
        return cls(_open_engine(url), clock)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @property
    def is_sqlite(self) -> bool:
        """Whether only one transaction writes at a time."""
        return self._engine.dialect.name == "sqlite"

    def build_insert(self, table: Table) -> Any:
        """Return the ``INSERT`` of the database's dialect, which supports ``ON CONFLICT``."""
        return (sqlite if self.is_sqlite else postgresql).insert(table)

    def read_rows(self, query: Select[Any]) -> list[Row[Any]]:
        """Return the rows of a query.

        Raises
        ------
        RecordError
            If the database fails.
        """
        with self.translate_errors("read"), self._engine.connect() as connection:
            return list(connection.execute(query))

    @contextmanager
    def begin_write(self) -> Iterator[Connection]:
        """Open a transaction that writes; it is committed at the end of the ``with``.

        Raises
        ------
        RecordError
            If the database fails.
        """
        with self.translate_errors("write"), self._begin(writing=True) as connection:
            yield connection

    @contextmanager
    def begin_fleeting_write(self) -> Iterator[Connection]:
        """Open a transaction that a power cut may undo, for leases; errors are those of SQLAlchemy."""
        with self._begin(writing=True, fleeting=True) as connection:
            yield connection

    @contextmanager
    def _begin(self, **options: bool) -> Iterator[Connection]:
        with self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def upsert_row(self, table: Table, row: dict[str, Any], key: tuple[str, ...]) -> None:
        """Insert a row, or replace the row with the same values in the columns `key`.

        Raises
        ------
        RecordError
            If the database fails.
        """
        updates = {name: value for name, value in row.items() if name not in key}
        statement = self.build_insert(table).values(row)
        with self.begin_write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=updates))

    def announce(self, connection: Connection, what: str, first: int) -> None:
        """Say, when the transaction is committed, that it wrote rows from this number on.

        PostgreSQL passes it on to who listens; sqlite has nobody to pass it on to.
        """
        if not self.is_sqlite:
            payload = {"channel": CHANGES_CHANNEL, "payload": f"{what} {first}"}
            connection.execute(text("SELECT pg_notify(:channel, :payload)"), payload)

    @contextmanager
    def open_plain_connection(self) -> Iterator[Any]:
        """Open a connection of the driver's own, on which each statement stands alone."""
        pooled = self._engine.raw_connection()
        driver: Any = pooled.driver_connection
        pooled.detach()
        try:
            driver.autocommit = True
            yield driver
        finally:
            driver.close()

    @contextmanager
    def translate_errors(self, what: str) -> Iterator[None]:
        """Convert an error of the database to a RecordError that says what could not be done."""
        try:
            yield
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as error:
            place = self._engine.url.render_as_string(hide_password=True)
            raise RecordError(f"the ledger at {place} could not {what}: {error}") from error


def _open_engine(url: str) -> Engine:
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
        try:
            if dialect == "sqlite":
                Path(str(target.database)).parent.mkdir(parents=True, exist_ok=True)
                _configure_transactions(engine)
            _ensure_schema(engine)
        except BaseException:
            engine.dispose()  # nobody else knows of the connection that lies in its pool
            raise
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
                    if version is not None and version < STATES_SINCE:
                        fill_alert_states(connection)
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
