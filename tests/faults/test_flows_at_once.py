"""Many scoring flows, a retraining and a page that is polled, all at once through one set of servers.

Nothing is lost and no database is locked: sixteen flows where Prefect, MLflow and the ledger are files of
sqlite, sixty-four where they are databases of PostgreSQL. By ``make faults``: the servers take a minute to
start, and each flow some seconds of a core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.request
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fleet import TRAINED, adopt_champion, provide_databases, write_pipeline
from flows.machine.servers import run_mlflow_server, run_prefect_server
from pynomaly.config import load_pipeline
from pynomaly.records.ledger import Ledger
from pynomaly.records.telemetry import TELEMETRY_OFF

pytestmark = pytest.mark.slow

LONG = os.environ.get("PYNOMALY_KILLS") == "all"
FLOWS = {"sqlite": 16, "postgresql": 64}
PAGES = ("flow_runs/filter", "flow_runs/count", "deployments/filter", "artifacts/filter", "events/filter")


def ask(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())


def poll(prefect: str, mlflow: str, done: threading.Event, looks: list[str], failed: list[str]) -> None:
    """Ask what the pages of both ask, twice a second, until `done`."""
    while not done.wait(0.5):
        for page in PAGES:
            try:
                ask(f"{prefect}/api/{page}", {})
                looks.append(page)
            except Exception as error:
                failed.append(f"{page}: {error}")
        try:
            ask(f"{mlflow}/api/2.0/mlflow/experiments/search", {"max_results": 100})
            looks.append("experiments")
        except Exception as error:
            failed.append(f"experiments: {error}")


def flows(*arguments: str) -> list[Any]:
    command = [sys.executable, "-m", "tests.faults.flows_at_once", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-4000:]
    return list(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.skipif(not LONG, reason="servers of their own for each database; run by `make faults`")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", FLOWS)
def test_flows_at_once_lose_nothing(
    kind: str, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = FLOWS[kind]
    home.mkdir()
    for name, value in TELEMETRY_OFF.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PREFECT_HOME", str(home / "prefect"))
    with ExitStack() as stack:
        addresses = stack.enter_context(provide_databases(kind, home))
        if kind == "postgresql":
            monkeypatch.setenv(
                "PREFECT_SERVER_DATABASE_CONNECTION_URL", addresses["prefect"].replace("+psycopg", "+asyncpg")
            )
        prefect = stack.enter_context(run_prefect_server(home))
        mlflow = stack.enter_context(run_mlflow_server(home, store=addresses["mlflow"]))
        monkeypatch.setenv("PREFECT_API_URL", f"{prefect}/api")
        files = [write_pipeline(tmp_path, number, addresses["ledger"], mlflow) for number in range(count)]
        flows("train", TRAINED.isoformat(), str(files[0]))
        pipelines = [load_pipeline(file) for file in files]
        for pipeline in pipelines[1:]:
            adopt_champion(pipelines[0], pipeline)

        done, looks, failed = threading.Event(), [], []
        page = threading.Thread(target=poll, args=(prefect, mlflow, done, looks, failed))
        page.start()
        try:
            ended = flows("score", (TRAINED + timedelta(days=1)).isoformat(), *map(str, files))
        finally:
            done.set()
            page.join()

        assert {(name, file): error_text for name, file, error_text in ended if error_text} == {}
        assert failed == []
        runs = ask(f"{prefect}/api/flow_runs/filter", {"limit": 200})
        assert {run["state_type"] for run in runs} == {"COMPLETED"}
        assert len(runs) == count + 2  # with the first training
        with Ledger.open(addresses["ledger"]) as ledger:
            assert [len(ledger.list_partitions(pipeline.name)) for pipeline in pipelines] == [1] * count
            assert len(ledger.list_decisions(pipelines[0].name, "retrain")) == 2
            assert ledger.verify_chain().intact
        logs = "".join(file.read_text(errors="replace") for file in (home / "logs").iterdir())
        assert "locked" not in logs
    print(f"{kind}: {count} scoring flows and a retraining at once, {len(looks)} answers to pages")
