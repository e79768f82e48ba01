"""Delivery states, and what is due: nothing is passed over, on either database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from pynomaly.records.ledger import (
    AlertEvent,
    Channel,
    Decision,
    DeliveryState,
    Ledger,
    Partition,
)

MOMENT = datetime(2026, 1, 5, tzinfo=UTC)
CHANNEL = Channel("machines", "ops", "scores")


def partition(
    hour: int, sha256: str = "a" * 64, scored: datetime = MOMENT, pipeline: str = "machines"
) -> Partition:
    start = MOMENT + timedelta(hours=hour)
    key = f"{start:%Y%m%dT%H%M%SZ}--{start + timedelta(hours=1):%Y%m%dT%H%M%SZ}"
    return Partition(pipeline, key, 1, "p", sha256, "d", 5, 1, 0, scored)


def event(key: str, alert: str = "one", pipeline: str = "machines") -> AlertEvent:
    return AlertEvent(key, pipeline, alert, "opened", "w1", {})


def decide(ledger: Ledger, key: str, pipeline: str = "machines") -> None:
    ledger.record_decision(Decision(key, pipeline, "retrain", "v1", "none", ("why",), {}, MOMENT))


def test_a_state_is_written_found_replaced_and_removed(address) -> None:
    with Ledger.open(address) as ledger:
        state = DeliveryState("machines", "ops", "scores", "w1", begun=MOMENT, content="c", position=3)
        ledger.deliveries.put_state(state)
        ledger.deliveries.put_state(replace(state, position=7, retry_at=MOMENT))
        assert ledger.deliveries.find_state(CHANNEL, "w1") == replace(state, position=7, retry_at=MOMENT)
        assert ledger.deliveries.find_state(CHANNEL) is None
        ledger.deliveries.remove_state(state)
        assert ledger.deliveries.find_state(CHANNEL, "w1") is None


def test_cursors_and_dead_letters_are_listed_apart(address) -> None:
    with Ledger.open(address) as ledger:
        for subject in ("", "w1", "dead:x"):
            ledger.deliveries.put_state(DeliveryState("machines", "ops", "scores", subject, begun=MOMENT))
        ledger.deliveries.put_state(DeliveryState("others", "ops", "scores", "", begun=MOMENT))
        assert [item.subject for item in ledger.deliveries.list_states("machines", dead=False)] == [""]
        assert [item.subject for item in ledger.deliveries.list_states("machines", dead=True)] == ["dead:x"]


def test_a_window_is_due_until_its_very_scores_are_delivered(address) -> None:
    with Ledger.open(address) as ledger:
        deliveries = ledger.deliveries
        for hour in (1, 0):
            ledger.put_partition(partition(hour))
        ledger.put_partition(partition(0, pipeline="others"))

        def list_due() -> list[str]:
            return [item.window[:11] for item in deliveries.list_due_windows(CHANNEL, None)]

        assert list_due() == ["20260105T00", "20260105T01"]
        mark = DeliveryState("machines", "ops", "scores", partition(0).window, begun=MOMENT, content="a" * 64)
        deliveries.put_state(mark)
        assert list_due() == ["20260105T00", "20260105T01"]  # a part of it is no whole
        deliveries.put_state(replace(mark, delivered=MOMENT))
        assert list_due() == ["20260105T01"]
        assert len(deliveries.list_due_windows(Channel("machines", "lake", "scores"), None)) == 2
        ledger.put_partition(partition(0, "b" * 64))
        assert list_due() == ["20260105T00", "20260105T01"]


def test_since_counts_when_a_window_was_scored_or_begins(address) -> None:
    with Ledger.open(address) as ledger:
        for hour, scored in ((0, MOMENT), (1, MOMENT + timedelta(days=9)), (48, MOMENT)):
            ledger.put_partition(partition(hour, scored=scored))
        due = ledger.deliveries.list_due_windows(CHANNEL, MOMENT + timedelta(days=1))
        assert [item.window[:11] for item in due] == ["20260105T01", "20260107T00"]


def test_events_are_read_in_order_without_those_of_grouping(address) -> None:
    with Ledger.open(address) as ledger:
        ledger.answers.add_facts(
            event("a"), event("g", alert=""), event("b"), event("x", pipeline="others"), event("c")
        )
        deliveries = ledger.deliveries
        last = deliveries.find_last_seq("alerts")
        first = deliveries.list_alert_events("machines", 0, last, 2)
        assert [item.key for _, item in first] == ["a", "b"]
        assert [item.key for _, item in deliveries.list_alert_events("machines", first[-1][0], last, 9)] == [
            "c"
        ]
        assert deliveries.count_due(Channel("machines", "ops", "alerts"), first[-1][0]) == 1


def test_decisions_are_read_from_a_position_and_a_moment(address) -> None:
    with Ledger.open(address) as ledger:
        assert ledger.deliveries.find_seq_before("decisions", "machines", MOMENT) == 0
        decide(ledger, "x", "others")
        decide(ledger, "a")
        moment = datetime.now(UTC)
        decide(ledger, "b")
        deliveries = ledger.deliveries
        position = deliveries.find_seq_before("decisions", "machines", moment)
        last = deliveries.find_last_seq("decisions")
        assert [item.key for item in deliveries.list_decisions("machines", position, last, 9)] == ["b"]
        assert [item.key for item in deliveries.list_decisions("machines", 0, last, 1)] == ["a"]
        later = deliveries.find_seq_before("decisions", "machines", moment + timedelta(days=1))
        assert later == last


@pytest.mark.server
def test_no_position_is_passed_while_an_earlier_row_is_still_being_written(postgres) -> None:
    """PostgreSQL gives the first writer the smaller number; it commits after the second one."""
    import threading

    from tests.databases import create_database

    address = create_database(postgres)
    with Ledger.open(address) as ledger:
        engine = create_engine(address)
        row = (
            'INSERT INTO alert_events (key, pipeline, alert, event, "window", content, actor, at) VALUES '
            "('{key}', 'machines', 'one', 'seen', 'w1', '{{}}', 'p', '2026-01-05T00:00:00.000000Z')"
        )
        answer: list[int] = []
        with engine.connect() as slow:
            slow.execute(text(row.format(key="first")))  # not committed yet
            with engine.begin() as fast:
                fast.execute(text(row.format(key="second")))
            reader = threading.Thread(target=lambda: answer.append(ledger.deliveries.find_last_seq("alerts")))
            reader.start()
            wait_for_lock(engine)
            assert answer == []
            slow.commit()
            reader.join(30)
        assert answer == [2]
        events = ledger.deliveries.list_alert_events("machines", 0, answer[0], 9)
        assert [item.key for _, item in events] == ["first", "second"]
        engine.dispose()


def wait_for_lock(engine: Any) -> None:
    """Return when somebody waits for a lock on the table."""
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    with engine.connect() as connection:
        while not connection.execute(query).scalar():
            connection.commit()
