"""``pynomaly notify`` and ``doctor`` on the command line: what waits, for what, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pynomaly.config import load_pipeline
from tests.steps.notices.alerts import open_alert

OPS = {"name": "ops", "url_env": "OPS_URL", "digest": {"every": "24h", "unless": "high"}}
LEAD = {"name": "lead", "url_env": "LEAD_URL"}
NOTIFY = {
    "targets": [OPS, LEAD],
    "routes": [{"to": ["ops"]}],
    "escalation": {"steps": [{"after": "12h", "to": "lead"}]},
}


def test_what_waits_is_shown_with_what_it_waits_for(command: Any, pipeline_file: Callable[..., Path]) -> None:
    file = pipeline_file(notify=NOTIFY)
    now = datetime.now(UTC)
    open_alert(load_pipeline(file), "a1", "high", now, entity="press 1")
    open_alert(load_pipeline(file), "a2", "low", now, entity="press 2")
    answer = command("notify", file, "--json")
    assert answer.code == 0, answer.err
    waiting = {(item["target"], item["event"]): item for item in answer.json["waiting"]}
    assert [(item["event"], item["why"]) for item in answer.json["waiting"]] == [
        ("alert", ""),
        ("alert", "digest"),
        ("escalation", "escalation"),
    ]
    assert waiting["lead", "escalation"]["title"] == "alert a1, if nobody acknowledges it"
    shown = " ".join(command("notify", file).out.split())
    assert "delivery" in shown
    assert "digest" in shown


def test_a_rule_to_nobody_known_ends_with_exit_code_2(
    command: Any, pipeline_file: Callable[..., Path]
) -> None:
    answer = command("notify", pipeline_file(notify={**NOTIFY, "routes": [{"to": ["leda"]}]}))
    assert answer.code == 2
    assert "no target or role 'leda'; did you mean 'lead'?" in " ".join(answer.err.split())


@pytest.mark.slow
def test_doctor_names_the_target_that_cannot_be_told(
    command: Any, pipeline_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAD_URL", "json://127.0.0.1/x")
    monkeypatch.delenv("OPS_URL", raising=False)
    answer = command("doctor", pipeline_file(notify=NOTIFY), "--json")
    targets = [item for item in answer.json["checks"] if item["check"].startswith("target ")]
    assert [(item["check"], item["state"]) for item in targets] == [("target ops", "wrong")]
    assert "OPS_URL is not set" in targets[0]["found"]
