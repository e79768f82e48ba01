"""Recognises who asks: a token, a session, or whoever sits at this machine."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from pynomaly.console.access.actors import Actor, Grant, parse_role
from pynomaly.console.access.limits import FailureLimit, RequestLimit
from pynomaly.console.access.provider import Claims
from pynomaly.console.access.security_events import log_event
from pynomaly.console.access.sessions import Sessions
from pynomaly.console.access.sign_in import SignInDesk
from pynomaly.records.ledger import Access, AccessToken, Identity, SignIn, Way
from pynomaly.records.ledger.database import read_utc_now

__all__ = ["BROWSER_COOKIE", "SESSION_COOKIE", "AccessDeniedError", "Doorkeeper"]

SESSION_COOKIE = "pynomaly_session"
BROWSER_COOKIE = "pynomaly_browser"
_LOCAL_HOSTS = frozenset(("localhost", "127.0.0.1", "::1"))


class AccessDeniedError(Exception):
    """A request that is not answered: status, why, and the seconds to wait, if any."""

    def __init__(self, status: int, message: str, wait_s: int = 0) -> None:
        super().__init__(message)
        self.status, self.wait_s = status, wait_s


@dataclass
class Doorkeeper:
    """Recognises actors.

    Attributes
    ----------
    read_access : callable
        Returns the tokens on record.
    sessions : Sessions
    local : bool
        Whether whoever reaches this server is the person at this machine; only where it listens on loopback.
    desk : SignInDesk or None
        Where people sign in by a provider.
    clock : callable
    """

    read_access: Callable[[], Access]
    sessions: Sessions
    local: bool
    desk: SignInDesk | None = None
    clock: Callable[[], datetime] = read_utc_now
    failures: FailureLimit = field(default_factory=FailureLimit)
    requests: RequestLimit = field(default_factory=RequestLimit)

    def recognise(self, address: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Actor | None:
        """Return who asks; None if nobody is known.

        Raises
        ------
        AccessDeniedError
            401 for a token that is wrong, expired or revoked; 429 for an address that is locked out, or an
            actor who asks too often; 421 for a name of this machine that is none, in local mode.
        """
        if wait := self.failures.wait_for(address):
            raise AccessDeniedError(429, f"too many wrong tokens from {address}", wait)
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        actor: Actor | None = None
        if scheme.lower() == "bearer":
            actor = self._recognise_token(address, secret.strip())
        elif cookie := cookies.get(SESSION_COOKIE):
            actor = self._recognise_session(cookie)
        if actor is None and self.local:
            self._check_host(headers, address)
            actor = Actor((Grant("admin"),), Identity(_read_user(), "local"))
        if actor is not None and (wait := self.requests.take(actor.key)):
            raise AccessDeniedError(429, f"{actor.name} asks too often", wait)
        return actor

    def open_session(self, address: str, secret: str) -> str:
        """Return the cookie of a session for a token; errors as :meth:`recognise`."""
        if wait := self.failures.wait_for(address):
            raise AccessDeniedError(429, f"too many wrong tokens from {address}", wait)
        token = self._find_token(address, secret)
        log_event("signed_in", _describe_actor(token, "session").identity, address=address)
        return self.sessions.sign({"token": token.id})

    def open_sign_in(self, claims: Claims, address: str) -> tuple[str, int]:
        """Return the cookie of a new session of a person, and the seconds for which it lasts.

        It ends with what the provider said, and with every session of this console.

        Raises
        ------
        AccessDeniedError
            403 if no rule gives the person a role.
        """
        desk = self._require_desk()
        person = Identity(claims.name, "session", desk.provider.settings.issuer, claims.subject)
        if not desk.settings.list_grants(claims.subject, claims.email, claims.values):
            reason = f"{claims.name} is known, but has no role here; ask an admin for one"
            log_event("sign_in_refused", person, address=address, reason=reason)
            raise AccessDeniedError(403, reason)
        now = self.clock()
        expires = min(
            datetime.fromtimestamp(claims.expires, UTC), now + timedelta(seconds=self.sessions.lasts_s)
        )
        useful = desk.settings.list_values()
        session = SignIn(
            desk.provider.settings.issuer,
            claims.subject,
            claims.name,
            claims.email,
            tuple(value for value in claims.values if value in useful),
            now,
            expires,
        )
        secret = self.read_access().sign_ins.open_session(session)
        log_event("signed_in", person, address=address)
        return self.sessions.sign({"sign_in": secret}), max(0, int((expires - now).total_seconds()))

    def close_session(self, cookie: str) -> bool:
        """End the session of a cookie for good; returns whether a provider opened it."""
        secret = (self.sessions.read(cookie) or {}).get("sign_in", "")
        return bool(secret) and self.read_access().sign_ins.end_session(secret)

    def _require_desk(self) -> SignInDesk:
        if self.desk is None:
            raise AccessDeniedError(404, "nobody signs in by a provider here")
        return self.desk

    def _recognise_token(self, address: str, secret: str) -> Actor:
        token = self._find_token(address, secret)
        self.read_access().mark_used(token)
        return _describe_actor(token, "token")

    def _find_token(self, address: str, secret: str) -> AccessToken:
        token = self.read_access().find_token(secret) if secret else None
        now = self.clock()
        if token is None or token.revoked or token.expires <= now:
            self.failures.record_failure(address)
            fault = "is not known" if token is None else "was revoked" if token.revoked else "has expired"
            reason = f"the token {fault}; ask an admin for another"
            log_event("token_refused", address=address, about=token.id if token else "", reason=reason)
            if wait := self.failures.wait_for(address):
                log_event("locked_out", address=address, reason=f"for {wait} s, after wrong tokens")
            raise AccessDeniedError(401, reason)
        self.failures.record_success(address)
        return token

    def _recognise_session(self, cookie: str) -> Actor | None:
        content = self.sessions.read(cookie) or {}
        if secret := content.get("sign_in", ""):
            return self._recognise_person(secret)
        name = content.get("token", "")
        token = next((item for item in self.read_access().list_tokens() if item.id == name), None)
        if token is None or token.revoked or token.expires <= self.clock():
            return None
        return _describe_actor(token, "session")

    def _recognise_person(self, secret: str) -> Actor | None:
        session = self.read_access().sign_ins.find_session(secret)
        if self.desk is None or session is None or session.ended or session.expires <= self.clock():
            return None
        if session.issuer != self.desk.provider.settings.issuer:
            return None
        # By the rules of now: who loses a role here loses it at once.
        grants = self.desk.settings.list_grants(session.subject, session.email, session.roles)
        identity = Identity(session.name, "session", session.issuer, session.subject)
        return Actor(grants, identity) if grants else None

    def _check_host(self, headers: Mapping[str, str], address: str) -> None:
        """Refuse other names of this machine: a page elsewhere may have pointed its own name here."""
        name = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if name not in _LOCAL_HOSTS:
            reason = f"{name[:100]!r} is no name of this machine; use 127.0.0.1"
            log_event("host_refused", address=address, about=name, reason=reason)
            raise AccessDeniedError(421, reason)


def _describe_actor(token: AccessToken, way: Way) -> Actor:
    grant = Grant(parse_role(token.role), token.pipelines)
    return Actor((grant,), Identity(token.actor, way, token=token.id))


def _read_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in a container
        return "local"
