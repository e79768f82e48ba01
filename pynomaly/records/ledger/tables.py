"""Tables of the ledger. Imported by the modules beside it; ``database.py`` creates and migrates them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from pynomaly.errors import RecordError

__all__ = ["beats", "decisions", "leases", "messages", "observations", "partitions", "trainings"]
__all__ += ["followed_alerts"]
__all__ += ["account_entries", "alert_events", "alert_states", "audits", "deliveries", "labels"]
__all__ += ["stream_entries", "stream_letters", "stream_positions"]

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
    Index("ix_decisions_kind", "pipeline", "kind", "seq"),
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
    Column("process", String(100), nullable=False, server_default=""),
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
    Column("severity", String(16), nullable=False, server_default="low"),
    Column("entity", Text, nullable=False, server_default=""),
    Column("alert", String(16), nullable=False, server_default="", index=True),
    Column("action", String(16), nullable=False, server_default="notice"),
    Column("link", Text, nullable=False, server_default=""),
    Column("files", JSON, nullable=False, server_default="[]"),
    Column("due", Moment),
    Column("collected", Boolean, nullable=False, server_default=false()),
    Column("ended", Text, nullable=False, server_default=""),
    Column("incident", String(300), nullable=False, server_default=""),
)

followed_alerts = Table(
    "followed_alerts",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("alert", String(16), primary_key=True),
    Column("severity", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("begun", Moment),
    Column("touched", Moment, nullable=False),
    Column("events", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("changes", Integer, nullable=False),
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
    Column("window", String(64), nullable=False, index=True),
    Column("content", JSON, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

alert_states = Table(
    "alert_states",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("alert", String(16), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("severity", Integer, nullable=False),
    Column("newest", Moment, nullable=False),
    Column("entity", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("quiet", Integer, nullable=False),
    Column("assignee", String(200), nullable=False),
    Column("muted_until", Moment),
    Column("changed", Integer, nullable=False, index=True),
    Column("content", JSON, nullable=False),
)
# In the order of a list, and with what is filtered and counted, so that no row is read for it.
Index(
    "ix_alert_states_inbox",
    alert_states.c.state,
    alert_states.c.severity,
    alert_states.c.newest.desc(),
    alert_states.c.pipeline,
    alert_states.c.alert,
    alert_states.c.quiet,
    alert_states.c.entity,
    alert_states.c.cause,
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

account_entries = Table(
    "account_entries",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("key", String(300), nullable=False, unique=True),
    Column("pipeline", String(64), nullable=False, index=True),
    Column("account", String(64), nullable=False, index=True),
    Column("guarantee", String(32), nullable=False),
    Column("window", String(64), nullable=False),
    Column("content", JSON, nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("sink", String(64), primary_key=True),
    Column("what", String(16), primary_key=True),
    Column("subject", String(300), primary_key=True),
    Column("content", String(64), nullable=False),
    Column("position", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("dead", Text, nullable=False),
    Column("begun", Moment, nullable=False),
    Column("failing_since", Moment),
    Column("retry_at", Moment),
    Column("delivered", Moment),
)

stream_positions = Table(
    "stream_positions",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("part", String(200), primary_key=True),
    Column("offset", BigInteger),
    Column("newest", Moment),
    Column("at", Moment, nullable=False),
    Column("lag", BigInteger),
    Column("measured", Moment),
)

stream_entries = Table(
    "stream_entries",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("pipeline", String(64), nullable=False, index=True),
    Column("window", String(64), nullable=False, index=True),
    Column("rows", Integer, nullable=False),
    Column("alerts", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

stream_letters = Table(
    "stream_letters",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("key", String(300), nullable=False, unique=True),
    Column("pipeline", String(64), nullable=False, index=True),
    Column("part", String(200), nullable=False),
    Column("offset", BigInteger),
    Column("rule", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", Moment, nullable=False),
    Column("published", Moment),
    sqlite_autoincrement=True,
)
