"""One request and its answer within bounds: how large its body is, how long that takes, how long the answer.

A body that is too large ends with 413, one that comes too slowly with 408, and an answer that does not begin
in time with 503. Called by ``middleware.py``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pynomaly.console.problems import build_problem

__all__ = ["BoundedExchange", "Bounds"]

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_RETRY_SECONDS = 5
_log = logging.getLogger(__name__)
_late_tasks: set[asyncio.Future[None]] = set()
"""Work that goes on behind an answer that was given up; asyncio itself keeps no hold of it."""


@dataclass(frozen=True)
class Bounds:
    """How long requests may take.

    Attributes
    ----------
    body_s : float
        Seconds for which a client may be silent within a body.
    body_rate : float
        Bytes a second that a body must come at, on average, after its first `body_s`.
    read_s, write_s : float
        Seconds until the answer to a read or a write begins; more than `body_s`. An approval waits up to two
        minutes for another change of the champion, and then for the gate.
    """

    body_s: float = 30.0
    body_rate: float = 10_000.0
    read_s: float = 60.0
    write_s: float = 240.0

    def find_limit(self, method: str) -> float:
        """Return the seconds until the answer to a request begins."""
        return self.read_s if method in _SAFE_METHODS else self.write_s


class _CutOffError(Exception):
    """The rest of the body is not taken."""


class BoundedExchange:
    """A request that an application answers.

    Parameters
    ----------
    scope, receive, send
        Of ASGI.
    most : int
        Bytes of the body.
    bounds : Bounds
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        most: int,
        bounds: Bounds,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scope, self._receive_from, self._send_to = scope, receive, send
        self._most, self._bounds, self._clock = most, bounds, clock
        self._limit = bounds.find_limit(scope["method"])
        self._size, self._waited, self._moved = 0, 0.0, clock()
        self._is_complete, self._has_begun = False, False
        self._refusal: Response | None = None

    async def run(self, app: ASGIApp) -> None:
        """Let the application answer, or answer in its place; what it sends then goes nowhere."""
        task = asyncio.ensure_future(app(self._scope, self._receive, self._send))
        try:
            await self._wait_for(task)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            with suppress(_CutOffError):
                task.result()
        else:  # a thread cannot be stopped, and an action that is half done is worse than one that is late
            self._refusal = build_problem(
                503,
                f"no answer within {self._limit:g} s; what was asked may still be done: "
                f"read before you ask again",
                headers={"Retry-After": str(_RETRY_SECONDS)},
            )
            _late_tasks.add(task)
            task.add_done_callback(self._end_late)
        if self._refusal is not None and not self._has_begun:
            await self._refusal(self._scope, self._receive_from, self._send_to)

    async def _wait_for(self, task: asyncio.Future[None]) -> None:
        """Return once the application is done, or has not begun its answer in time."""
        while not task.done():
            rest = None if self._has_begun else self._moved + self._limit - self._clock()
            if rest is not None and rest <= 0:
                return
            await asyncio.wait({task}, timeout=rest)

    async def _receive(self) -> Message:
        if self._is_complete:
            return await self._receive_from()  # that the client goes, whenever that is
        allowed = self._bounds.body_s + self._size / self._bounds.body_rate - self._waited
        asked = self._clock()
        try:
            if allowed <= 0:
                raise TimeoutError
            async with asyncio.timeout(min(self._bounds.body_s, allowed)):
                message = await self._receive_from()
        except TimeoutError:
            self._refusal = build_problem(
                408,
                f"the body comes too slowly: {self._size} bytes so far; expected are "
                f"{self._bounds.body_rate:g} a second, and no silence of {self._bounds.body_s:g} s",
                headers={"Connection": "close"},
            )
            raise _CutOffError from None
        self._moved = self._clock()
        self._waited += self._moved - asked
        self._size += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        if self._size > self._most:
            self._refusal = build_problem(413, f"the body has more than {self._most} bytes")
            raise _CutOffError
        return message

    async def _send(self, message: Message) -> None:
        if self._refusal is None:
            self._has_begun = True
            await self._send_to(message)

    def _end_late(self, task: asyncio.Future[None]) -> None:
        _late_tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error(
                "%s %s failed after its time", self._scope["method"], self._scope["path"], exc_info=error
            )
