"""``pynomaly up``: runs Prefect's and MLflow's servers, the console and the deployments as child processes.

Everything listens on loopback. State lies under the home folder, or in PostgreSQL: Prefect's at
``$PREFECT_SERVER_DATABASE_CONNECTION_URL``, MLflow's where the pipelines keep theirs (``records.tracking``
or ``$PYNOMALY_TRACKING``). The servers get addresses through their environment, never on a command line,
where any user could read a password. Each child is ended by its process id; a guard process
(:mod:`flows.machine.parent_guard`) ends it when this process is killed.
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

from flows.machine.addresses import (
    find_shared_artifact_root,
    find_shared_tracking_uri,
    read_prefect_database_url,
)
from flows.machine.environment import (
    RunningServers,
    configure_environment,
    find_running_servers,
    make_prefect_database,
)
from pynomaly.config import list_pipeline_files, load_pipeline
from pynomaly.errors import ConfigError, RecordError

__all__ = [
    "find_free_port",
    "run_console_server",
    "run_deployments",
    "run_mlflow_server",
    "run_prefect_server",
    "run_servers",
]

_HOST = "127.0.0.1"


def find_free_port(wanted: int = 0, *, name: str = "server") -> int:
    """Returns `wanted` if no process listens there, or any free port for 0.

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
def _run_child(
    command: list[str], log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a child in its own process group; it ends with all its children, also if this process is killed."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        child = subprocess.Popen(
            [sys.executable, "-m", "flows.machine.parent_guard", *command],
            stdout=sink,
            stderr=subprocess.STDOUT,
            stdin=subprocess.PIPE,  # nothing is written to it: when it closes, the child knows that we ended
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
    try:
        yield child
    finally:
        _end_child(child)


def _end_child(child: subprocess.Popen[bytes], grace_s: float = 20.0) -> None:
    """Send SIGTERM to the child's process group, and SIGKILL after `grace_s` seconds.

    SIGTERM, not SIGINT: children of a shell that started us in the background ignore SIGINT.
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


def _wait_for_server(url: str, child: subprocess.Popen[bytes], log: Path, within_s: float) -> None:
    """Wait until `url` answers with status 200.

    Raises
    ------
    RecordError
        If the child ends first, or after `within_s` seconds; the message holds the last lines of the log.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2) as response:  # nosec B310  # http to our own child
                if response.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    failure = (
        f"ended with {child.returncode}"
        if child.poll() is not None
        else f"did not answer within {within_s:g} s"
    )
    raise RecordError(f"{url}: the server {failure}; the end of {log}:\n{tail}")


@contextmanager
def run_prefect_server(home: Path, port: int = 0, within_s: float = 180.0) -> Iterator[str]:
    """Run Prefect's server on its database, or on ``home/prefect``; yields its address, without ``/api``."""
    port = find_free_port(port, name="Prefect")
    address, log = f"http://{_HOST}:{port}", home / "logs" / "prefect.log"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", _HOST, "--port", str(port)]
    settings = {
        "PREFECT_UI_API_URL": f"{address}/api",
        "PREFECT_API_URL": f"{address}/api",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_LEVEL": "INFO",
    }
    if database := read_prefect_database_url():
        settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database
    else:
        make_prefect_database(home)
    with _run_child(command, log, settings) as child:
        _wait_for_server(f"{address}/api/health", child, log, within_s)
        yield address


