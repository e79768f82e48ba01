"""``pynomaly up``: Prefect's server, MLflow's server and the deployments as child processes.

Everything listens on loopback and keeps its state under the home folder. Children are ended by their own
process id when this process ends, however it ends: each runs on a leash (:mod:`flows.leash`).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import typer

from flows.environment import Running, enter, running
from pynomaly.errors import ConfigError, RecordError

__all__ = ["free_port", "mlflow_server", "prefect_server", "served_deployments", "up"]

_HOST = "127.0.0.1"


def free_port(wanted: int = 0, *, name: str = "server") -> int:
    """`wanted` if nobody listens there, or any free port for 0.

    Raises
    ------
    ConfigError
        If the wanted port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, wanted))
        except OSError as error:
            raise ConfigError(
                f"{name} cannot listen on {_HOST}:{wanted}: {error.strerror}; choose another port"
            ) from error
        return int(probe.getsockname()[1])


@contextmanager
def _child(
    command: list[str], log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a process group of its own, ended with all it started, also if this process is killed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        child = subprocess.Popen(
            [sys.executable, "-m", "flows.leash", *command],
            stdout=sink,
            stderr=subprocess.STDOUT,
            stdin=subprocess.PIPE,  # nothing is ever written: its end tells the child that we are gone
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
    try:
        yield child
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes], grace_s: float = 20.0) -> None:
    """Ask the child's group to end; after `grace_s` make it.

    SIGTERM, not SIGINT: a shell that starts us in the background has its children ignore the latter.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(grace_s)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdin is not None:
        child.stdin.close()


def _await(url: str, child: subprocess.Popen[bytes], log: Path, within_s: float) -> None:
    """Wait until `url` answers 200.

    Raises
    ------
    RecordError
        If the child ends first, or the time is up; the log's last lines are in the message.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # nosec B310  # http to our own child
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    ended = (
        f"ended with {child.returncode}"
        if child.poll() is not None
        else f"did not answer within {within_s:g} s"
    )
    raise RecordError(f"{url}: the server {ended}; the end of {log}:\n{tail}")


@contextmanager
def prefect_server(home: Path, port: int = 0, within_s: float = 180.0) -> Iterator[str]:
    """Prefect's server over ``home/prefect``; yields its address, without ``/api``."""
    port = free_port(port, name="Prefect")
    address, log = f"http://{_HOST}:{port}", home / "logs" / "prefect.log"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", _HOST, "--port", str(port)]
    settings = {
        "PREFECT_UI_API_URL": f"{address}/api",
        "PREFECT_API_URL": f"{address}/api",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_LEVEL": "INFO",
    }
    with _child(command, log, settings) as child:
        _await(f"{address}/api/health", child, log, within_s)
        yield address


@contextmanager
def mlflow_server(home: Path, port: int = 0, within_s: float = 180.0, store: str = "") -> Iterator[str]:
    """MLflow's server over ``home/mlflow``, or the database at `store`; yields its address."""
    from pynomaly.records.registry import Registry

    port = free_port(port, name="MLflow")
    store = store or f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
    Registry.open(store, home)  # several processes creating one database at once would all fail
    address, log = f"http://{_HOST}:{port}", home / "logs" / "mlflow.log"
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        _HOST,
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(home / "mlflow" / "artifacts")]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with _child(command, log, settings) as child:
        _await(f"{address}/health", child, log, within_s)
        yield address


@contextmanager
def served_deployments(
    home: Path, configs: Path, prefect: str, mlflow: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The process that registers the deployments and starts their runs."""
    log = home / "logs" / "deployments.log"
    command = [sys.executable, "-m", "flows.serve", str(configs.resolve())]
    settings = {
        "PREFECT_API_URL": f"{prefect}/api",
        "PYNOMALY_MLFLOW_PAGES": mlflow,
        "PREFECT_LOGGING_LEVEL": "INFO",
    }
    with _child(command, log, settings) as child:
        yield child


def up(home: Path, configs: Path, prefect_port: int, mlflow_port: int) -> None:
    """Start everything, print both addresses, and stop everything on Ctrl-C.

    Raises
    ------
    ConfigError
        If there is nothing to deploy, a port is taken, or another `up` serves this home.
    RecordError
        If a server does not start; its log is quoted.
    """
    live = running(home)
    if live is not None:
        raise ConfigError(f"process {live.pid} serves {home} already: {live.prefect} and {live.mlflow}")
    if not sorted(configs.glob("*.yaml")):
        raise ConfigError(f"no pipeline YAML in {str(configs)!r}; `pynomaly init DATA` writes one")
    enter(home)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)  # also where a shell had this process ignore it
    with ExitStack() as stack:
        try:
            typer.echo(f"starting under {home} (the first time takes about a minute) ...")
            prefect = stack.enter_context(prefect_server(home, prefect_port))
            typer.echo(f"Prefect  {prefect}   flows, deployments, runs")
            mlflow = stack.enter_context(mlflow_server(home, mlflow_port))
            typer.echo(f"MLflow   {mlflow}   experiments, models")
            deployments = stack.enter_context(served_deployments(home, configs, prefect, mlflow))
            Running(os.getpid(), prefect, mlflow).write(home)
            stack.callback(Running.file(home).unlink, missing_ok=True)
            typer.echo("deployments are being served; Ctrl-C stops everything")
            deployments.wait()
            raise RecordError(f"the deployments stopped; see {home / 'logs' / 'deployments.log'}")
        except KeyboardInterrupt:
            typer.echo("stopping ...")
    typer.echo("stopped")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
