"""Operating through the command line, against a real server: run forms, dead runs, drill, backfill."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pynomaly.config import load_pipeline
from pynomaly.records.ledger import Ledger
from tests.flows.conftest import Answer

FIRST = "2026-01-19T00:00:00+00:00"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What a web hook on this machine was told."""
    bodies: list[dict[str, Any]] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        monkeypatch.setenv("OPS_URL", f"json://127.0.0.1:{server.server_port}")
        yield bodies
        server.shutdown()
        thread.join()


def test_every_run_form_is_flat_and_every_deployment_described(pipeline_file: Callable[..., Path]) -> None:
    from flows.serve import make_deployments

    served = make_deployments(load_pipeline(pipeline_file()))
    assert {item.flow_name for item in served} >= {
        *("train", "score", "monitor", "retrain", "rollback"),
        *("reconcile", "drill", "prune", "report", "backfill"),
    }
    for deployment in served:
        assert "machines" in (deployment.description or "")
        for name, schema in deployment._parameter_openapi_schema.properties.items():
            assert schema.get("type") == "string" or "enum" in schema, (deployment.flow_name, name, schema)
            assert "default" in schema, (deployment.flow_name, name)
            assert schema.get("description"), (deployment.flow_name, name)


@pytest.mark.flow
@pytest.mark.usefixtures("prefect_api")
def test_a_pipeline_is_operated(
    command: Callable[..., Answer], pipeline_file: Callable[..., Path], hook: list[dict[str, Any]]
) -> None:
    target = {"name": "ops", "url_env": "OPS_URL", "on": ["promote", "dead_man", "drill", "report"]}
    config = pipeline_file(notify={"targets": [target], "attempts": 1}, alerts={"quantile": 0.05})
    tried = command("notify", config, "--test", "--json")
    assert (tried.code, tried.json["targets"][0]["delivered"]) == (0, True), tried.err
    hook.clear()

    assert command("train", config, "--as-of", FIRST, "--json").json["decision"]["kind"] == "promote"
    assert [item["title"] for item in hook] == ["[pynomaly] machines: promote first (machines v1)"]

    shown = artifacts("machines-candidates", "machines-training-decision")
    numbers = [row["value"] for row in json.loads(str(shown["machines-candidates"]))]
    assert all(re.fullmatch(r"–|\d(\.\d{1,4})?", number) for number in numbers), numbers
    assert "** at 2026-01-19 00:00 UTC" in str(shown["machines-training-decision"])

    week = ("2026-01-19..2026-01-26", "--monitor", "--json")
    first, second = command("backfill", config, *week).json, command("backfill", config, *week).json
    assert [item["new"] for item in first["windows"] + first["judged"]] == [True] * 8
    assert [item["new"] for item in second["windows"] + second["judged"]] == [False] * 8
    assert command("backfill", config, "2026-01-26..2026-01-19").code == 2

    table = json.loads(str(artifacts("machines-alerts")["machines-alerts"]))
    listed = command("alerts", config, "--limit", 100, "--json").json
    assert len(table) == min(20, listed["total"]) > 0
    assert [row["alert"] for row in table] == [item["alert"][:8] for item in listed["alerts"][:20]]
    assert all(" instead of " in row["carried by"] for row in table)

    hook.clear()
    drilled = command("drill", config, "--as-of", "2026-01-26T00:00:00+00:00", "--json")
    assert drilled.code == 0, drilled.out
    assert ["DRILL" in item["title"] for item in hook] == [True]
    assert command("status", config, "--json").json["partitions"] == 7

    hook.clear()
    pages = reported(config)
    assert [page["subject"] for page in pages] == ["v1", "20260119T000000Z--20260126T000000Z"]
    assert [item["title"] for item in hook] == ["[pynomaly] machines: report as of 2026-01-26 00:00 UTC"]
    assert all(page["path"] in hook[0]["message"] for page in pages)
    assert [name in hook[0]["message"] for name in linked()] == [True, True]
    again = command("report", config, "--json").json["pages"]
    assert [page["path"] for page in again] == [page["path"] for page in pages]
    assert command("report", config, "--version", "1").out.strip() == pages[0]["path"]
    assert command("report", config, "--window", FIRST).out.strip() == pages[1]["path"]
    for wrong in (
        ("--version", "x"),
        ("--version", "7"),
        ("--window", "2026-01-20T00:00Z"),
        ("--window", "soon"),
    ):
        answer = command("report", config, *wrong)
        assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1), answer.err
    assert command("report", config, "--version", "1", "--window", FIRST).code == 2

    stuck = a_run_whose_process_died(config)
    assert closed(config) == []  # younger than a lease lives
    assert closed(config, timedelta(0)) == [stuck]
    tidy = command("reconcile", config, "--json").json
    assert (tidy["failed"], tidy["waiting"], tidy["silent"]) == ([], 0, [])
    with Ledger.open(load_pipeline(config).ledger_url) as ledger:
        assert ledger.outbox.list_lease_holders() == ()