@contextmanager
def run_mlflow_server(
    home: Path, port: int = 0, within_s: float = 180.0, store: str = "", artifacts: str = ""
) -> Iterator[str]:
    """Run MLflow's server on a database and a file store, or on ``home/mlflow``; yields its address."""
    from pynomaly.records.registry import Registry

    port = find_free_port(port, name="MLflow")
    store = store or f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
    # Creates the database here: several processes that create it at once would all fail.
    Registry.open(store, home, artifacts)
    address, log = f"http://{_HOST}:{port}", home / "logs" / "mlflow.log"
    command = [sys.executable, "-m", "mlflow", "server", "--host", _HOST, "--port", str(port)]
    settings = {
        "MLFLOW_BACKEND_STORE_URI": store,
        "MLFLOW_ARTIFACTS_DESTINATION": artifacts or str(home / "mlflow" / "artifacts"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with _run_child([*command, "--workers", "1"], log, settings) as child:
        _wait_for_server(f"{address}/health", child, log, within_s)
        yield address


@contextmanager
def run_console_server(
    home: Path, configs: Path, prefect: str, mlflow: str, port: int = 0, within_s: float = 120.0
) -> Iterator[str]:
    """Run the console over the pipelines of a folder; yields its address."""
    port = find_free_port(port, name="the console")
    address, log = f"http://{_HOST}:{port}", home / "logs" / "console.log"
    command = [sys.executable, "-m", "flows.cli", "console", str(configs.resolve()), "--port", str(port)]
    settings = {"PYNOMALY_PREFECT_PAGES": prefect, "PYNOMALY_MLFLOW_PAGES": mlflow}
    with _run_child(command, log, settings) as child:
        _wait_for_server(f"{address}/healthz", child, log, within_s)
        yield address


@contextmanager
def run_deployments(
    home: Path, configs: Path, prefect: str, mlflow: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the process that registers the deployments and starts their runs; yields it."""
    log = home / "logs" / "deployments.log"
    command = [sys.executable, "-m", "flows.serve", str(configs.resolve())]
    settings = {
        "PREFECT_API_URL": f"{prefect}/api",
        "PYNOMALY_MLFLOW_PAGES": mlflow,
        "PREFECT_LOGGING_LEVEL": "INFO",
    }
    with _run_child(command, log, settings) as child:
        yield child


def run_servers(home: Path, configs: Path, prefect_port: int, mlflow_port: int, console_port: int) -> None:
    """Start everything, print three addresses, and stop everything on Ctrl-C.

    Raises
    ------
    ConfigError
        If there is nothing to deploy, a port is taken, another `run_servers` serves this home, or the
        pipelines keep their models in more than one place.
    RecordError
        If a server does not start; the message quotes its log.
    """
    servers = find_running_servers(home)
    if servers is not None:
        raise ConfigError(
            f"process {servers.pid} serves {home} already: {servers.prefect} and {servers.mlflow}"
        )
    files = list_pipeline_files(configs)
    if not files:
        raise ConfigError(f"no pipeline YAML in {str(configs)!r}; `pynomaly init DATA` writes one")
    pipelines = [load_pipeline(file) for file in files]
    tracking, artifacts = find_shared_tracking_uri(pipelines), find_shared_artifact_root(pipelines)
    configure_environment(home)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _raise_interrupt)  # also where a shell had this process ignore it
    with ExitStack() as stack:
        try:
            typer.echo(f"starting under {home} (the first time takes about a minute) ...")
            prefect = stack.enter_context(run_prefect_server(home, prefect_port))
            typer.echo(f"Prefect  {prefect}   flows, deployments, runs")
            if tracking.startswith("http"):  # a server of the team's own
                mlflow = tracking
            else:
                serve = run_mlflow_server(home, mlflow_port, store=tracking, artifacts=artifacts)
                mlflow = stack.enter_context(serve)
            typer.echo(f"MLflow   {mlflow}   experiments, models")
            serve_console = run_console_server(home, configs, prefect, mlflow, console_port)
            console = stack.enter_context(serve_console)
            typer.echo(f"Console  {console}   alerts, decisions, the fleet")
            deployments = stack.enter_context(run_deployments(home, configs, prefect, mlflow))
            RunningServers(os.getpid(), prefect, mlflow).write(home)
            stack.callback(RunningServers.file(home).unlink, missing_ok=True)
            typer.echo("deployments are being served; Ctrl-C stops everything")
            deployments.wait()
            raise RecordError(f"the deployments stopped; see {home / 'logs' / 'deployments.log'}")
        except KeyboardInterrupt:
            typer.echo("stopping ...")
    typer.echo("stopped")


def _raise_interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
