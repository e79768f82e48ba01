"""Receivers on this machine: a server that keeps what it was asked and answers as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """One answer; a status of 0 closes the connection without one."""

    status: int = 200
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Receiving:
    """A server: what it was asked, and how it answers."""

    address: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], Reply] = lambda asked: Reply()

    def events(self) -> list[dict[str, Any]]:
        """All CloudEvents that arrived, repetitions too."""
        return [event for item in self.asked if item.method == "POST" for event in item.json]


@contextmanager
def run_receiver() -> Iterator[Receiving]:
    """A server on a free port; what is answered with an error counts as asked, too."""
    receiving = Receiving()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            reply = receiving.answer(asked)
            receiving.asked.append(asked)
            if not reply.status:
                self.close_connection = True
                return
            content = b"" if reply.content is None else json.dumps(reply.content).encode()
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(content)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_DELETE = do_OPTIONS = do_POST

        def log_message(self, *arguments: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        receiving.address = f"http://127.0.0.1:{server.server_port}"
        yield receiving
        server.shutdown()
        thread.join()
