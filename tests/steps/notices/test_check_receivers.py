"""What cannot be told is said before there is anything to tell, without a word over the network."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from pynomaly.config import Pipeline
from pynomaly.judging.notice_rules import list_rule_problems
from pynomaly.steps.notices.check_receivers import list_slow_steps, list_unreachable
from pynomaly.steps.operations import health

Make = Callable[..., Pipeline]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"it asks the network: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def owner(make: Make, **more: Any) -> Pipeline:
    targets = [
        {"name": "ops", "url_env": "OPS_URL"},
        {"name": "duty", "kind": "pagerduty", "url_env": "DUTY_KEY"},
        {"name": "chat", "kind": "slack", "url_env": "CHAT_URL"},
        {"name": "block", "block": "slack-webhook/ops"},
    ]
    return make(days=1, notify={"targets": targets, **more})


def test_every_target_whose_address_is_missing_or_wrong_is_named(
    pipeline: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = owner(pipeline)
    for name in ("OPS_URL", "DUTY_KEY", "CHAT_URL"):
        monkeypatch.delenv(name, raising=False)
    assert dict(list_unreachable(pipe)) == {
        "ops": "the environment variable OPS_URL is not set",
        "duty": "the environment variable DUTY_KEY is not set",
        "chat": "the environment variable CHAT_URL is not set",
    }
    monkeypatch.setenv("OPS_URL", "json://127.0.0.1/x")
    monkeypatch.setenv("DUTY_KEY", "not a key: topsecret")
    monkeypatch.setenv("CHAT_URL", "https://hooks.slack.com/services/topsecret")
    ((name, reason),) = list_unreachable(pipe)
    assert name == "duty"
    assert "topsecret" not in reason
    (finding,) = health._check_receivers(pipe)
    assert (finding.check, finding.state) == ("target duty", "wrong")


@pytest.mark.parametrize(
    ("steps", "schedule", "count"),
    [
        ([], "0 * * * *", 0),
        ([{"after": "30m", "to": "ops"}], "*/15 * * * *", 0),
        ([{"after": "30m", "to": "ops"}, {"after": "2h", "to": "duty"}], "0 * * * *", 1),
        ([{"after": "30m", "to": "ops"}], "", 1),
        ([{"after": "8h", "to": "ops"}], "0 9-17 * * *", 1),
    ],
)
def test_a_step_that_is_due_before_anybody_looks_is_said(
    pipeline: Make, steps: list[dict[str, str]], schedule: str, count: int
) -> None:
    pipe = owner(pipeline, escalation={"steps": steps})
    changed = pipe.schedule.model_copy(update={"reconcile": schedule})
    assert len(list_slow_steps(pipe.model_copy(update={"schedule": changed}))) == count


@pytest.mark.parametrize(
    ("routes", "words"),
    [
        ([], []),
        ([{"to": ["ops"], "severity": "high"}], []),
        ([{"to": ["ops", "duty", "chat", "block"]}], []),
        ([{"to": ["ops", "duty", "chat", "block"]}, {"to": ["ops"]}], ["the 1 after it"]),
        ([{"to": ["ops", "chat"], "severity": "high"}, {"to": ["block"]}], ["the target 'duty'"]),
    ],
)
def test_rules_that_cannot_be_meant_so_are_said(
    pipeline: Make, routes: list[dict[str, Any]], words: list[str]
) -> None:
    problems = list_rule_problems(owner(pipeline, routes=routes).notify)
    assert len(problems) == len(words)
    assert all(word in problem for word, problem in zip(words, problems, strict=True))
