"""Beside live scoring: what is written down arrives by itself, and a sink that hangs delays no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pynomaly.records.ledger import Ledger
from pynomaly.steps.delivery.deliverer import Deliverer
from pynomaly.steps.delivery.live import LiveDelivery
from tests.receivers import Asked, Receiving, Reply, run_receiver
from tests.written import make_scores, window_of, write_alert, write_window

SECRET = "a secret of some length"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiving]:
    with run_receiver() as receiving:
        monkeypatch.setenv("OPS_HOOK", receiving.address)
        monkeypatch.setenv("OPS_SECRET", SECRET)
        yield receiving


def make_sink(name: str = "ops", **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "webhook", "address_env": "OPS_HOOK", "secret_env": "OPS_SECRET", **more}


def test_an_alert_arrives_by_itself_while_another_sink_hangs(pipeline, hook: Receiving, monkeypatch) -> None:
    arrived, release = threading.Event(), threading.Event()

    def hang(asked: Asked) -> Reply:
        release.wait(60)
        return Reply(503)

    def arrive(asked: Asked) -> Reply:
        arrived.set()
        return Reply()

    with run_receiver() as stuck:
        stuck.answer, hook.answer = hang, arrive
        monkeypatch.setenv("STUCK", stuck.address)
        machines = pipeline(days=1, sinks=[make_sink("stuck", address_env="STUCK"), make_sink()])
        with LiveDelivery(machines) as live:
            write_alert(machines, "one")
            live.wake()
            assert arrived.wait(30)
            arrived.clear()
            write_alert(machines, "two")
            live.wake()
            assert arrived.wait(30)
            release.set()
    assert [event["data"]["alert"] for event in hook.events()] == ["one", "one", "two", "two"]


def test_what_another_process_wrote_arrives_without_a_word(pipeline, hook: Receiving) -> None:
    arrived = threading.Event()
    hook.answer = lambda asked: (arrived.set(), Reply())[1]
    machines = pipeline(days=1, sinks=[make_sink()])
    with LiveDelivery(machines):
        write_alert(machines, "one")
        assert arrived.wait(30)


def test_a_window_that_was_handed_over_live_is_not_sent_again(pipeline, hook: Receiving) -> None:
    machines = pipeline(days=1, sinks=[make_sink(what=["scores"])])
    scores = make_scores(0, 10)
    with LiveDelivery(machines) as live:
        for some in (scores.iloc[6:], scores.iloc[:3], scores.iloc[3:6]):
            live.hand_over(window_of(0).key, some)
    assert len(hook.events()) == 10
    write_window(machines, 0)
    with Deliverer(machines) as deliverer:
        (result,) = deliverer.deliver_due()
    assert (result.rows, result.due) == (0, 0)
    assert len(hook.events()) == 10
    write_window(machines, 0, seed=1)  # a late row changed it
    with Deliverer(machines) as deliverer:
        deliverer.deliver_due()
    assert len(hook.events()) == 20


@pytest.mark.parametrize("batches", [[(0, 5)], [(0, 5), (5, 10), (5, 10)], [(0, 4), (5, 10)]])
def test_a_window_that_arrived_in_part_or_twice_is_sent_whole(pipeline, hook: Receiving, batches) -> None:
    machines = pipeline(days=1, sinks=[make_sink(what=["scores"])])
    scores = make_scores(0, 10)
    with LiveDelivery(machines) as live:
        for first, last in batches:
            live.hand_over(window_of(0).key, scores.iloc[first:last])
    hook.asked.clear()
    write_window(machines, 0)
    with Deliverer(machines) as deliverer:
        (result,) = deliverer.deliver_due()
    assert result.rows == 10
    assert len({event["id"] for event in hook.events()}) == 10


def test_live_events_have_the_ids_that_the_closed_window_gives_them(pipeline, hook: Receiving) -> None:
    machines = pipeline(days=1, sinks=[make_sink(what=["scores"])])
    with LiveDelivery(machines) as live:
        live.hand_over(window_of(0).key, make_scores(0, 10).iloc[2:7])
    ids = {event["id"] for event in hook.events()}
    hook.asked.clear()
    write_window(machines, 0)
    with Deliverer(machines) as deliverer:
        deliverer.deliver_due()
    assert len(ids) == 5
    assert ids <= {event["id"] for event in hook.events()}


def test_a_sink_that_fails_or_refuses_live_is_given_the_closed_window(pipeline, hook: Receiving) -> None:
    machines = pipeline(days=1, sinks=[make_sink(what=["scores"])])
    for status in (503, 422):
        hook.answer = lambda asked, status=status: Reply(status)
        with LiveDelivery(machines) as live:
            live.hand_over(window_of(0).key, make_scores(0, 10))
    hook.answer = lambda asked: Reply()
    hook.asked.clear()
    write_window(machines, 0)
    with Deliverer(machines, at_once=True) as deliverer:
        (result,) = deliverer.deliver_due()
    assert (result.rows, result.dead) == (10, 0)


def test_live_rows_stay_in_the_table_when_their_window_closes(pipeline, tmp_path, monkeypatch) -> None:
    import sqlite3
    from contextlib import closing

    monkeypatch.setenv("DB", f"sqlite:///{tmp_path / 'sink.db'}")
    machines = pipeline(
        days=1, sinks=[{"name": "db", "kind": "sql", "what": ["scores"], "address_env": "DB"}]
    )
    with LiveDelivery(machines) as live:
        live.hand_over(window_of(0).key, make_scores(0, 10))
    write_window(machines, 0)

    def count() -> int:
        with closing(sqlite3.connect(tmp_path / "sink.db")) as database:
            return int(database.execute("SELECT count(*) FROM pynomaly_scores").fetchone()[0])

    with Deliverer(machines) as deliverer:
        assert deliverer.deliver_due()[0].rows == 0
        assert count() == 10
        write_window(machines, 0, rows=7, version=2)
        assert deliverer.deliver_due()[0].rows == 7
    assert count() == 7
    with Ledger.open(machines.ledger_url) as ledger:
        assert ledger.find_partition("machines", window_of(0)).version == 2


def test_an_alert_waits_for_no_scores_of_its_own_sink(pipeline, hook: Receiving) -> None:
    arrived, release = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Reply:
        if b"org.pynomaly.alert" in asked.body:
            arrived.set()
        else:
            release.wait(60)
        return Reply()

    hook.answer = answer
    machines = pipeline(days=1, sinks=[make_sink(what=["scores", "alerts"])])
    with LiveDelivery(machines) as live:
        live.hand_over(window_of(0).key, make_scores(0, 10))
        write_alert(machines, "one")
        live.wake()
        assert arrived.wait(30)
        release.set()
