"""The list before going live: each line is right where things are there, and says what to do where not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pynomaly.config import Pipeline, parse_pipeline
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.steps.operations.finding import Finding
from pynomaly.steps.operations.production import check_production
from tests.machines import make_small_settings

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SERVER = "http://127.0.0.1:4200/api"


def make_pipeline(tmp_path: Path, **blocks: Any) -> Pipeline:
    return parse_pipeline(make_small_settings() | blocks, tmp_path / "machines.yaml")


def check(pipeline: Pipeline, prefect_api: str = SERVER) -> dict[str, Finding]:
    findings = check_production(pipeline, prefect_api, NOW)
    assert len({item.check for item in findings}) == len(findings)
    assert all(item.mend for item in findings if item.state != "ok")
    return {item.check: item for item in findings}


def test_a_fresh_pipeline_is_not_ready(tmp_path: Path) -> None:
    findings = check(make_pipeline(tmp_path), "")
    states = {name: item.state for name, item in findings.items()}
    assert states == {
        "data of its own": "ok",
        "records.ledger": "warning",
        "records.tracking": "warning",
        "records.store": "warning",
        "a server of Prefect": "wrong",
        "schedules": "ok",
        "somebody is told": "wrong",
        "somebody else is told": "warning",
        "messages have links": "warning",
        "no way past the gate": "ok",
        "a champion": "wrong",
        "a drill": "warning",
    }


def test_what_was_chosen_is_ticked(tmp_path: Path) -> None:
    pipeline = make_pipeline(
        tmp_path,
        notify={
            "targets": [{"name": "ops", "kind": "slack", "url_env": "OPS_URL"}],
            "escalation": {"steps": [{"after": "30m", "to": "ops"}]},
        },
        console={"url": "https://console.example.org"},
    )
    findings = check(pipeline)
    for name in ("a server of Prefect", "somebody is told", "somebody else is told", "messages have links"):
        assert findings[name].state == "ok", findings[name]
    assert findings["somebody is told"].fact == "ops are told"


def test_records_on_servers_are_ticked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNOMALY_TRACKING", "http://127.0.0.1:9")
    monkeypatch.setenv("PYNOMALY_LEDGER", "postgresql+psycopg://me:s3cret@127.0.0.1:9/ledger")
    monkeypatch.setenv("PYNOMALY_STORE", "s3://bucket/store")
    findings = check(make_pipeline(tmp_path))
    for name in ("records.ledger", "records.tracking", "records.store"):
        assert findings[name].state == "ok", findings[name]
    assert findings["a drill"].state == "wrong"  # the ledger does not answer
    assert "s3cret" not in str(findings)


def test_generated_rows_are_nobody_s_data(tmp_path: Path) -> None:
    finding = check(make_pipeline(tmp_path, data={"source": "bundled", "dataset": "fleet"}))[
        "data of its own"
    ]
    assert finding.state == "wrong"
    assert "pynomaly init" in finding.mend


def test_a_schedule_that_is_switched_off_is_named(tmp_path: Path) -> None:
    finding = check(make_pipeline(tmp_path, schedule={"monitor": "", "reconcile": ""}))["schedules"]
    assert (finding.state, finding.fact) == ("wrong", "no schedule for monitor, reconcile")


def test_an_alias_by_hand_that_counts_is_a_way_past_the_gate(tmp_path: Path) -> None:
    finding = check(make_pipeline(tmp_path, promotion={"by_hand": "honour"}))["no way past the gate"]
    assert finding.state == "warning"


@pytest.mark.parametrize(
    ("outcome", "age", "state"),
    [
        ("passed", timedelta(days=7), "ok"),
        ("passed", timedelta(days=36), "warning"),
        ("failed", timedelta(days=1), "wrong"),
    ],
)
def test_the_newest_drill_counts(tmp_path: Path, outcome: str, age: timedelta, state: str) -> None:
    pipeline = make_pipeline(tmp_path)
    with Ledger.open(pipeline.ledger_url, clock=lambda: NOW - age) as ledger:
        moment = NOW - age
        ledger.record_decision(
            Decision("key", pipeline.name, "drill", "2026-02-01", outcome, ("a reason",), {}, moment)
        )
    finding = check(pipeline)["a drill"]
    assert finding.state == state
    assert f"{outcome} on {NOW - age:%d %b %Y}" in finding.fact
