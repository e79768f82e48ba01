"""Access tokens of the console's clients, and the requests that it answered.

A token is kept as its hash alone. Reached through :attr:`pynomaly.records.ledger.Ledger.access`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, insert, select, update

from pynomaly.records.ledger.access.sign_ins import SignIns
from pynomaly.records.ledger.access.tables import access_tokens, answered_requests
from pynomaly.records.ledger.access.views import SavedViews
from pynomaly.records.ledger.database import Database
from pynomaly.records.ledger.rows import to_json

__all__ = ["TOKEN_START", "Access", "AccessToken", "AnsweredRequest"]

TOKEN_START = "pyn_"  # nosec B105  # how a token begins, so that a scanner of secrets knows it
_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class AccessToken:
    """A token on record.

    Attributes
    ----------
    id : str
        Names it; no secret.
    name : str
        What it is for.
    actor : str
        Who acts by it.
    role : str
    pipelines : tuple of str
        Names of pipelines, with ``*`` for any characters.
    created, expires : datetime
    revoked, used : datetime or None
        When it was revoked, and about when it was last used.
    """

    id: str
    name: str
    actor: str
    role: str
    pipelines: tuple[str, ...]
    created: datetime
    expires: datetime
    revoked: datetime | None = None
    used: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        content: dict[str, Any] = to_json(asdict(self))
        return content


@dataclass(frozen=True)
class AnsweredRequest:
    """A request that was answered: the hash of what it asked, and the answer."""

    request: str
    status: int
    answer: bytes


class Access:
    """Tokens and answered requests of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def sign_ins(self) -> SignIns:
        """People who are signed in by a provider."""
        return SignIns(self._database)

    @property
    def views(self) -> SavedViews:
        """Views of the inbox that people saved."""
        return SavedViews(self._database)

    def create_token(
        self, name: str, actor: str, role: str, pipelines: Sequence[str], expires: datetime
    ) -> tuple[AccessToken, str]:
        """Record a new token; returns it with its secret, which nobody can read again."""
        secret = TOKEN_START + secrets.token_urlsafe(32)
        token = AccessToken(
            secrets.token_hex(8), name, actor, role, tuple(pipelines), self._database.clock(), expires
        )
        row = {**vars(token), "pipelines": list(pipelines), "sha256": _hash_secret(secret)}
        with self._database.begin_write() as connection:
            connection.execute(insert(access_tokens).values(row))
        return token, secret

    def find_token(self, secret: str) -> AccessToken | None:
        """Return the token with this secret, also one that is revoked or expired; None if there is none."""
        query = select(access_tokens).where(access_tokens.c.sha256 == _hash_secret(secret))
        return next(iter(self._read_tokens(query)), None)

    def list_tokens(self) -> tuple[AccessToken, ...]:
        """Return every token, the newest first."""
        c = access_tokens.c
        return self._read_tokens(select(access_tokens).order_by(c.created.desc(), c.id))

    def revoke_token(self, token: str) -> bool:
        """Revoke a token by its id; returns whether it was valid before."""
        c = access_tokens.c
        statement = update(access_tokens).where(c.id == token, c.revoked.is_(None))
        with self._database.begin_write() as connection:
            result = connection.execute(statement.values(revoked=self._database.clock()))
        return bool(result.rowcount)

    def mark_used(self, token: AccessToken) -> None:
        """Record that a token was used, at most once a minute."""
        now = self._database.clock()
        if token.used is not None and now - token.used < _USED_EVERY:
            return
        with self._database.begin_write() as connection:
            connection.execute(update(access_tokens).where(access_tokens.c.id == token.id).values(used=now))

    def find_answer(self, key: str) -> AnsweredRequest | None:
        """Return what a request with this key was answered, or None."""
        c = answered_requests.c
        query = select(c.request, c.status, c.answer).where(c.key == key)
        return next((AnsweredRequest(*row) for row in self._database.read_rows(query)), None)

    def keep_answer(self, key: str, answered: AnsweredRequest, keep: timedelta) -> None:
        """Record an answer, unless the key has one, and remove those older than `keep`."""
        now = self._database.clock()
        row = {**vars(answered), "key": key, "at": now}
        statement = self._database.build_insert(answered_requests).values(row)
        with self._database.begin_write() as connection:
            connection.execute(delete(answered_requests).where(answered_requests.c.at < now - keep))
            connection.execute(statement.on_conflict_do_nothing(index_elements=["key"]))

    def _read_tokens(self, query: Select[Any]) -> tuple[AccessToken, ...]:
        tokens = []
        for row in self._database.read_rows(query):
            content: dict[str, Any] = {**row._mapping, "pipelines": tuple(row.pipelines)}
            content.pop("sha256")
            tokens.append(AccessToken(**content))
        return tuple(tokens)


def _hash_secret(secret: str) -> str:
    """Return the hash of a secret of 256 random bits: no salt or slow hash is needed against guessing."""
    return hashlib.sha256(secret.encode()).hexdigest()
