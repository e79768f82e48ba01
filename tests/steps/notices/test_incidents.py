"""An alert is one incident at each receiver, from its opening to its end, however often a run repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.steps.alerting.resolve_alerts import acknowledge_alert, resolve_alert
from pynomaly.steps.notices.deliver import send_test_messages
from pynomaly.steps.notices.send import list_waiting, send_notifications
from tests.receivers import Receiving, Reply, run_receiver
from tests.steps.notices.alerts import answer_alert, open_alert, see_alert

NOW = datetime(2026, 1, 19, 12, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
Make = Callable[..., Pipeline]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiving]:
    with run_receiver() as receiving:
        monkeypatch.setenv("DUTY_KEY", "R0UT1NGKEY")
        yield receiving


def pager(make: Make, receiver: Receiving, **more: Any) -> Pipeline:
    duty = {"name": "duty", "kind": "pagerduty", "url_env": "DUTY_KEY", "address": receiver.address}
    settings = {"targets": [duty], "attempts": 1, **more}
    return make(days=1, notify=settings, console={"url": "https://c.org/"})


def actions(receiver: Receiving) -> list[str]:
    return [item.json["event_action"] for item in receiver.asked]


def test_an_alert_is_opened_acknowledged_and_resolved_once(pipeline: Make, receiver: Receiving) -> None:
    owner = pager(pipeline, receiver)
    open_alert(owner, "6484b79d", "critical", NOW)
    for _ in range(2):
        send_notifications(owner, now=NOW)
    assert actions(receiver) == ["trigger"]
    link = "https://c.org/pipelines/machines/alerts/6484b79d"
    assert receiver.asked[0].json["links"][0]["href"] == link
    acknowledge_alert(owner, "6484", "ann", "on it")
    for _ in range(2):
        send_notifications(owner, now=NOW + HOUR)
    resolve_alert(owner, "6484", "confirmed", "ann", "belt slipped")
    for _ in range(2):
        send_notifications(owner, now=NOW + 2 * HOUR)
    assert actions(receiver) == ["trigger", "acknowledge", "resolve"]
    assert {item.json["dedup_key"] for item in receiver.asked} == {"pynomaly:machines:alert:6484b79d"}


def test_an_alert_whose_rows_alert_no_more_is_over_and_may_come_back(
    pipeline: Make, receiver: Receiving
) -> None:
    owner = pager(pipeline, receiver)
    open_alert(owner, "a1", "high", NOW)
    send_notifications(owner, now=NOW)
    for hours, rows in ((1, 0), (2, 1)):  # its window is scored again, and again
        see_alert(owner, "a1", "high", NOW + hours * HOUR, rows=rows, window=NOW)
        send_notifications(owner, now=NOW + hours * HOUR)
    assert actions(receiver) == ["trigger", "resolve", "trigger"]
    assert "is back" in receiver.asked[2].json["payload"]["summary"]


def test_what_is_over_before_it_was_sent_pages_nobody(pipeline: Make, receiver: Receiving) -> None:
    owner = pager(pipeline, receiver)
    receiver.answer = lambda asked: Reply(503)
    open_alert(owner, "a1", "high", NOW)
    send_notifications(owner, now=NOW)
    resolve_alert(owner, "a1", "false-alarm", "ann")
    receiver.answer = lambda asked: Reply(202)
    send_notifications(owner, now=NOW + HOUR)
    # The try that failed may have arrived: its incident is ended, which does nothing if there is none.
    assert actions(receiver) == ["trigger", "resolve"]
    assert list_waiting(owner, NOW + HOUR) == ()


def test_an_alert_that_becomes_graver_is_told_again_at_its_incident(
    pipeline: Make, receiver: Receiving
) -> None:
    owner = pager(pipeline, receiver)
    open_alert(owner, "a1", "medium", NOW)
    send_notifications(owner, now=NOW)
    see_alert(owner, "a1", "critical", NOW + HOUR)
    for hours in (1, 2):
        send_notifications(owner, now=NOW + hours * HOUR)
    see_alert(owner, "a1", "low", NOW + 3 * HOUR)
    send_notifications(owner, now=NOW + 3 * HOUR)
    asked = [item.json for item in receiver.asked]
    assert [item["payload"]["severity"] for item in asked] == ["warning", "critical"]
    assert len({item["dedup_key"] for item in asked}) == 1
    assert "was medium and is critical now" in asked[1]["payload"]["summary"]


def test_an_alert_without_news_expires_for_its_receivers(pipeline: Make, receiver: Receiving) -> None:
    owner = pager(pipeline, receiver, expire="2d")
    open_alert(owner, "a1", "high", NOW)
    for hours, count in ((0, 1), (47, 1), (48, 2), (60, 2)):
        send_notifications(owner, now=NOW + hours * HOUR)
        assert len(receiver.asked) == count
    assert actions(receiver) == ["trigger", "resolve"]
    see_alert(owner, "a1", "high", NOW + 61 * HOUR)
    send_notifications(owner, now=NOW + 61 * HOUR)
    assert actions(receiver) == ["trigger", "resolve", "trigger"]
    assert "is back" in receiver.asked[2].json["payload"]["summary"]


def test_the_end_goes_after_what_opened_the_incident(pipeline: Make, receiver: Receiving) -> None:
    owner = pager(pipeline, receiver)
    receiver.answer = lambda asked: Reply(503)
    open_alert(owner, "a1", "high", NOW)
    send_notifications(owner, now=NOW)
    answer_alert(owner, "a1", "acknowledged", NOW)
    send_notifications(owner, now=NOW + HOUR)
    assert actions(receiver) == ["trigger", "trigger"]
    receiver.answer = lambda asked: Reply(202)
    send_notifications(owner, now=NOW + 2 * HOUR)
    assert actions(receiver)[2:] == ["trigger", "acknowledge"]


def test_the_end_of_a_silence_ends_its_incident_at_any_hour(pipeline: Make, receiver: Receiving) -> None:
    duty = {"name": "duty", "kind": "pagerduty", "url_env": "DUTY_KEY", "address": receiver.address}
    rules = [{"to": ["duty"], "hours": "08:00-18:00"}, {"to": []}]
    owner = pager(pipeline, receiver, targets=[{**duty, "quiet": {"hours": "18:00-08:00"}}], routes=rules)
    for hours, outcome in ((0, "silent"), (10, "recovered")):
        now = NOW + hours * HOUR
        line = Decision(f"k{hours}", owner.name, "silence", "score", outcome, ("why",), {}, now, at=now)
        with Ledger.open(owner.ledger_url) as ledger:
            ledger.record_decision(line)
        send_notifications(owner, now=now)
    assert actions(receiver) == ["trigger", "resolve"]
    assert {item.json["dedup_key"] for item in receiver.asked} == {"pynomaly:machines:silence:score"}


def test_an_answer_at_night_ends_the_incident_at_once(pipeline: Make, receiver: Receiving) -> None:
    duty = {"name": "duty", "kind": "pagerduty", "url_env": "DUTY_KEY", "address": receiver.address}
    owner = pager(pipeline, receiver, targets=[{**duty, "quiet": {"hours": "18:00-08:00"}}])
    open_alert(owner, "a1", "high", NOW)
    send_notifications(owner, now=NOW)
    answer_alert(owner, "a1", "resolved", NOW + 8 * HOUR)
    send_notifications(owner, now=NOW + 8 * HOUR)
    assert actions(receiver) == ["trigger", "resolve"]


def test_a_test_leaves_no_incident_behind(pipeline: Make, receiver: Receiving) -> None:
    (tried,) = send_test_messages(pager(pipeline, receiver))
    assert tried.delivered
    assert actions(receiver) == ["trigger", "resolve"]
    assert len({item.json["dedup_key"] for item in receiver.asked}) == 1
