"""Beside live scoring people are told within moments, and a receiver that is down stops nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event

from pynomaly.config import Pipeline, Target
from pynomaly.errors import RecordError
from pynomaly.records.ledger import QueuedNotice
from pynomaly.steps.notices.live import LiveNotices
from pynomaly.steps.notices.send import list_undelivered
from tests.steps.notices.alerts import open_alert

OPS = {"targets": [{"name": "ops", "url_env": "OPS_URL"}], "attempts": 1}


def test_an_alert_is_told_when_it_is_written(pipeline: Callable[..., Pipeline]) -> None:
    owner, heard, arrived = pipeline(days=1, notify=OPS), list[str](), Event()

    def send(target: Target, message: QueuedNotice) -> None:
        heard.append(message.alert)
        arrived.set()

    with LiveNotices(owner, send) as notices:
        open_alert(owner, "a1", "high", datetime.now(UTC))
        notices.wake()
        assert arrived.wait(timeout=30)
        open_alert(owner, "a2", "high", datetime.now(UTC))  # nobody wakes it: it is told at the end
    assert heard == ["a1", "a2"]


def test_what_is_not_taken_is_said_and_waits(pipeline: Callable[..., Pipeline]) -> None:
    owner, problems, tried = pipeline(days=1, notify=OPS), list[str](), Event()

    def refuse(target: Target, message: QueuedNotice) -> None:
        raise RecordError("nobody answers")

    def note(text: str) -> None:
        problems.append(text)
        tried.set()

    with LiveNotices(owner, refuse, note) as notices:
        open_alert(owner, "a1", "high", datetime.now(UTC))
        notices.wake()
        assert tried.wait(timeout=30)
    assert set(problems) == {"ops was not told of alert: nobody answers"}
    assert [item["event"] for item in list_undelivered(owner)] == ["alert"]


def test_without_targets_nothing_is_started(pipeline: Callable[..., Pipeline]) -> None:
    with LiveNotices(pipeline(days=1)) as notices:
        notices.wake()
        assert not notices._thread.is_alive()
