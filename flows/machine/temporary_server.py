"""A Prefect server for one command: started first, so that it gets ready while the command imports and reads.

Where no server is configured, Prefect starts one itself when a flow begins, and waits for it: ten seconds in
which nothing else happens. This one is started before the flow is imported. The listening socket is made
here, so the address is known at once, and a request that comes too early waits in its queue. The runs are
recorded in the database of the home folder, where the server of ``pynomaly up`` finds them.

Server and command need the same half of Prefect. On Linux the server is a fork of the command that has just
imported that half, so it is read once. A fork copies one thread: elsewhere, and in a process of several
threads, the server is a program of its own (``python -m flows.machine.temporary_server SOCKET``).

Either ends when a pipe from the command closes, thus also when the command is killed. It writes what it
still holds to the database first.
"""

from __future__ import annotations

import gc
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from flows.machine.environment import make_prefect_database
from flows.machine.leave_database import leave_database
from pynomaly.errors import RecordError

__all__ = ["TemporaryServer", "choose_services", "pause_garbage_collection", "run_temporary_server"]

READY_S = 180.0
"""Longest wait for the server, in seconds: a new database may take half a minute of migrations."""

GRACE_S = 15.0
"""Seconds that the server has to write what it holds before it is killed."""

QUEUES_S = 5.0
"""Longest wait, in seconds, for events that are queued in the server when it is to end."""

R = TypeVar("R")

_HOST = "127.0.0.1"
_USED_ROUTERS = (
    "/admin",
    "/csrf-token",
    "/flows",
    "/flow_runs",
    "/artifacts",
    "/logs",
    "/events",
    "/task_runs",
)
"""Prefixes of the routers that answer a run's requests."""

_REFRESH = "refresh_global_settings_context"
"""Name of Prefect's function that reads the environment again; without it the server is not forked."""

_SETTINGS = {
    "PREFECT_UI_ENABLED": "false",
    "PREFECT__SERVER_EPHEMERAL": "1",  # as Prefect's own server for one process: no scheduler, no late runs
    "PREFECT__SERVER_FINAL": "1",
}


class TemporaryServer:
    """A server process that has been started and may not be ready yet.

    Attributes
    ----------
    api_url : str
        Address of its API.
    served : bool
        Whether this process has had such a server, so that it was this that imported Prefect.
    """

    served = False

    def __init__(self) -> None:
        with pause_garbage_collection():
            import prefect.context  # noqa: F401  # a fork of this process then has it as well
        with socket.create_server((_HOST, 0)) as listener:
            self.api_url = f"http://{_HOST}:{listener.getsockname()[1]}/api"
            start = _ForkedServer if _is_fork_safe() else _SpawnedServer
            self._process: _ForkedServer | _SpawnedServer = start(listener.fileno())

    def wait_until_ready(self) -> None:
        """Wait until the server answers.

        Raises
        ------
        RecordError
            If it ends instead, or does not answer within `READY_S` seconds.
        """
        import httpx  # imported late: Prefect brings it in while the server starts

        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.api_url}/health", timeout=5.0).status_code == httpx.codes.OK:
                    return
                time.sleep(0.1)
        status = self._process.poll()
        failure = f"ended with {status}" if status is not None else f"did not answer within {READY_S:g} s"
        raise RecordError(
            f"Prefect's server for this command {failure}; PREFECT_SERVER_LOGGING_LEVEL=INFO shows its log, "
            "and `pynomaly up` runs one for all commands"
        )

    def run(self, flow: Callable[[], R]) -> R:
        """Run `flow` on this server, and send what its run still holds, so that the server can end.

        No heartbeats are sent: nobody watches them here, and their thread takes up to a second to end.
        """
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker
        from prefect.settings import (
            PREFECT_API_URL,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
            temporary_settings,
        )

        self.wait_until_ready()
        # Prefect read its settings when it was imported: for an earlier flow of this process, perhaps.
        settings = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_API_URL: self.api_url}
        try:
            with temporary_settings(settings):
                return flow()
        finally:
            EventsWorker.drain_all(timeout=GRACE_S)
            APILogWorker.drain_all(timeout=GRACE_S)

    def stop(self) -> None:
        """End the server after it has written what it holds; it is killed after `GRACE_S` seconds."""
        self._process.close_input()
        if self._process.wait(GRACE_S) is None:
            self._process.kill()


def choose_services(database: Path) -> dict[str, str]:
    """Return settings that leave out what evaluates automations if Prefect's `database` holds none.

    Empty where there are some, and where it cannot be told: settings of Prefect may name another database.
    """
    if any(name.startswith("PREFECT_") and "DATABASE" in name for name in os.environ):
        return {}
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM automation").fetchone()
    except sqlite3.Error:
        return {}
    return {} if count else {"PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false"}


def _read_settings() -> dict[str, str]:
    home = os.environ.get("PREFECT_HOME")
    return _SETTINGS | (choose_services(Path(home) / "prefect.db") if home else {})


