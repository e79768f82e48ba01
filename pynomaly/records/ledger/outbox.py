"""What a running pipeline leaves beside its decisions: messages to people, beats of work, who holds leases.

A message is written down before it is sent and marked after, so none is lost: a process that dies between
the two sends it again. Reached through :attr:`pynomaly.records.ledger.Ledger.outbox`, called by the steps
that tell and that tidy up. Each method is one short transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from pynomaly.errors import RecordError
from pynomaly.records.ledger.tables import beats, leases, messages

__all__ = ["Beat", "Holder", "Message", "Outbox"]


@dataclass(frozen=True)
class Message:
    """One thing one target is told.

    Attributes
    ----------
    key : str
        Names what it tells by content: the same verdict of a run that was repeated is one message.
    event : str
        One of :data:`pynomaly.config.EVENTS`.
    attempts : int
        How often it was tried in vain.
    error : str
        Why the last try failed; never an address.
    delivered : datetime or None
        When it was accepted.
    """

    key: str
    target: str
    pipeline: str
    event: str
    title: str
    body: str
    created: datetime
    attempts: int = 0
    error: str = ""
    delivered: datetime | None = None


@dataclass(frozen=True)
class Beat:
    """When a kind of work last ended well, and a place in the ledger it had reached."""

    work: str
    at: datetime
    seq: int = 0


@dataclass(frozen=True)
class Holder:
    """A lease as others see it."""

    name: str
    owner: str
    expires: datetime


class Outbox:
    """Messages, beats and leases of every pipeline of a ledger."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    # Messages

    def put(self, message: Message) -> bool:
        """Write a message down; False when the target has been told, or will be, already."""
        statement = self._insert(messages).values(asdict(message))
        with self._writing() as connection:
            same = (messages.c.key == message.key) & (messages.c.target == message.target)
            known = connection.execute(select(messages.c.key).where(same)).first() is not None
            connection.execute(statement.on_conflict_do_nothing(index_elements=["key", "target"]))
        return not known

    def waiting(self, pipeline: str) -> tuple[Message, ...]:
        """Messages nobody has accepted yet, oldest first."""
        mine = (messages.c.pipeline == pipeline) & messages.c.delivered.is_(None)
        rows = self._rows(select(messages).where(mine).order_by(messages.c.created, messages.c.key))
        return tuple(Message(**row._mapping) for row in rows)

    def told(self, pipeline: str, event: str, target: str) -> datetime | None:
        """When the target last accepted a message of this kind, or None."""
        mine = (messages.c.pipeline == pipeline) & (messages.c.event == event) & (messages.c.target == target)
        found: Row[Any] = self._rows(select(func.max(messages.c.delivered)).where(mine))[0]
        moment: datetime | None = found[0]
        return moment

    def mark(self, message: Message, error: str = "") -> None:
        """Write down that a try ended: accepted, or failed with `error`."""
        same = (messages.c.key == message.key) & (messages.c.target == message.target)
        ended = (
            {"attempts": messages.c.attempts + 1, "error": error}
            if error
            else {"delivered": self._clock(), "error": ""}
        )
        with self._writing() as connection:
            connection.execute(update(messages).where(same).values(ended))

    # Beats

    def beat(self, pipeline: str, work: str, seq: int = 0) -> None:
        """Write down that `work` ended well just now."""
        row = {"pipeline": pipeline, "work": work, "at": self._clock(), "seq": seq}
        statement = self._insert(beats).values(row)
        changed = {"at": row["at"], "seq": seq}
        with self._writing() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["pipeline", "work"], set_=changed)
            )

    def last_beat(self, pipeline: str, work: str) -> Beat | None:
        """When `work` last ended well, or None."""
        mine = (beats.c.pipeline == pipeline) & (beats.c.work == work)
        rows = self._rows(select(beats.c.work, beats.c.at, beats.c.seq).where(mine))
        return Beat(**rows[0]._mapping) if rows else None

    # Leases, as others see them

    def holders(self) -> tuple[Holder, ...]:
        """Every lease there is, live or expired."""
        rows = self._rows(select(leases.c.name, leases.c.owner, leases.c.expires).order_by(leases.c.name))
        return tuple(Holder(**row._mapping) for row in rows)

    def clear(self, holder: Holder, before: datetime) -> bool:
        """Remove a lease that expired before `before` and was not renewed since; whether it was removed."""
        dead = (leases.c.name == holder.name) & (leases.c.expires == holder.expires)
        with self._writing() as connection:
            gone = connection.execute(delete(leases).where(dead & (leases.c.expires < before))).rowcount
        return gone == 1

    # How rows are written and read

    def _insert(self, table: Any) -> Any:
        return (sqlite if self._engine.dialect.name == "sqlite" else postgresql).insert(table)

    def _rows(self, query: Select[Any]) -> list[Row[Any]]:
        with self._safely("read"), self._engine.connect() as connection:
            return list(connection.execute(query))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with (
            self._safely("write"),
            self._engine.connect().execution_options(writing=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _safely(self, what: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            place = self._engine.url.render_as_string(hide_password=True)
            raise RecordError(f"the outbox in the ledger at {place} could not {what}: {error}") from error