def reported(config: Path) -> list[dict[str, Any]]:
    """What the scheduled report writes and tells."""
    from flows.reporting import report

    return list(report(config=str(config), as_of="2026-01-26T00:00:00+00:00", send="yes")["pages"])


def linked() -> list[str]:
    """Addresses that Prefect's pages link the two pages under."""
    keys = ("machines-model-card", "machines-window-report")
    newest = artifacts(*keys)
    return [str(newest[key]).partition("](")[2].partition(")")[0] for key in keys]


def artifacts(*keys: str) -> dict[str, Any]:
    """What Prefect's pages show under each of `keys`, the newest."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    with get_client(sync_client=True) as client:
        asked = ArtifactFilter(key=ArtifactFilterKey(any_=list(keys)))
        on_server = client.read_artifacts(artifact_filter=asked)
    return {str(item.key): item.data for item in sorted(on_server, key=lambda item: str(item.created))}


def a_run_whose_process_died(config: Path) -> str:
    """A flow run of this pipeline that says it runs, and whose lease nobody holds."""
    from prefect.client.orchestration import get_client
    from prefect.states import Running

    from flows.scoring import score

    with get_client(sync_client=True) as client:
        run = client.create_flow_run(score, parameters={"config": str(config)})
        client.set_flow_run_state(run.id, Running(), force=True)
    return str(run.id)


def closed(config: Path, older_than: timedelta = timedelta(minutes=5)) -> list[str]:
    from tasks.operations import close_dead_runs

    return close_dead_runs.fn(load_pipeline(config), older_than)


@pytest.mark.flow
@pytest.mark.usefixtures("prefect_api")
def test_a_block_of_prefect_is_a_target_too(
    command: Callable[..., Answer], pipeline_file: Callable[..., Path], hook: list[dict[str, Any]]
) -> None:
    from prefect.blocks.notifications import CustomWebhookNotificationBlock
    from pydantic import SecretStr

    address = os.environ["OPS_URL"].replace("json://", "http://")
    CustomWebhookNotificationBlock(
        name="ops", url=address, method="POST", json_data={"text": "{{subject}}: {{body}}"}
    ).save("ops", overwrite=True)
    CustomWebhookNotificationBlock(
        name="closed", url="http://127.0.0.1:9/{{key}}", method="GET", secrets={"key": SecretStr("hidden")}
    ).save("closed", overwrite=True)
    targets = [
        {"name": "ops", "block": "custom-webhook/ops"},
        {"name": "closed", "block": "custom-webhook/closed"},
        {"name": "unknown", "block": "custom-webhook/unknown"},
    ]
    config = pipeline_file(notify={"targets": targets, "attempts": 1})
    answer = command("notify", config, "--test", "--json")
    assert answer.code == 1
    assert [item["delivered"] for item in answer.json["targets"]] == [True, False, False], answer.out
    assert "[pynomaly] machines: test" in hook[0]["text"]
    assert "there is no Prefect block" in answer.json["targets"][2]["reason"]
    assert "hidden" not in answer.out + answer.err
