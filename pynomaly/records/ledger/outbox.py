"""Messages to people, heartbeats of work, and holders of leases, in the ledger's database.

A message is written before it is sent and marked afterwards, so none is lost: if a process dies between the
two, the message is sent again. Reached through :attr:`pynomaly.records.ledger.Ledger.outbox`, called by the
steps that notify people and that clean up. Each method is one short transaction.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, select, update

from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.tables import beats, leases, messages

__all__ = ["Heartbeat", "LeaseHolder", "Outbox", "QueuedNotice"]


@dataclass(frozen=True)
class QueuedNotice:
    """One message to one target.

    Attributes
    ----------
    key : str
        Identifies the message by its content: the same verdict of a repeated run is one message.
    event : str
        One of :data:`pynomaly.config.EVENTS`.
    attempts : int
        Number of failed tries.
    error : str
        Why the last try failed; never contains an address.
    delivered : datetime or None
        When the target accepted it.
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
class Heartbeat:
    """When a kind of work last succeeded, and the position in the ledger that it had reached."""

    work: str
    at: datetime
    seq: int = 0


@dataclass(frozen=True)
class LeaseHolder:
    """A lease as other processes see it."""

    name: str
    owner: str
    expires: datetime


class Outbox:
    """Messages, heartbeats and leases of every pipeline of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Messages

    def add_message(self, message: QueuedNotice) -> bool:
        """Write a message; False if it is there already, delivered or still to be sent."""
        statement = self._database.build_insert(messages).values(asdict(message))
        with self._database.begin_write() as connection:
            same_message = (messages.c.key == message.key) & (messages.c.target == message.target)
            exists = connection.execute(select(messages.c.key).where(same_message)).first() is not None
            connection.execute(statement.on_conflict_do_nothing(index_elements=["key", "target"]))
        return not exists

    def list_undelivered(self, pipeline: str) -> tuple[QueuedNotice, ...]:
        """Return the messages that are not delivered yet, oldest first."""
        undelivered = (messages.c.pipeline == pipeline) & messages.c.delivered.is_(None)
        rows = self._database.read_rows(
            select(messages).where(undelivered).order_by(messages.c.created, messages.c.key)
        )
        return tuple(QueuedNotice(**row._mapping) for row in rows)

    def find_last_delivery(self, pipeline: str, event: str, target: str) -> datetime | None:
        """Return when the target last accepted a message of this event, or None."""
        same_target = (
            (messages.c.pipeline == pipeline) & (messages.c.event == event) & (messages.c.target == target)
        )
        row: Row[Any] = self._database.read_rows(select(func.max(messages.c.delivered)).where(same_target))[0]
        moment: datetime | None = row[0]
        return moment

    def record_attempt(self, message: QueuedNotice, error: str = "") -> None:
        """Record the result of a try: delivered, or failed with `error`."""
        same_message = (messages.c.key == message.key) & (messages.c.target == message.target)
        changes = (
            {"attempts": messages.c.attempts + 1, "error": error}
            if error
            else {"delivered": self._database.clock(), "error": ""}
        )
        with self._database.begin_write() as connection:
            connection.execute(update(messages).where(same_message).values(changes))

    # Beats

    def record_heartbeat(self, pipeline: str, work: str, seq: int = 0) -> None:
        """Record that `work` succeeded just now."""
        row = {"pipeline": pipeline, "work": work, "at": self._database.clock(), "seq": seq}
        statement = self._database.build_insert(beats).values(row)
        updates = {"at": row["at"], "seq": seq}
        with self._database.begin_write() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["pipeline", "work"], set_=updates)
            )

    def find_heartbeat(self, pipeline: str, work: str) -> Heartbeat | None:
        """Return the last success of `work`, or None."""
        same_work = (beats.c.pipeline == pipeline) & (beats.c.work == work)
        rows = self._database.read_rows(select(beats.c.work, beats.c.at, beats.c.seq).where(same_work))
        return Heartbeat(**rows[0]._mapping) if rows else None

    # Leases, as others see them

    def list_lease_holders(self) -> tuple[LeaseHolder, ...]:
        """Return every lease, live or expired."""
        rows = self._database.read_rows(
            select(leases.c.name, leases.c.owner, leases.c.expires).order_by(leases.c.name)
        )
        return tuple(LeaseHolder(**row._mapping) for row in rows)

    def remove_expired_lease(self, holder: LeaseHolder, before: datetime) -> bool:
        """Remove a lease that expired before `before` and was not renewed since; returns whether it did."""
        same_lease = (leases.c.name == holder.name) & (leases.c.expires == holder.expires)
        with self._database.begin_write() as connection:
            removed_rows = connection.execute(
                delete(leases).where(same_lease & (leases.c.expires < before))
            ).rowcount
        return removed_rows == 1
