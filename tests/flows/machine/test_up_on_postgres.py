"""``pynomaly up`` with all it keeps in PostgreSQL: Prefect's server, MLflow's server and the ledger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from tests.databases import create_database
from tests.flows.machine.test_up import Servers, all_deployments, completed, until
from tests.machines import make_machines, make_small_settings

pytestmark = [pytest.mark.flow, pytest.mark.timeout(600)]

SECRET = "not-for-anybody"  # the server trusts its socket: any password is let in


@pytest.fixture
def databases(postgres: Any) -> dict[str, str]:
    """Addresses of three empty databases, each with a password."""
    names = ("prefect", "mlflow", "ledger")
    addresses = {name: make_url(create_database(postgres)).set(password=SECRET) for name in names}
    return {name: url.render_as_string(hide_password=False) for name, url in addresses.items()}


@pytest.fixture
def servers(tmp_path: Path, databases: dict[str, str]) -> Iterator[Servers]:
    configs = tmp_path / "configs"
    configs.mkdir()
    today = datetime.now(UTC).date()
    make_machines(28, start=str(today - timedelta(days=28))).to_csv(configs / "machines.csv", index=False)
    schedule = {"score": "", "monitor": "", "reconcile": "", "drill": ""}
    config = configs / "machines.yaml"
    config.write_text(yaml.safe_dump(make_small_settings(schedule=schedule)))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = {
        **clean,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": databases["prefect"],
        "PYNOMALY_TRACKING": databases["mlflow"],
        "PYNOMALY_LEDGER": databases["ledger"],
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "up", "--prefect-port", "0", "--mlflow-port", "0"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        lines: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        addresses = {words[0]: words[1] for words in map(str.split, lines) if len(words) > 1}
        assert "MLflow" in addresses, lines
        yield Servers(process, addresses["Prefect"], addresses["MLflow"], config)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=90)


def rows(address: str, query: str) -> list[tuple[Any, ...]]:
    engine = create_engine(make_url(address).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        table_rows = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return table_rows


def test_everything_is_in_three_databases(servers: Servers, databases: dict[str, str], home: Path) -> None:
    deployments = until(lambda: all_deployments(servers), 90)
    for flow in ("train", "score", "monitor"):
        asked = {"state": {"type": "SCHEDULED"}, "parameters": {"as_of": "latest"}}
        servers.ask(f"deployments/{deployments[flow]['id']}/create_flow_run", **asked)
        until(lambda flow=flow: completed(servers, flow), 150)

    runs = rows(
        databases["prefect"],
        "SELECT flow.name FROM flow_run JOIN flow ON flow.id = flow_id WHERE state_type = 'COMPLETED'",
    )
    assert {"train", "score", "monitor"} <= {name for (name,) in runs}
    assert rows(databases["mlflow"], "SELECT name, version FROM model_versions") == [("machines", 1)]
    alias = "SELECT alias, version FROM registered_model_aliases WHERE alias = 'champion'"
    assert rows(databases["mlflow"], alias) == [("champion", 1)]
    kinds = {kind for (kind,) in rows(databases["ledger"], "SELECT kind FROM decisions")}
    assert {"retrain", "promote", "degradation"} <= kinds
    assert rows(databases["ledger"], "SELECT count(*) FROM partitions")[0][0] >= 1
    assert rows(databases["ledger"], "SELECT count(*) FROM observations") == [(1,)]

    assert not list(home.rglob("*.db"))
    secrets_stay_inside(home)


def secrets_stay_inside(home: Path) -> None:
    """No password on a command line, which any user can list, and none in a log."""
    commands = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = os.environ["PYNOMALY_HOME"].encode() in (entry / "environ").read_bytes()
            commands.append((entry / "cmdline").read_bytes()) if ours else None
        except OSError:
            continue  # ended meanwhile, or another user's
    assert any(b"mlflow" in item for item in commands)
    assert not [item for item in commands if SECRET.encode() in item]
    assert not [log for log in (home / "logs").iterdir() if SECRET in log.read_text(errors="replace")]