class _SpawnedServer:
    """A server that is a program of its own; `number` is the descriptor of its listening socket."""

    def __init__(self, number: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "flows.machine.temporary_server", str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(number,),
            start_new_session=True,  # Ctrl-C is for the command, which then ends its server
            env={**os.environ, **_read_settings()},
        )

    def poll(self) -> int | None:
        return self._process.poll()

    def close_input(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    def wait(self, seconds: float) -> int | None:
        """Return the exit status, or None if it still runs after `seconds`."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class _ForkedServer:
    """A server that is a fork of this process, which has one thread and has imported Prefect."""

    def __init__(self, number: int) -> None:
        reading, self._writing = os.pipe()
        self._process = get_context("fork").Process(
            target=_serve_in_fork, args=(number, reading, self._writing), daemon=True
        )
        self._process.start()
        os.close(reading)

    def poll(self) -> int | None:
        return self._process.exitcode

    def close_input(self) -> None:
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1

    def wait(self, seconds: float) -> int | None:
        """Return the exit status, or None if it still runs after `seconds`."""
        self._process.join(seconds)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def _is_fork_safe() -> bool:
    """Returns whether this process has imported Prefect and a fork of it, one thread, is whole."""
    context = sys.modules.get("prefect.context")
    return sys.platform == "linux" and threading.active_count() == 1 and hasattr(context, _REFRESH)


def _serve_in_fork(number: int, reading: int, writing: int) -> None:
    """Be the server: leave the command's terminal and settings, and serve until the pipe closes."""
    os.setsid()  # Ctrl-C is for the command, which then ends its server
    os.close(writing)
    os.dup2(reading, 0)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.environ.update(_read_settings())
    _refresh_settings()
    serve_until_input_closes(number)


def _refresh_settings() -> None:
    """Let Prefect, if it is imported, read the environment again."""
    if refresh := getattr(sys.modules.get("prefect.context"), _REFRESH, None):
        refresh()


@contextmanager
def pause_garbage_collection() -> Iterator[None]:
    """Collect no garbage in the body, nor what it leaves: a fifth less time for large imports."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def run_temporary_server(home: Path) -> Iterator[TemporaryServer | None]:
    """Start a server for the flows of this process; yields None where Prefect has one or has to choose.

    Parameters
    ----------
    home : Path
        Where Prefect keeps its settings and its database: ``home/prefect``.
    """
    imported_elsewhere = "prefect" in sys.modules and not TemporaryServer.served
    if "PREFECT_API_URL" in os.environ or imported_elsewhere or _has_own_settings(home):
        yield None
        return
    make_prefect_database(home)
    server = TemporaryServer()
    TemporaryServer.served = True
    os.environ["PREFECT_API_URL"] = server.api_url
    _refresh_settings()
    try:
        yield server
    finally:
        del os.environ["PREFECT_API_URL"]
        _refresh_settings()
        server.stop()


def _has_own_settings(home: Path) -> bool:
    """Returns whether a profile or a file of the working directory holds settings of Prefect.

    They may name a server, so Prefect reads them and decides.
    """
    if any(name in os.environ for name in ("PREFECT_PROFILES_PATH", "PREFECT_PROFILE")):
        return True
    files = [Path("prefect.toml"), Path(".env"), Path("pyproject.toml"), home / "prefect" / "profiles.toml"]
    for file in files:
        with suppress(OSError):
            if "prefect" in file.read_text(encoding="utf-8", errors="replace").lower():
                return True
    return False


def serve_until_input_closes(number: int) -> None:
    """Serve Prefect's API on the inherited socket `number` until standard input closes."""
    with pause_garbage_collection():
        import uvicorn
        from prefect.server.api import server as prefect_server
        from prefect.server.database import configurations

        # FastAPI prepares the routes of a router when a request first passes it: 1 s for all of them.
        by_use = sorted(prefect_server.API_ROUTERS, key=lambda router: router.prefix not in _USED_ROUTERS)
        prefect_server.API_ROUTERS = tuple(by_use)
        gc.freeze()  # the app's own collection then passes over a million objects less
        app = prefect_server.create_app()
        # Each client of a service of the server asks for this app, by a hash of every setting.
        prefect_server.create_app = lambda *_, **__: app
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=5))

    def watch_input() -> None:
        while os.read(0, 1024):
            pass
        _wait_for_queues()
        leave_database(list(configurations.ENGINES.values()), QUEUES_S)
        server.should_exit = True

    threading.Thread(target=watch_input, daemon=True).start()
    server.run(sockets=[socket.socket(fileno=number)])


def _wait_for_queues() -> None:
    """Wait until the services have taken every event: what lies in their queues at the end is lost."""
    from prefect.server.utilities.messaging.memory import METRICS

    deadline = time.monotonic() + QUEUES_S
    while time.monotonic() < deadline:
        if all(counts["consumed"] >= counts["published"] for counts in tuple(METRICS.values())):
            return
        time.sleep(0.02)


if __name__ == "__main__":
    serve_until_input_closes(int(sys.argv[1]))
