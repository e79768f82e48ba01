"""A command starts a Prefect server of its own where there is none, and leaves its runs in the home."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flows.machine.environment import RunningServers, configure_environment
from flows.machine.leave_database import leave_database
from flows.machine.temporary_server import (
    TemporaryServer,
    choose_services,
    run_temporary_server,
)

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that has not seen Prefect, in a folder without settings of it; nothing is started."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.delitem(sys.modules, "prefect", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        TemporaryServer, "__init__", lambda server: setattr(server, "api_url", "http://own/api")
    )
    monkeypatch.setattr(TemporaryServer, "stop", lambda server: None)


@pytest.mark.usefixtures("no_server")
def test_a_command_without_a_server_gets_its_own(tmp_path: Path) -> None:
    with run_temporary_server(tmp_path) as server:
        assert server is not None
        assert os.environ["PREFECT_API_URL"] == "http://own/api"
    assert "PREFECT_API_URL" not in os.environ


@pytest.mark.usefixtures("no_server")
def test_a_command_uses_the_server_of_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    RunningServers(os.getpid(), "http://127.0.0.1:4200", "http://127.0.0.1:5000").write(tmp_path)
    configure_environment(tmp_path)
    with run_temporary_server(tmp_path) as server:
        assert server is None
        assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize("file", ["prefect.toml", ".env", "pyproject.toml", "home/prefect/profiles.toml"])
def test_a_server_named_in_settings_of_prefect_is_left_to_prefect(file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('[tool.prefect.api]\nurl = "http://team:4200/api"\n')
    with run_temporary_server(tmp_path / "home") as server:
        assert server is None


@pytest.mark.usefixtures("no_server")
def test_other_tools_settings_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 110\n")
    with run_temporary_server(tmp_path / "home") as server:
        assert server is not None


def test_automations_are_evaluated_where_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_DATABASE_CONNECTION_URL", raising=False)
    file = tmp_path / "prefect.db"
    assert choose_services(file) == {}  # a server will make it
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE automation (id)")
        assert choose_services(file) == {"PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false"}
        database.execute("INSERT INTO automation VALUES (1)")
        database.commit()
    assert choose_services(file) == {}
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "postgresql+asyncpg://host/prefect")
    assert choose_services(file) == {}


@pytest.mark.parametrize("start", ["_ForkedServer", "_SpawnedServer"])
def test_the_server_ends_with_a_killed_command(start: str, tmp_path: Path) -> None:
    if start == "_ForkedServer" and sys.platform != "linux":
        pytest.skip("the server is forked on Linux alone")
    code = (
        "from flows.machine.temporary_server import TemporaryServer; import threading, time\n"
        f"threading.active_count = lambda: {1 if start == '_ForkedServer' else 2}\n"
        "server = TemporaryServer(); server.wait_until_ready()\n"
        f"assert type(server._process).__name__ == {start!r}\n"
        "print(server.api_url, flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert command.stdout is not None
    port = urlsplit(command.stdout.readline().strip()).port
    assert port is not None
    command.send_signal(signal.SIGKILL)
    command.wait()
    command.stdout.close()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return  # nobody listens any more
        time.sleep(0.2)
    pytest.fail("the server outlived its command")


@pytest.mark.flow
@pytest.mark.timeout(600)
def test_the_end_waits_for_connections_in_use_and_reports_no_cancellation(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Pool:
        logger = logging.getLogger("tests.pool")

        def __init__(self) -> None:
            self.in_use = [2, 1, 0]

        def checkedout(self) -> int:
            return self.in_use.pop(0)

    class Engine:
        def __init__(self, pool: Pool) -> None:
            self.pool, self.sync_engine = pool, self

    pool = Pool()
    leave_database([Engine(pool)], 5.0)
    assert not pool.in_use
    for error in (asyncio.CancelledError(), OSError("disk full")):
        try:
            raise error
        except BaseException:
            pool.logger.exception("Exception during reset or similar")
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["disk full"]


def test_runs_of_a_command_are_in_the_home_afterwards(
    pipeline_file: Callable[..., Path], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PYNOMALY_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "flows.cli", "reconcile", str(pipeline_file()), "--json"]
    answer = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)
    with closing(sqlite3.connect(home / "prefect" / "prefect.db")) as database:
        flows = database.execute(
            "select flow.name, run.state_type from flow_run run join flow on flow.id = run.flow_id"
        ).fetchall()
        tasks = dict(database.execute("select task_key, state_type from task_run").fetchall())
        events = [row[0] for row in database.execute("select event from events").fetchall()]
    assert flows == [("reconcile", "COMPLETED")]
    assert set(tasks.values()) == {"COMPLETED"}
    assert "pynomaly.reconciled" in events
    assert "prefect.flow-run.Completed" in events
