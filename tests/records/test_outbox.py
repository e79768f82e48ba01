"""Messages and followed alerts on both databases: written once, changed once, ended with their digest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pynomaly.records.ledger import AlertEvent, FollowedAlert, Ledger, QueuedNotice

NOW = datetime(2026, 1, 19, tzinfo=UTC)


@pytest.fixture
def ledger(address: str) -> Iterator[Ledger]:
    with Ledger.open(address) as opened:
        yield opened


def message(key: str, **more: Any) -> QueuedNotice:
    return replace(QueuedNotice(key, "ops", "p", "alert", "title", "body", NOW, alert="a1"), **more)


def follow(alert: str = "a1", **more: Any) -> FollowedAlert:
    return replace(FollowedAlert("p", alert, "high", "open", NOW, NOW), **more)


def add_event(ledger: Ledger, alert: str, number: int) -> None:
    key = f"{alert}:{number}"
    ledger.answers.add_facts(AlertEvent(key, "p", alert, "commented", "", {"text": "x"}, "x", NOW))


def test_a_message_is_written_once_and_comes_back_as_it_was(ledger: Ledger) -> None:
    full = message(
        "m1",
        severity="critical",
        entity="m1",
        action="trigger",
        link="https://c.org",
        files=("a.html", "b.html"),
        due=NOW + timedelta(hours=1),
        collected=True,
        incident="p:alert:a1",
    )
    assert ledger.outbox.add_messages(full, message("m2"), follow=follow()) == (full, message("m2"))
    assert ledger.outbox.add_messages(full, message("m3"), follow=follow(step=2)) == (message("m3"),)
    assert ledger.outbox.list_undelivered("p") == (full, message("m2"), message("m3"))
    assert ledger.outbox.followed.list_states("p", ("open",)) == (follow(),)
    assert not full.is_due(NOW)
    assert full.is_due(NOW + timedelta(hours=1))
    ledger.outbox.record_attempt(full, at=NOW)
    assert ledger.outbox.list_messages_about("p", "a1")[0] == replace(full, delivered=NOW)
    assert ledger.outbox.list_undelivered("p") == (message("m2"), message("m3"))


def test_a_change_is_written_once_with_what_it_tells_and_takes_back(ledger: Ledger) -> None:
    ledger.outbox.add_messages(message("m1"), follow=follow())
    done = follow(state="resolved", events=3)
    assert ledger.outbox.change_alert(follow(), done, (message("m2"),), (message("m1"),), "it is over")
    assert not ledger.outbox.change_alert(follow(), done, (message("m3"),), (message("m2"),), "twice")
    assert [(item.key, item.ended) for item in ledger.outbox.list_messages_about("p", "a1")] == [
        ("m1", "it is over"),
        ("m2", ""),
    ]
    assert ledger.outbox.followed.list_states("p", ("resolved",)) == (replace(done, changes=1),)


def test_alerts_with_events_that_were_not_looked_at(ledger: Ledger) -> None:
    for alert in ("a1", "a2", "a3"):
        ledger.outbox.add_messages(follow=follow(alert, begun=None))
        add_event(ledger, alert, 1)
    add_event(ledger, "a9", 1)
    changed = ledger.outbox.followed.list_changed("p")
    assert [(row.alert, events) for row, events in changed] == [("a1", 1), ("a2", 1), ("a3", 1)]
    ledger.outbox.change_alert(changed[0][0], replace(changed[0][0], events=1))
    ledger.outbox.change_alert(changed[1][0], replace(changed[1][0], state="resolved"))
    assert [row.alert for row, _ in ledger.outbox.followed.list_changed("p")] == ["a3"]
    add_event(ledger, "a1", 2)
    assert [(row.alert, events) for row, events in ledger.outbox.followed.list_changed("p")] == [
        ("a1", 2),
        ("a3", 1),
    ]
    assert ledger.outbox.followed.list_changed("q") == ()


def test_a_digest_is_written_with_all_its_parts_or_not_at_all(ledger: Ledger) -> None:
    parts = (message("m1", collected=True), message("m2", collected=True))
    ledger.outbox.add_messages(*parts, follow=follow())
    assert ledger.outbox.followed.find_waiting_states("p") == {"a1": "open"}
    digest = message("d1", event="digest", alert="")
    assert ledger.outbox.collect_messages(digest, parts)
    assert not ledger.outbox.collect_messages(message("d2", event="digest", alert=""), parts)
    assert ledger.outbox.list_undelivered("p") == (digest,)
    assert ledger.outbox.followed.find_waiting_states("p") == {}
    assert {item.ended for item in ledger.outbox.list_messages_about("p", "a1")} == {"is in d1"}
