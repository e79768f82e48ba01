"""A real server of an application on a free port, and a client that asks it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn


@contextmanager
def answering(
    app: Any, headers: Mapping[str, str] | None = None, listener: socket.socket | None = None
) -> Iterator[httpx.Client]:
    """A real server of `app` on a free port, or on that of `listener`, and a client that asks it."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    started = threading.Event()
    startup = server.startup

    async def start_and_signal(sockets: Any = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = start_and_signal  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, args=([listener] if listener else None,), daemon=True)
    thread.start()
    try:
        assert started.wait(30)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, headers=headers) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
