"""A web hook of this machine, for messages that must arrive."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["listening"]


@contextmanager
def listening() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its ``host:port``, and what it was told."""
    messages: list[dict[str, Any]] = []

    class Listens(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listens)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", messages
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
