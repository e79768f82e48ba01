"""Leases: at most one holder a name, and a holder that dies frees its name when its time is over.

Taken by steps that must be single: one training, one scoring, one promotion of a pipeline at a time. The
lease lives in our own database, so an orchestrator's view of a run never decides who works. Compare and
swap by one ``UPDATE ... WHERE``; a random token tells holders of one name apart.

The clock is the holder's own. Machines that share a ledger must agree on the time to well within a lease.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Insert, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from pynomaly.errors import LeaseHeldError, RecordError
from pynomaly.records.ledger.tables import leases

__all__ = ["Lease"]


class Lease:
    """A lease that is held. Made by :meth:`pynomaly.records.ledger.Ledger.lease`.

    Attributes
    ----------
    name, owner : str
    expires : datetime
        When it ends unless it is renewed.
    lost : bool
        Whether a renewal found that somebody else had taken it.
    """

    def __init__(
        self, engine: Engine, clock: Callable[[], datetime], name: str, owner: str, ttl: timedelta
    ) -> None:
        if ttl <= timedelta(0):
            raise RecordError(f"lease {name!r}: the time to live must be positive, not {ttl}")
        self.name, self.owner, self.ttl = name, owner, ttl
        self.expires = clock() + ttl
        self.lost = False
        self._engine, self._clock, self._token = engine, clock, uuid.uuid4().hex
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self, first: Insert) -> None:
        """Take the lease; `first` inserts the row unless there is one.

        Raises
        ------
        LeaseHeldError
            If somebody else holds it and it has not expired.
        """
        now = self._clock()
        self.expires = now + self.ttl
        row = {"name": self.name, "owner": self.owner, "token": self._token, "expires": self.expires}
        free = (leases.c.name == self.name) & (leases.c.expires <= now)
        with self._changing() as connection:
            connection.execute(first.values(row))
            connection.execute(update(leases).where(free).values(row))
            # The token tells who holds it now: row counts of an INSERT are not to be had on every database.
            holder = connection.execute(select(leases).where(leases.c.name == self.name)).first()
        if holder is None:  # released between the two statements, where they do not lock each other out
            raise LeaseHeldError(f"{self.name!r} changed hands just now; {self.owner!r} may try again")
        if holder.token == self._token:
            return
        raise LeaseHeldError(
            f"{self.name!r} is held by {holder.owner!r} until "
            f"{holder.expires.isoformat(timespec='seconds')}; {self.owner!r} may try again then"
        )

    def renew(self) -> None:
        """Hold it for another full time to live.

        Raises
        ------
        LeaseHeldError
            If it expired and somebody else took it: what this holder does is no longer single.
        """
        expires = self._clock() + self.ttl
        with self._changing() as connection:
            changed = connection.execute(update(leases).where(self._mine).values(expires=expires)).rowcount
        if changed != 1:
            self.lost = True
            raise LeaseHeldError(self._taken_over())
        self.expires = expires

    def fence(self, connection: Connection) -> None:
        """Let the transaction of `connection` go on only while nobody else has taken the lease.

        The row stays locked until the transaction ends, so a take-over waits for it.

        Raises
        ------
        LeaseHeldError
            If it expired and somebody else took it.
        """
        if connection.execute(select(leases.c.name).where(self._mine).with_for_update()).first() is None:
            self.lost = True
            raise LeaseHeldError(self._taken_over())

    def release(self) -> None:
        """Give it back; somebody else's lease is left alone."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._changing() as connection:
            connection.execute(delete(leases).where(self._mine))

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction that need not outlive a power cut: neither does whoever holds the lease."""
        options = {"writing": True, "fleeting": True}
        with self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def keep_alive(self) -> None:
        """Renew in the background every third of the time to live, until released or lost."""
        self._thread = threading.Thread(target=self._beat, name=f"lease {self.name}", daemon=True)
        self._thread.start()

    @property
    def _mine(self) -> Any:
        return (leases.c.name == self.name) & (leases.c.token == self._token)

    def _taken_over(self) -> str:
        return f"{self.owner!r} lost the lease {self.name!r}: it expired and was taken over"

    def _beat(self) -> None:
        while not self._stop.wait(self.ttl.total_seconds() / 3):
            try:
                self.renew()
            except LeaseHeldError:
                return  # `lost` is set; the holder sees it at its next renew
            except SQLAlchemyError:
                continue  # the database may be back before the lease ends: two more tries fit in it
