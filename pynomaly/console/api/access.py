"""Routes of access: who I am, tokens, and the stream of changes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import ConfigDict, Field

from pynomaly.console.access.actors import Role
from pynomaly.console.access.security_events import log_event
from pynomaly.console.api.routing import PROBLEMS, ApiRoute, AskedBy
from pynomaly.console.context import Asked, get_asked
from pynomaly.console.schemas import Shown
from pynomaly.console.wishes import Taken
from pynomaly.errors import UnknownNameError
from pynomaly.records.ledger import AccessToken

__all__ = ["router"]

_STREAM_SECONDS = 600.0
"""How long a stream of changes goes on: a token that was revoked meanwhile hears no more."""

router = APIRouter(tags=["access"], route_class=ApiRoute, responses=PROBLEMS)


class Me(Shown):
    """Who asks, and with which roles."""

    name: str
    way: str
    issuer: str = Field(description="the provider that vouches for them; empty: none does")
    subject: str = Field(description="what it calls them for good")
    grants: tuple[dict[str, str | tuple[str, ...]], ...]


class TokenShown(Shown):
    """A token without its secret."""

    id: str
    name: str
    actor: str
    role: Role
    pipelines: tuple[str, ...]
    created: datetime
    expires: datetime
    revoked: datetime | None
    used: datetime | None

    @classmethod
    def of_token(cls, token: AccessToken) -> TokenShown:
        """Return what may be shown of a token."""
        return cls(**vars(token))


class NewToken(Taken):
    """A token to be made."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "phone", "actor": "ann", "role": "analyst"}}
    )

    name: str = Field(min_length=1, max_length=200, description="what it is for")
    actor: str = Field(min_length=1, max_length=200, description="who acts by it, as the ledger shows them")
    role: Role = "viewer"
    pipelines: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field(("*",), min_length=1)
    days: int = Field(90, ge=1, le=730, description="until it expires")


class TokenMade(Shown):
    """A token with its secret, which is shown this once."""

    token: TokenShown
    secret: str


@router.get("/me", summary="Who asks, and with which roles")
def show_me(asked: AskedBy) -> Me:
    """Return the actor."""
    grants = tuple({"role": item.role, "pipelines": item.pipelines} for item in asked.actor.grants)
    identity = asked.actor.identity
    return Me(
        name=identity.name,
        way=identity.way,
        issuer=identity.issuer,
        subject=identity.subject,
        grants=grants,
    )


@router.get("/tokens", summary="Every token without its secret; for an admin")
def list_tokens(asked: AskedBy) -> tuple[TokenShown, ...]:
    """Return the tokens."""
    asked.require_admin()
    return tuple(TokenShown.of_token(item) for item in asked.console.doorkeeper.read_access().list_tokens())


@router.post("/tokens", summary="Make a token; for an admin", status_code=201)
def make_token(asked: AskedBy, wish: NewToken) -> TokenMade:
    """Make a token; its secret is in this answer alone."""
    asked.require_admin()
    access, expires = asked.console.doorkeeper.read_access(), asked.now + timedelta(days=wish.days)
    token, secret = access.create_token(wish.name, wish.actor, wish.role, wish.pipelines, expires)
    granted = f"{token.role} of {', '.join(token.pipelines)} for {token.actor}, until {expires:%Y-%m-%d}"
    who, address = asked.actor.identity, asked.address
    log_event("token_made", who, address=address, about=token.id, reason=granted)
    return TokenMade(token=TokenShown.of_token(token), secret=secret)


@router.delete("/tokens/{token}", summary="Revoke a token; for an admin")
def revoke_token(asked: AskedBy, token: str) -> TokenShown:
    """Revoke a token at once and for good."""
    asked.require_admin()
    access = asked.console.doorkeeper.read_access()
    if access.revoke_token(token):
        log_event("token_revoked", asked.actor.identity, address=asked.address, about=token)
    for item in access.list_tokens():
        if item.id == token:
            return TokenShown.of_token(item)
    raise UnknownNameError(f"no token {token!r}")


@router.get(
    "/events",
    summary="New and changed alerts and decisions, as server-sent events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_changes(request: Request) -> StreamingResponse:
    """Send changes as they are recorded; ``reset`` says to read again."""
    asked = get_asked(request)
    return StreamingResponse(
        _format_changes(asked, request),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _format_changes(asked: Asked, request: Request) -> AsyncIterator[bytes]:
    yield b": listening\n\n"
    until = time.monotonic() + _STREAM_SECONDS
    async for change in asked.console.changes.listen():
        if time.monotonic() > until or await request.is_disconnected():
            return  # a browser comes again by itself, and is asked who it is
        if change is None:
            yield b": still here\n\n"
        elif not change.pipeline or asked.actor.may("viewer", change.pipeline):
            yield b"event: " + change.kind.encode() + b"\ndata: " + orjson.dumps(change.content) + b"\n\n"
