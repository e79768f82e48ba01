"""What each route of the API has in common: ETags of reads, and answers kept for a repeated request."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.types import Message

from pynomaly.console.context import Asked, depend_on_asked, get_asked
from pynomaly.console.problems import build_problem
from pynomaly.console.schemas import Problem
from pynomaly.records.ledger import Access, AnsweredRequest

__all__ = ["PROBLEMS", "ApiRoute", "AskedBy", "Cursor", "Limit"]

AskedBy = Annotated[Asked, Depends(depend_on_asked)]
Limit = Annotated[int, Query(ge=1, le=500, description="items of a page")]
Cursor = Annotated[str, Query(max_length=400, description="`next` of the page before")]

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        401: "who asks is not known",
        403: "the role is missing",
        404: "nothing has this name",
        408: "the body came too slowly",
        409: "the state does not allow it",
        413: "the body is too large",
        414: "the address is too long",
        415: "the body is no JSON",
        422: "a field is wrong; it is named",
        429: "asked too often",
        431: "the headers are too large",
        503: "the records cannot be read or written now, or the answer takes too long",
    }.items()
}
_KEEP = timedelta(days=1)
"""How long the answer to a request with an Idempotency-Key is kept."""
_MAX_KEY = 200
_NEVER_KEPT = ("/api/v1/tokens",)
"""Routes whose answer holds a secret: it is on record nowhere."""


class ApiRoute(APIRoute):
    """A route whose reads carry an ETag, and whose writes can be repeated by ``Idempotency-Key``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that answers requests."""
        answer = super().get_route_handler()

        async def answer_once(request: Request) -> Response:
            if request.method == "GET":
                return _add_etag(request, await answer(request))
            key = request.headers.get("idempotency-key", "")
            if not key or request.url.path in _NEVER_KEPT:
                return await answer(request)
            if len(key) > _MAX_KEY:
                return build_problem(422, f"Idempotency-Key has {len(key)} characters; {_MAX_KEY} at most")
            access = get_asked(request).console.doorkeeper.read_access()
            place = f"{get_asked(request).actor.key}\n{request.method} {request.url.path}\n{key}"
            name = sha256(place.encode()).hexdigest()
            kept = await run_in_threadpool(access.find_answer, name)
            if kept is not None:
                return _repeat(kept, await _hash_request(request))
            hashed = _HashedRequest(request)
            response = await answer(hashed)
            await hashed.read_rest()
            await run_in_threadpool(_keep, access, name, hashed.digest, response)
            return response

        return answer_once


class _HashedRequest(Request):
    """A request whose body is hashed as it passes: none is held in memory for its hash."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.scope, self._receive_hashed, request._send)
        self._receive_from, self._hash, self._is_read = request.receive, _begin_hash(request), False

    @property
    def digest(self) -> str:
        """Hash of what was asked, once the body has been read."""
        return str(self._hash.hexdigest())

    async def _receive_hashed(self) -> Message:
        message = await self._receive_from()
        self._hash.update(message.get("body", b""))
        self._is_read = self._is_read or not message.get("more_body", False)
        return message

    async def read_rest(self) -> None:
        """Read what the route had no use for: it is asked, too."""
        while not self._is_read:
            await self._receive_hashed()


def _begin_hash(request: Request) -> Any:
    """Return the hash of what is asked before the body; the body alone where that is all."""
    query = request.url.query
    return sha256(query.encode() + b"\n" if query else b"")


async def _hash_request(request: Request) -> str:
    hashed = _HashedRequest(request)
    await hashed.read_rest()
    return hashed.digest


def _repeat(kept: AnsweredRequest, asked: str) -> Response:
    """Return the answer that was kept, unless it was to something else."""
    if kept.request != asked:
        return build_problem(422, "Idempotency-Key was used for another request")
    headers = {"Idempotent-Replayed": "true"}
    return Response(kept.answer, kept.status, media_type="application/json", headers=headers)


def _keep(access: Access, name: str, content: str, response: Response) -> None:
    """Record an answer that a repetition would get, too: nothing that fails for a while."""
    if response.status_code < 400:
        kept = AnsweredRequest(content, response.status_code, bytes(response.body))
        access.keep_answer(name, kept, _KEEP)


def _add_etag(request: Request, response: Response) -> Response:
    body = getattr(response, "body", None)
    if response.status_code != 200 or not isinstance(body, bytes):
        return response
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if etag in [item.strip() for item in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response
