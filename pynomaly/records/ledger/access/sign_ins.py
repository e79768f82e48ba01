"""People who are signed in by a provider, until the session ends. Reached through ``Access.sign_ins``.

A session is kept as the hash of what the browser holds, so that who reads the ledger cannot take it over.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import delete, insert, select, update

from pynomaly.records.ledger.access.tables import sign_ins
from pynomaly.records.ledger.database import Database

__all__ = ["SignIn", "SignIns"]

_KEEP = timedelta(days=1)
"""How long a session that is over stays on record."""


@dataclass(frozen=True)
class SignIn:
    """One session of a person.

    Attributes
    ----------
    issuer, subject : str
        The provider, and what it calls the person for good.
    name, email : str
        As the provider says; the address is "" unless the provider has verified it.
    roles : tuple of str
        Values of the claim that roles are read from.
    created, expires : datetime
    ended : datetime or None
        When the person signed out.
    """

    issuer: str
    subject: str
    name: str
    email: str
    roles: tuple[str, ...]
    created: datetime
    expires: datetime
    ended: datetime | None = None


class SignIns:
    """Sessions of people in a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open_session(self, session: SignIn) -> str:
        """Record a session; returns the secret that the browser keeps, new each time."""
        secret, now = secrets.token_urlsafe(32), self._database.clock()
        row = {**asdict(session), "roles": list(session.roles), "sha256": _hash_secret(secret)}
        with self._database.begin_write() as connection:
            connection.execute(delete(sign_ins).where(sign_ins.c.expires < now - _KEEP))
            connection.execute(insert(sign_ins).values(row))
        return secret

    def find_session(self, secret: str) -> SignIn | None:
        """Return the session with this secret, also one that is over; None if there is none."""
        rows = self._database.read_rows(select(sign_ins).where(sign_ins.c.sha256 == _hash_secret(secret)))
        for row in rows:
            content: dict[str, Any] = {**row._mapping, "roles": tuple(row.roles)}
            content.pop("sha256")
            return SignIn(**content)
        return None

    def end_session(self, secret: str) -> bool:
        """End a session everywhere, at once; returns whether it was open."""
        c = sign_ins.c
        statement = update(sign_ins).where(c.sha256 == _hash_secret(secret), c.ended.is_(None))
        with self._database.begin_write() as connection:
            return bool(connection.execute(statement.values(ended=self._database.clock())).rowcount)


def _hash_secret(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
