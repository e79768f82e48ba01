"""Messages to people, heartbeats of work, and holders of leases, in the ledger's database.

A message is written before it is sent and marked afterwards, so none is lost: if a process dies between the
two, the message is sent again. Reached through :attr:`pynomaly.records.ledger.Ledger.outbox`, called by the
steps that notify people and that clean up. Each method is one short transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update

from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.leases import LeaseHolder
from pynomaly.records.ledger.tables import beats, followed_alerts, leases, messages
from pynomaly.records.ledger.transit.followed import FollowedAlert, FollowedAlerts, write_change

__all__ = ["Action", "Heartbeat", "Outbox", "QueuedNotice"]

Action = Literal["notice", "trigger", "acknowledge", "resolve"]
"""What a message does to the incident of its alert; a notice has none."""


@dataclass(frozen=True)
class QueuedNotice:
    """One message to one target.

    Attributes
    ----------
    key : str
        Identifies the message by its content: the same verdict of a repeated run is one message.
    event : str
        One of :data:`pynomaly.config.EVENTS`, or ``update``, ``escalation``, ``digest`` or ``test``.
    attempts : int
        Number of failed tries.
    error : str
        Why the last try failed; never contains an address.
    delivered : datetime or None
        When the target accepted it.
    severity : str
        One of :data:`pynomaly.config.SEVERITIES`.
    entity, alert : str
        What it is about; "" if it is about no alert.
    action : Action
    link : str
        Address of a page that shows it, or "".
    files : tuple of str
        Paths of pages of a report.
    due : datetime or None
        Before it is not sent: quiet hours, or the time of the digest.
    collected : bool
        Whether it is a part of the next digest, and no message by itself.
    ended : str
        Why it is not sent any more, or "".
    incident : str
        What all messages about one trouble share, from its begin to its end; "" for a message by itself.
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
    severity: str = "low"
    entity: str = ""
    alert: str = ""
    action: Action = "notice"
    link: str = ""
    files: tuple[str, ...] = ()
    due: datetime | None = None
    collected: bool = False
    ended: str = ""
    incident: str = ""

    def is_due(self, now: datetime) -> bool:
        """Return whether it is to be sent at `now`."""
        return self.due is None or self.due <= now


@dataclass(frozen=True)
class Heartbeat:
    """When a kind of work last succeeded, and the position in the ledger that it had reached."""

    work: str
    at: datetime
    seq: int = 0


class Outbox:
    """Messages, heartbeats and leases of every pipeline of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Messages

    def add_messages(
        self, *new: QueuedNotice, follow: FollowedAlert | None = None
    ) -> tuple[QueuedNotice, ...]:
        """Write messages, and what they tell of an alert, in one transaction; return those that are new.

        A message that is there already, delivered or still to be sent, is left as it is.
        """
        with self._database.begin_write() as connection:
            if follow is not None:
                statement = self._database.build_insert(followed_alerts).values(asdict(follow))
                connection.execute(statement.on_conflict_do_nothing(index_elements=["pipeline", "alert"]))
            return self._insert(connection, new)

    def _insert(self, connection: Connection, new: Sequence[QueuedNotice]) -> tuple[QueuedNotice, ...]:
        written = []
        for message in new:
            statement = self._database.build_insert(messages).values(asdict(message))
            statement = statement.on_conflict_do_nothing(index_elements=["key", "target"])
            if connection.execute(statement.returning(messages.c.key)).first() is not None:
                written.append(message)
        return tuple(written)

    def list_undelivered(self, pipeline: str) -> tuple[QueuedNotice, ...]:
        """Return the messages that are still to be delivered, oldest first."""
        waiting = messages.c.delivered.is_(None) & (messages.c.ended == "")
        return self._list((messages.c.pipeline == pipeline) & waiting)

    def list_messages_about(self, pipeline: str, alert: str) -> tuple[QueuedNotice, ...]:
        """Return every message about an alert, delivered, waiting or ended, oldest first."""
        return self._list((messages.c.pipeline == pipeline) & (messages.c.alert == alert))

    def _list(self, condition: ColumnElement[bool]) -> tuple[QueuedNotice, ...]:
        query = select(messages).where(condition).order_by(messages.c.created, messages.c.key)
        return tuple(
            QueuedNotice(**{**row._mapping, "files": tuple(row._mapping["files"])})
            for row in self._database.read_rows(query)
        )

    def change_alert(
        self,
        before: FollowedAlert,
        after: FollowedAlert,
        new: Sequence[QueuedNotice] = (),
        ended: Sequence[QueuedNotice] = (),
        reason: str = "",
    ) -> bool:
        """Write what became of a followed alert, the messages that tell it, and the end of older ones.

        All in one transaction; nothing is written, and False returned, if another process changed it since.
        """
        with self._database.begin_write() as connection:
            if not write_change(connection, before, after):
                return False
            self._insert(connection, new)
            _end(connection, ended, reason)
        return True

    def collect_messages(self, digest: QueuedNotice, parts: Sequence[QueuedNotice]) -> bool:
        """Write a digest, and end the messages that are parts of it, in one transaction.

        Nothing is written, and False returned, if one of them has ended since: another process has it.
        """
        with self._database.begin_write() as connection:
            point = connection.begin_nested()
            if _end(connection, parts, f"is in {digest.key}") < len(parts):
                point.rollback()
                return False
            point.commit()
            self._insert(connection, (digest,))
        return True

    def find_last_delivery(self, pipeline: str, event: str, target: str) -> datetime | None:
        """Return when the target last accepted a message of this event, or None."""
        same_target = (
            (messages.c.pipeline == pipeline) & (messages.c.event == event) & (messages.c.target == target)
        )
        row: Row[Any] = self._database.read_rows(select(func.max(messages.c.delivered)).where(same_target))[0]
        moment: datetime | None = row[0]
        return moment

    def record_attempt(self, message: QueuedNotice, error: str = "", at: datetime | None = None) -> None:
        """Record the result of a try: delivered (`at`, by default now), or failed with `error`."""
        same_message = (messages.c.key == message.key) & (messages.c.target == message.target)
        changes = (
            {"attempts": messages.c.attempts + 1, "error": error}
            if error
            else {"delivered": at or self._database.clock(), "error": ""}
        )
        with self._database.begin_write() as connection:
            connection.execute(update(messages).where(same_message).values(changes))

    # Alerts that people were told of

    @property
    def followed(self) -> FollowedAlerts:
        """The alerts that somebody was told of."""
        return FollowedAlerts(self._database)

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
            select(leases.c.name, leases.c.owner, leases.c.expires, leases.c.process).order_by(leases.c.name)
        )
        return tuple(LeaseHolder(**row._mapping) for row in rows)

    def remove_lease(self, holder: LeaseHolder) -> bool:
        """Remove a lease unless it was renewed or taken since it was listed; returns whether it did."""
        same_lease = (leases.c.name == holder.name) & (leases.c.expires == holder.expires)
        with self._database.begin_write() as connection:
            removed_rows = connection.execute(
                delete(leases).where(same_lease & (leases.c.process == holder.process))
            ).rowcount
        return removed_rows == 1


def _end(connection: Connection, ended: Sequence[QueuedNotice], reason: str) -> int:
    """End messages that wait; returns how many did."""
    count = 0
    for message in ended:
        same_message = (messages.c.key == message.key) & (messages.c.target == message.target)
        waiting = messages.c.delivered.is_(None) & (messages.c.ended == "")
        count += connection.execute(
            update(messages).where(same_message & waiting).values(ended=reason)
        ).rowcount
    return count
