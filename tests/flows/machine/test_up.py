"""``pynomaly up`` for real: both servers, a scheduled run, an event that retrains, a clean stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import yaml
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from pynomaly.config import load_pipeline
from pynomaly.records.ledger import Ledger
from tests.machines import make_machines, make_small_settings

pytestmark = [pytest.mark.flow, pytest.mark.timeout(600)]

FLOWS = (
    "train",
    "score",
    "monitor",
    "retrain",
    "recalibrate",
    "search",
    "rollback",
    "policy",
    "approve",
    "reject",
)
FLOWS += ("reconcile", "drill", "prune", "report", "backfill")


@dataclass(frozen=True)
class Servers:
    process: subprocess.Popen[str]
    prefect: str
    mlflow: str
    config: Path

    def ask(self, path: str, **body: Any) -> Any:
        answer = httpx.post(f"{self.prefect}/api/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def runs(self, flow: str) -> list[dict[str, Any]]:
        return list(self.ask("flow_runs/filter", flows={"name": {"any_": [flow]}}))


def until(check: Any, within_s: float) -> Any:
    """Ask again until `check` does not fail, or the time is up."""
    for attempt in Retrying(
        stop=stop_after_delay(within_s),
        wait=wait_fixed(0.5),
        retry=retry_if_exception_type((AssertionError, httpx.HTTPError)),
        reraise=True,
    ):
        with attempt:
            return check()
    raise AssertionError("unreachable")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """`pynomaly up` over one pipeline that is scored every minute."""
    configs = tmp_path / "configs"
    configs.mkdir()
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    make_machines(29, start=str(yesterday - timedelta(days=28))).to_csv(configs / "machines.csv", index=False)
    schedule = {"score": "* * * * *", "monitor": "", "train": "0 3 * * 1", "timezone": "Europe/Berlin"}
    settings = make_small_settings(training={"candidates": ["iforest", "hbos"]}, schedule=schedule)
    config = configs / "machines.yaml"
    config.write_text(yaml.safe_dump(settings))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "flows.cli",
            "up",
            "--prefect-port",
            "0",
            "--mlflow-port",
            "0",
            "--console-port",
            "0",
        ],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        addresses: dict[str, str] = {}
        assert process.stdout is not None
        for line in process.stdout:
            name, _, rest = line.partition(" ")
            addresses[name] = rest.split()[0] if rest.split() else ""
            if "Ctrl-C" in line:
                break
        assert "Prefect" in addresses, addresses
        assert "MLflow" in addresses, addresses
        assert httpx.get(f"{addresses['Console']}/healthz", timeout=30).json()["status"] == "ok"
        yield Servers(process, addresses["Prefect"], addresses["MLflow"], config)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGINT)
            process.communicate(timeout=60)


def test_up(servers: Servers) -> None:
    deployments = until(lambda: all_deployments(servers), 90)
    run_forms_are_flat(deployments)
    schedule = deployments["score"]["schedules"][0]["schedule"]
    assert (schedule["cron"], schedule["timezone"]) == ("* * * * *", "Europe/Berlin")

    # A person presses Run on `train`; the form's defaults are enough.
    servers.ask(f"deployments/{deployments['train']['id']}/create_flow_run", state={"type": "SCHEDULED"})
    until(lambda: completed(servers, "train"), 120)

    # The schedule creates runs by itself, and one of them completes once there is a champion.
    until(lambda: completed(servers, "score", scheduled=True), 150)
    pipeline = load_pipeline(servers.config)
    with Ledger.open(pipeline.ledger_url) as ledger:
        assert ledger.list_partitions("machines")

    # An event, as `monitor` emits it, starts `retrain`.
    event = {
        "occurred": datetime.now(UTC).isoformat(),
        "event": "pynomaly.degradation.detected",
        "resource": {"prefect.resource.id": "pynomaly.pipeline.machines"},
        "payload": {"reason": "2 of 5 windows are bad", "as_of": datetime.now(UTC).isoformat()},
        "id": str(uuid4()),
    }
    httpx.post(f"{servers.prefect}/api/events", json=[event], timeout=30).raise_for_status()
    until(lambda: completed(servers, "retrain"), 120)
    with Ledger.open(pipeline.ledger_url) as ledger:
        decision = ledger.list_decisions("machines", "retrain")[0]
    assert decision.actor == "event"
    assert decision.outcome == "none", decision.reasons
    assert "cool-down" in " ".join(decision.reasons)

    # Models are there to browse.
    answer = httpx.get(
        f"{servers.mlflow}/api/2.0/mlflow/registered-models/alias?name=machines&alias=champion", timeout=30
    )
    assert answer.json()["model_version"]["version"] == "1"

    # Ctrl-C ends everything it started.
    os.kill(servers.process.pid, signal.SIGINT)
    rest, _ = servers.process.communicate(timeout=90)
    assert servers.process.returncode == 0, rest
    for address in (servers.prefect, servers.mlflow):
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{address}/health", timeout=5)


def all_deployments(servers: Servers) -> dict[str, Any]:
    deployed = servers.ask("deployments/filter")  # first: more flows may be registered between two questions
    flows = {flow["id"]: flow["name"] for flow in servers.ask("flows/filter")}
    deployments = {flows[item["flow_id"]]: item for item in deployed}
    assert set(deployments) == {*FLOWS}
    assert all(item["status"] == "READY" for item in deployments.values())
    return deployments


def run_forms_are_flat(deployments: dict[str, Any]) -> None:
    """Every field is a plain value with a default and a description."""
    for name, deployment in deployments.items():
        for field, schema in deployment["parameter_openapi_schema"]["properties"].items():
            assert schema.get("type") == "string" or "enum" in schema, (name, field, schema)
            assert "default" in schema, (name, field)
            assert schema.get("description"), (name, field)


def completed(servers: Servers, flow: str, *, scheduled: bool = False) -> dict[str, Any]:
    runs = [run for run in servers.runs(flow) if run["auto_scheduled"] or not scheduled]
    done = [run for run in runs if run["state_type"] == "COMPLETED"]
    assert done, [(run["state_name"], (run["state"].get("message") or "")[-300:]) for run in runs]
    return done[0]


def test_no_server_outlives_an_up_that_is_killed(servers: Servers) -> None:
    """``kill -9`` leaves no chance to tidy: the servers end by themselves."""
    os.kill(servers.process.pid, signal.SIGKILL)
    servers.process.communicate(timeout=30)

    def gone() -> None:
        for address in (f"{servers.prefect}/api/health", f"{servers.mlflow}/health"):
            with pytest.raises(httpx.ConnectError):
                httpx.get(address, timeout=5)

    for attempt in Retrying(
        stop=stop_after_delay(60),
        wait=wait_fixed(0.5),
        # pytest's "did not raise" is no AssertionError
        retry=retry_if_exception_type((pytest.fail.Exception, httpx.HTTPError)),
        reraise=True,
    ):
        with attempt:
            gone()
