"""People are told once, through real sinks on this machine; what cannot be delivered waits and is said."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from pynomaly.config import Pipeline
from pynomaly.errors import ConfigError
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.steps.notices.deliver import deliver_messages, send_test_messages
from pynomaly.steps.notices.send import classify_decision, list_undelivered, send_notifications
from tests.mail import MailServer, run_mail_server

NOW = datetime(2026, 1, 19, tzinfo=UTC)


@dataclass
class Sink:
    """What arrived, and with which status the sink answers."""

    address: str = ""
    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    """A web hook on a free port of this machine."""
    sink = Sink()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if sink.status == 200:
                sink.messages.append(json.loads(body))
            self.send_response(sink.status)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        sink.address = f"json://127.0.0.1:{server.server_port}/topsecret"
        monkeypatch.setenv("OPS_URL", sink.address)
        yield sink
        server.shutdown()
        thread.join()


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """A mail server that accepts everything."""
    with run_mail_server() as server:
        monkeypatch.setenv("MAIL_URL", server.address)
        yield server


def settings(make: Callable[..., Pipeline], **more: Any) -> Pipeline:
    target = {"name": "ops", "url_env": "OPS_URL", "on": more.pop("on", ["critical", "promote"])}
    return make(days=1, notify={"targets": [target], "attempts": 1, **more})


def record(pipeline: Pipeline, kind: str, outcome: str, subject: str = "v1", at: str = "a") -> None:
    decision = Decision(
        f"{kind}:{subject}:{at}", pipeline.name, kind, subject, outcome, ("why",), {"version": 1}, NOW
    )
    with Ledger.open(pipeline.ledger_url) as ledger:
        ledger.record_decision(decision)


def test_one_verdict_is_one_message_however_often_a_run_repeats(pipeline, hook: Sink) -> None:
    owner = settings(pipeline)
    record(owner, "degradation", "critical", "w1", "first look")
    assert [item.delivered for item in send_notifications(owner)] == [True]
    record(owner, "degradation", "critical", "w1", "second look")
    assert send_notifications(owner) == ()
    assert send_notifications(owner) == ()
    record(owner, "degradation", "critical", "w2")
    send_notifications(owner)
    assert [item["title"] for item in hook.messages] == [
        "[pynomaly] machines: degradation critical (w1)",
        "[pynomaly] machines: degradation critical (w2)",
    ]
    assert "- why" in hook.messages[0]["message"]


def test_a_target_hears_only_what_it_asked_for(pipeline, hook: Sink) -> None:
    owner = settings(pipeline, on=["promote"])
    record(owner, "degradation", "critical")
    record(owner, "degradation", "normal")
    record(owner, "promote", "first")
    assert [item.event for item in send_notifications(owner)] == ["promote"]
    assert len(hook.messages) == 1


def test_what_fails_waits_with_its_reason_and_is_delivered_once_later(pipeline, hook: Sink) -> None:
    owner = settings(pipeline)
    hook.status = 503
    record(owner, "promote", "first")
    (failed,) = send_notifications(owner)
    assert not failed.delivered
    (waiting,) = list_undelivered(owner)
    assert waiting["attempts"] == 1
    assert "not accepted" in waiting["error"]
    assert "topsecret" not in waiting["error"]
    hook.status = 200
    assert [item.delivered for item in deliver_messages(owner)] == [True]
    assert deliver_messages(owner) == ()
    assert list_undelivered(owner) == ()
    assert len(hook.messages) == 1


def test_a_missing_address_is_said_and_nothing_is_lost(pipeline, hook: Sink, monkeypatch) -> None:
    owner = settings(pipeline)
    monkeypatch.delenv("OPS_URL")
    record(owner, "promote", "first")
    (failed,) = send_notifications(owner)
    assert failed.reason == "the environment variable OPS_URL is not set"
    monkeypatch.setenv("OPS_URL", hook.address)
    assert [item.delivered for item in deliver_messages(owner)] == [True]


def test_two_messages_of_one_kind_keep_their_distance(pipeline, hook: Sink) -> None:
    owner = settings(pipeline, min_interval="1h")
    record(owner, "promote", "first", "v1")
    record(owner, "promote", "first", "v2")
    assert [item.delivered for item in send_notifications(owner)] == [True, False]
    assert "notify.min_interval" in list_undelivered(owner)[0]["error"]
    assert len(hook.messages) == 1


@pytest.mark.slow
def test_a_verdict_behind_many_others_is_told_of_too(pipeline) -> None:
    owner = settings(pipeline)
    record(owner, "promote", "first")
    for number in range(130):
        record(owner, "degradation", "normal", f"w{number}")
    titles: list[str] = []
    send_notifications(owner, lambda target, message: titles.append(message.title))
    assert len(titles) == 1
    record(owner, "promote", "superior", "v2")
    for number in range(130):
        record(owner, "degradation", "normal", f"x{number}")
    send_notifications(owner, lambda target, message: titles.append(message.title))
    assert len(titles) == 2


def test_mail_arrives_and_says_what_happened(pipeline, mail: MailServer) -> None:
    owner = pipeline(days=1, notify={"targets": [{"name": "mail", "url_env": "MAIL_URL"}], "attempts": 1})
    record(owner, "rollback", "done", "machines v1")
    (done,) = send_notifications(owner)
    assert done.delivered, done.reason
    assert "rollback" in mail.mails[0].as_string()


def test_the_test_message_says_per_target_what_happened(pipeline, hook: Sink) -> None:
    targets = [{"name": "ops", "url_env": "OPS_URL"}, {"name": "nobody", "url_env": "NOT_SET"}]
    owner = pipeline(days=1, notify={"targets": targets, "attempts": 1})
    good, bad = send_test_messages(owner)
    assert (good.target, good.delivered, bad.target, bad.delivered) == ("ops", True, "nobody", False)
    with pytest.raises(ConfigError, match="no target"):
        send_test_messages(pipeline(days=1))


def test_a_new_target_is_not_told_old_history(pipeline, hook: Sink) -> None:
    owner = settings(pipeline)
    old = Decision("old", owner.name, "promote", "v1", "first", ("why",), {}, NOW, at=NOW)
    with Ledger.open(owner.ledger_url) as ledger:
        ledger.record_decision(old)
    assert send_notifications(owner) == ()


@pytest.mark.parametrize(
    ("kind", "outcome", "event"),
    [
        ("degradation", "degraded", "degraded"),
        ("degradation", "warning", None),
        ("quality", "block", "quality_block"),
        ("quality", "warn", None),
        ("silence", "silent", "dead_man"),
        ("drill", "passed", None),
        ("drill", "failed", "drill"),
        ("retrain", "none", None),
    ],
)
def test_what_a_decision_is_to_people(kind: str, outcome: str, event: str | None) -> None:
    assert classify_decision(Decision("k", "p", kind, "s", outcome, (), {}, NOW)) == event


@pytest.mark.parametrize(
    "target",
    [
        {"name": "ops"},
        {"name": "ops", "url_env": "A", "block": "slack-webhook/ops"},
        {"name": "ops", "url_env": "json://user:password@host"},
        {"name": "ops", "url_env": "A", "on": ["everything"]},
        {"name": "ops", "url_env": "A", "on": []},
        {"name": "Ops", "url_env": "A"},
    ],
)
def test_targets_that_are_refused(pipeline, target: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"notify\.targets"):
        pipeline(days=1, notify={"targets": [target]})


def test_no_secret_is_kept(pipeline, hook: Sink) -> None:
    owner = settings(pipeline)
    hook.status = 500
    record(owner, "promote", "first")
    send_notifications(owner)
    kept = b"".join(path.read_bytes() for path in owner.home.rglob("*") if path.is_file())
    assert b"topsecret" not in kept
    assert os.environ["OPS_URL"].encode() not in kept
