"""Leases: a name has at most one holder; that of a process which has ended is taken over.

Taken by steps that must not run twice at once: one training, one scoring, one promotion of a pipeline at a
time. The lease is in our own database, so who may work does not depend on an orchestrator's view of a run. It
is taken by compare-and-swap in one ``UPDATE ... WHERE``; a random token tells holders of one name apart.
A lease ends when its time is over, unless its holder renews it; before that it is taken over only from a
process of which :mod:`~pynomaly.records.process_identity` knows that it has ended.

The clock is the holder's own. Clocks of machines that share a ledger must differ by much less than a lease
lasts.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Insert, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from pynomaly.errors import LeaseHeldError, RecordError
from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.tables import leases
from pynomaly.records.process_identity import describe_own_process, has_ended

__all__ = ["Lease", "LeaseHolder"]


@dataclass(frozen=True)
class LeaseHolder:
    """A lease as other processes see it."""

    name: str
    owner: str
    expires: datetime
    process: str = ""

    def is_dead(self) -> bool:
        """Return whether its process is known to have ended; False also where that cannot be known."""
        return has_ended(self.process)


class Lease:
    """A lease that is held. Made by :meth:`pynomaly.records.ledger.Ledger.hold_lease`.

    Attributes
    ----------
    name, owner : str
    expires : datetime
        When the lease ends unless it is renewed.
    lost : bool
        Whether somebody else has taken it, as noticed at a renewal or a fenced write.
    taken_from : LeaseHolder or None
        Who held it and ended without releasing it, if it was taken over before its time was over.
    """

    def __init__(self, database: Database, name: str, owner: str, ttl: timedelta) -> None:
        if ttl <= timedelta(0):
            raise RecordError(f"lease {name!r}: the time to live must be positive, not {ttl}")
        self.name, self.owner, self.ttl = name, owner, ttl
        self.expires = database.clock() + ttl
        self.lost = False
        self.taken_from: LeaseHolder | None = None
        self._database, self._token = database, uuid.uuid4().hex
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self, first: Insert) -> None:
        """Take the lease; the statement `first` inserts the row unless it exists.

        Raises
        ------
        LeaseHeldError
            If somebody else holds it, it has not expired and its process may be alive.
        """
        now = self._database.clock()
        self.expires = now + self.ttl
        row = {
            "name": self.name,
            "owner": self.owner,
            "token": self._token,
            "expires": self.expires,
            "process": describe_own_process(),
        }
        expired_lease = (leases.c.name == self.name) & (leases.c.expires <= now)
        with self._database.begin_fleeting_write() as connection:
            connection.execute(first.values(row))
            connection.execute(update(leases).where(expired_lease).values(row))
            # The token shows who holds it now: not every database reports the row count of an INSERT.
            holder = connection.execute(select(leases).where(leases.c.name == self.name)).first()
            if holder is not None and holder.token != self._token and has_ended(holder.process):
                same_holder = (leases.c.name == self.name) & (leases.c.token == holder.token)
                if connection.execute(update(leases).where(same_holder).values(row)).rowcount == 1:
                    self.taken_from = LeaseHolder(self.name, holder.owner, holder.expires, holder.process)
                    return
        if holder is None:  # released between the two statements, on databases where these do not lock
            raise LeaseHeldError(
                f"{self.name!r} changed hands just now; {self.owner!r} may try again", self.name
            )
        if holder.token == self._token:
            return
        raise LeaseHeldError(
            f"{self.name!r} is held by {holder.owner!r} until "
            f"{holder.expires.isoformat(timespec='seconds')}; {self.owner!r} may try again then",
            self.name,
        )

    def renew(self) -> None:
        """Extend the lease by its full time to live, from now.

        Raises
        ------
        LeaseHeldError
            If it expired and somebody else took it: two holders may now do the same work.
        """
        expires = self._database.clock() + self.ttl
        with self._database.begin_fleeting_write() as connection:
            updated_rows = connection.execute(
                update(leases).where(self._own_row).values(expires=expires)
            ).rowcount
        if updated_rows != 1:
            self.lost = True
            raise LeaseHeldError(self._describe_loss())
        self.expires = expires

    def fence(self, connection: Connection) -> None:
        """Fail unless this holder still has the lease, within the transaction of `connection`.

        The row stays locked until the transaction ends, so nobody can take the lease before that.

        Raises
        ------
        LeaseHeldError
            If it expired and somebody else took it.
        """
        if connection.execute(select(leases.c.name).where(self._own_row).with_for_update()).first() is None:
            self.lost = True
            raise LeaseHeldError(self._describe_loss())

    def release(self) -> None:
        """End the lease and stop its renewal; a lease that somebody else took meanwhile is not changed."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._database.begin_fleeting_write() as connection:
            connection.execute(delete(leases).where(self._own_row))

    def keep_alive(self) -> None:
        """Renew in a background thread every third of the time to live, until released or lost."""
        self._thread = threading.Thread(
            target=self._renew_until_stopped, name=f"lease {self.name}", daemon=True
        )
        self._thread.start()

    @property
    def _own_row(self) -> Any:
        return (leases.c.name == self.name) & (leases.c.token == self._token)

    def _describe_loss(self) -> str:
        return f"{self.owner!r} lost the lease {self.name!r}: it expired and was taken over"

    def _renew_until_stopped(self) -> None:
        while not self._stop.wait(self.ttl.total_seconds() / 3):
            try:
                self.renew()
            except LeaseHeldError:
                return  # `lost` is set; the holder's next `renew` or `fence` raises
            except SQLAlchemyError:
                continue  # two more tries fit in the lease, and the database may be back by then
