"""Requests have bounds: slow bodies, slow answers, long addresses and large headers end with a reason."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from starlette.types import Message, Receive, Scope, Send

from pynomaly.console.access import middleware
from pynomaly.console.access.bounded_exchange import BoundedExchange, Bounds
from pynomaly.console.app import create_console
from pynomaly.console.pipelines import Pipelines
from tests.console.conftest import SECRET, first_alert, place_of
from tests.servers import answering

POST: Scope = {"type": "http", "method": "POST", "path": "/"}
GET: Scope = {"type": "http", "method": "GET", "path": "/"}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Wire:
    """What a client sends, and what it gets."""

    def __init__(self, clock: Clock, *, seconds: float = 1.0, size: int = 1, chunks: int = 10) -> None:
        self.clock, self.seconds, self.size, self.left = clock, seconds, size, chunks
        self.taken = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        self.clock.now += self.seconds
        self.taken, self.left = self.taken + 1, self.left - 1
        return {"type": "http.request", "body": b"x" * self.size, "more_body": self.left > 0}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def problem(self) -> dict[str, Any]:
        return dict(orjson.loads(self.sent[1]["body"]))


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads its body and says how large it is."""
    size, is_more = 0, True
    while is_more:
        message = await receive()
        size, is_more = size + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def shrug(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers a body that ends early as one that is wrong."""
    try:
        await read_all(scope, receive, send)
    except Exception:  # as frameworks do
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


@pytest.mark.parametrize("app", [read_all, shrug])
@pytest.mark.parametrize(
    ("seconds", "size", "status", "taken"),
    [(1.0, 1, 408, 3), (1.0, 10, 200, 10), (0.1, 1, 200, 10), (0.1, 100, 413, 6)],
)
def test_a_body_comes_in_time_and_is_not_too_large(
    app: Any, seconds: float, size: int, status: int, taken: int
) -> None:
    clock = Clock()
    wire = Wire(clock, seconds=seconds, size=size)
    exchange = BoundedExchange(POST, wire.receive, wire.send, 500, Bounds(2.5, 10.0), clock)
    asyncio.run(exchange.run(app))
    assert (wire.status, wire.taken) == (status, taken)
    assert len(wire.sent) == 2
    if status != 200:
        assert wire.problem["status"] == status


def test_a_client_that_falls_silent_is_not_waited_for() -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    wire = Wire(Clock())
    exchange = BoundedExchange(POST, receive, wire.send, 500, Bounds(body_s=0.01))
    asyncio.run(exchange.run(read_all))
    assert wire.status == 408
    assert "no silence of 0.01 s" in wire.problem["detail"]


def test_an_answer_that_does_not_begin_is_given_up_and_its_work_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ends: list[str] = []

    async def run() -> Wire:
        may_go, has_ended = asyncio.Event(), asyncio.Event()

        async def work(scope: Scope, receive: Receive, send: Send) -> None:
            await may_go.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            ends.append("done")
            has_ended.set()
            raise ValueError("a defect")

        wire = Wire(Clock())
        await BoundedExchange(GET, wire.receive, wire.send, 500, Bounds(read_s=0.01)).run(work)
        assert ends == []
        may_go.set()
        await has_ended.wait()
        return wire

    with caplog.at_level(logging.ERROR):
        wire = asyncio.run(run())
    assert (wire.status, len(wire.sent), ends) == (503, 2, ["done"])
    assert "may still be done" in wire.problem["detail"]
    assert "GET / failed after its time" in caplog.text


def test_an_answer_that_has_begun_goes_on() -> None:
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        clock.now += 1e6
        await send({"type": "http.response.body", "body": b"late"})

    clock = Clock()
    wire = Wire(clock)
    asyncio.run(BoundedExchange(GET, wire.receive, wire.send, 500, Bounds(), clock).run(stream))
    assert [item.get("body") for item in wire.sent] == [None, b"late"]


def test_a_defect_is_told_to_the_server() -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("a defect")

    wire = Wire(Clock())
    with pytest.raises(ValueError, match="a defect"):
        asyncio.run(BoundedExchange(GET, wire.receive, wire.send, 500, Bounds()).run(fail))
    assert wire.sent == []


@pytest.mark.server
def test_a_slow_body_ends_with_408_on_the_wire(local: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BOUNDS", Bounds(body_s=0.05))
    place = f"/api/v1{place_of(first_alert(local))}/comments"
    with socket.create_connection((local.base_url.host, local.base_url.port or 80), 30) as connection:
        head = f"POST {place} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        connection.sendall(f'{head}content-length: 100\r\n\r\n{{"text"'.encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    assert b"content-security-policy" in answer
    assert b"7 bytes so far" in answer


@pytest.mark.server
def test_a_slow_handler_ends_with_503(configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BOUNDS", Bounds(read_s=0.2))
    may_go = threading.Event()
    app = create_console(Pipelines([configs]), SECRET)
    app.add_api_route("/api/v1/slow", lambda: may_go.wait(30) and {})
    try:
        with answering(app) as client:
            late = client.get("/api/v1/slow")
            assert (late.status_code, late.headers["content-type"]) == (503, "application/problem+json")
            assert late.headers["retry-after"] == "5"
            assert "no answer within 0.2 s" in late.json()["detail"]
            may_go.set()
    finally:
        may_go.set()


@pytest.mark.server
def test_addresses_and_headers_have_bounds(local: httpx.Client) -> None:
    long = local.get("/alerts", params={"words": "x" * 9000})
    assert (long.status_code, "8000 characters" in long.json()["detail"]) == (414, True)
    large = local.get("/alerts", headers={"x-a": "x" * 20_000, "x-b": "x" * 20_000})
    assert (large.status_code, "32000 bytes" in large.json()["detail"]) == (431, True)
