from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import Pool

from pynomaly.errors import ConfigError, LeaseHeldError, RecordError
from pynomaly.records.ledger import Decision, Ledger, Partition
from pynomaly.records.ledger.rows import parse_window_key, to_json
from pynomaly.records.ledger.tables import Moment
from tests.processes import make_fork_context, make_process

MOMENT = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = "20260105T000000Z--20260112T000000Z"


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = MOMENT

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(address, clock):
    with Ledger.open(address, clock) as opened:
        yield opened


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'home' / 'ledger.db'}"


def decision(key: str, **changes) -> Decision:
    content = {
        "key": key,
        "pipeline": "quickstart",
        "kind": "retrain",
        "subject": "quickstart v1",
        "outcome": "none",
        "reasons": ("Nothing has drifted.",),
        "evidence": {},
        "as_of": MOMENT,
    }
    return Decision(**{**content, **changes})


def partition(window: str = WEEK, **changes) -> Partition:
    content = {
        "version": 1,
        "path": "/s",
        "sha256": "a",
        "data_hash": "b",
        "rows": 9,
        "alerts": 1,
        "quarantined": 0,
    }
    return Partition("quickstart", window, **{**content, **changes}, scored_at=MOMENT)


# Opening


def test_opening_creates_folder_and_tables_and_write_ahead_mode(tmp_path):
    Ledger.open(url(tmp_path)).close()
    connection = sqlite3.connect(tmp_path / "home" / "ledger.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.parametrize(
    "address", ["sqlite://", "sqlite:///:memory:", "nonsense", "mysql://h/d", "oracle://x"]
)
def test_addresses_that_would_lose_decisions_are_refused(address):
    with pytest.raises(ConfigError, match=r"records\.ledger"):
        Ledger.open(address)


def test_a_database_that_cannot_be_created_is_a_record_error(tmp_path):
    (tmp_path / "home").write_text("a file where the folder belongs")
    with pytest.raises(RecordError, match="cannot open the ledger"):
        Ledger.open(url(tmp_path))


def test_a_kind_that_is_no_longer_written_is_read_and_verified(ledger):
    with pytest.raises(RecordError, match="unknown kind of decision 'compare'"):
        decision("old", kind="compare")
    ledger.record_decision(decision("old", kind="compare", previous="0" * 64))  # as an older version did
    ledger.record_decision(decision("new"))
    assert [item.kind for item in ledger.list_decisions("quickstart")] == ["retrain", "compare"]
    assert ledger.verify_chain().intact


def test_a_ledger_of_a_newer_pynomaly_is_refused(address):
    Ledger.open(address).close()
    by_hand(address, "UPDATE ledger_version SET version_num = '9999'")
    with pytest.raises(RecordError, match="schema 9999"):
        Ledger.open(address)


def test_a_ledger_that_is_refused_leaves_no_connection_open(tmp_path):
    address = url(tmp_path)
    Ledger.open(address).close()
    by_hand(address, "UPDATE ledger_version SET version_num = '9999'")
    opened, closed = [], []
    counters = (("connect", lambda *_: opened.append(1)), ("close", lambda *_: closed.append(1)))
    for name, counter in counters:
        event.listen(Pool, name, counter)
    try:
        with pytest.raises(RecordError, match="schema 9999"):
            Ledger.open(address)
    finally:
        for name, counter in counters:
            event.remove(Pool, name, counter)
    assert opened == closed == [1]


def by_hand(address: str, statement: str) -> None:
    """Do to the database what no method of the ledger does."""
    engine = create_engine(address)
    try:
        with engine.begin() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


def _race(address: str, number: int, results) -> None:
    try:
        with Ledger.open(address) as ledger:
            same = ledger.record_decision(decision("same", actor=f"p{number}"))
            ledger.record_decision(decision(f"own-{number}"))
            results.put((number, same.actor, ""))
    except Exception as error:  # whatever it is, the test must show it
        results.put((number, "", repr(error)))


def test_six_processes_create_one_new_ledger_and_agree(address):
    forked = make_fork_context(__name__)
    results = forked.Queue()
    workers = [make_process(forked, _race, address, number, results) for number in range(6)]
    for worker in workers:
        worker.start()
    answers = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
        worker.close()
    results.close()
    results.join_thread()
    assert [error for _, _, error in answers if error] == []
    assert len({actor for _, actor, _ in answers}) == 1
    with Ledger.open(address) as ledger:
        assert len(ledger.list_decisions()) == 7


# Decisions


def test_a_decision_comes_back_as_it_was_recorded(ledger):
    sent = decision("k", evidence={"n": np.int64(3), "worst": float("inf"), "when": MOMENT, "p": Path("/a")})
    stored = ledger.record_decision(sent)
    assert (stored.seq, stored.at, stored.actor, stored.reasons) == (1, MOMENT, "pynomaly", sent.reasons)
    assert stored.evidence == {"n": 3, "worst": None, "when": "2026-01-05T00:00:00+00:00", "p": "/a"}
    assert ledger.find_decision("k") == stored
    assert ledger.find_decision("other") is None


def test_the_first_of_two_decisions_with_one_key_stands(ledger):
    first = ledger.record_decision(decision("k", outcome="none"))
    assert ledger.record_decision(decision("k", outcome="refit")) == first
    assert len(ledger.list_decisions()) == 1


def test_decisions_are_newest_first_and_filtered(ledger):
    for key, changes in {
        "a": {},
        "b": {"kind": "promote", "outcome": "superior"},
        "c": {"pipeline": "other"},
        "d": {"kind": "promote", "outcome": "first"},
    }.items():
        ledger.record_decision(decision(key, **changes))
    assert [item.key for item in ledger.list_decisions()] == ["d", "c", "b", "a"]
    assert [item.key for item in ledger.list_decisions("quickstart")] == ["d", "b", "a"]
    assert [item.key for item in ledger.list_decisions("quickstart", "promote", limit=1)] == ["d"]
    assert ledger.find_last_decision("quickstart", "promote", outcome="superior").key == "b"
    assert ledger.find_last_decision("quickstart", "rollback") is None


@pytest.mark.parametrize("verb", ["UPDATE decisions SET outcome = 'x'", "DELETE FROM decisions"])
def test_the_database_itself_refuses_to_change_history(ledger, address, verb):
    ledger.record_decision(decision("k"))
    with pytest.raises(DBAPIError, match="append-only"):
        by_hand(address, verb)
    assert ledger.find_decision("k").outcome == "none"


def test_unknown_kinds_missing_keys_and_naive_times_are_refused(ledger):
    with pytest.raises(RecordError, match="did you mean 'promote'"):
        decision("k", kind="promoted")
    with pytest.raises(RecordError, match="no key"):
        ledger.record_decision(decision(""))
    with pytest.raises(RecordError, match="no offset"):
        ledger.record_decision(decision("k", as_of=datetime(2026, 1, 5)))
    with pytest.raises(RecordError, match="cannot be kept"):
        decision("k", evidence={"x": object()})
    assert ledger.list_decisions() == ()


@given(st.datetimes(min_value=datetime(1971, 1, 1)), st.integers(-720, 720))
def test_moments_survive_and_sort_as_text(naive, minutes):
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    kept = Moment()
    stored = kept.process_bind_param(moment, None)
    assert kept.process_result_value(stored, None) == moment
    later = kept.process_bind_param(moment + timedelta(microseconds=1), None)
    assert stored < later


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_plain_values_are_their_own_plain_form(value):
    once = to_json(value)
    assert to_json(once) == once


# Partitions


def test_a_window_scored_again_replaces_its_row(ledger):
    ledger.put_partition(partition(alerts=1))
    ledger.put_partition(partition(alerts=2))
    assert ledger.find_partition("quickstart", WEEK).alerts == 2
    assert len(ledger.list_partitions("quickstart")) == 1
    assert ledger.find_partition("quickstart", "all") is None


def test_partitions_come_in_time_order_inside_bounds(ledger):
    weeks = [
        "20260119T000000Z--20260126T000000Z",
        WEEK,
        "20260112T000000Z--20260119T000000Z",
    ]
    for window in weeks:
        ledger.put_partition(partition(window))
    assert [item.window for item in ledger.list_partitions("quickstart")] == sorted(weeks)
    inside = ledger.list_partitions("quickstart", MOMENT + timedelta(days=7), MOMENT + timedelta(days=14))
    assert [item.window for item in inside] == [weeks[2]]
    newest = ledger.find_newest_partition("quickstart")
    assert newest.end == datetime(2026, 1, 26, tzinfo=UTC)
    assert ledger.find_newest_partition("other") is None


def test_a_table_without_time_is_one_partition(ledger):
    ledger.put_partition(partition("all"))
    assert ledger.find_newest_partition("quickstart").end is None
    assert ledger.find_partition("quickstart", "all").rows == 9


def test_window_keys_name_their_edges():
    assert parse_window_key("all") is None
    assert parse_window_key(WEEK) == (MOMENT, MOMENT + timedelta(days=7))
    for wrong in ("week 3", "20260105T000000Z", "20260105T000000--20260112T000000", "--"):
        with pytest.raises(RecordError, match="names no window"):
            parse_window_key(wrong)


# Observations


def test_recent_observations_are_the_newest_before_a_moment_oldest_first(ledger):
    for week in range(4):
        start = MOMENT + timedelta(days=7 * week)
        key = f"{start:%Y%m%dT%H%M%SZ}--{start + timedelta(days=7):%Y%m%dT%H%M%SZ}"
        ledger.put_observation("quickstart", key, {"week": week}, "r.html", version=1)
        ledger.put_observation("quickstart", key, {"week": -week}, version=2)
    before = MOMENT + timedelta(days=21)
    assert ledger.list_recent_observations("quickstart", before, 2, version=1) == ({"week": 1}, {"week": 2})
    assert len(ledger.list_recent_observations("quickstart", before, 99)) == 6
    assert ledger.list_recent_observations("other", before, 2) == ()


def test_a_window_seen_again_keeps_the_newer_view(ledger):
    ledger.put_observation("quickstart", WEEK, {"performance": None}, "a.html", version=3)
    ledger.put_observation("quickstart", WEEK, {"performance": 0.5}, "b.html", version=3)
    observed = ledger.find_observation("quickstart", WEEK, 3)
    assert (observed.observation, observed.report) == ({"performance": 0.5}, "b.html")
    assert ledger.find_observation("quickstart", WEEK, 4) is None


def test_observations_of_a_table_without_time_count_as_ended(ledger):
    ledger.put_observation("quickstart", "all", {"rows": 5})
    assert ledger.list_recent_observations("quickstart", MOMENT, 5) == ({"rows": 5},)


# Trainings


def test_trainings_are_newest_first_and_a_repeat_replaces_its_end(ledger):
    ledger.put_training("k1", "quickstart", MOMENT, "h1", None, "failed")
    ledger.put_training("k2", "quickstart", MOMENT + timedelta(days=1), "h2", 2, "registered", {"rows": 10})
    ledger.put_training("k1", "quickstart", MOMENT, "h1", 1, "registered", {"rows": np.float64("nan")})
    assert [item.key for item in ledger.list_trainings("quickstart")] == ["k2", "k1"]
    first = ledger.find_training("k1")
    assert (first.version, first.outcome, first.detail) == (1, "registered", {"rows": None})
    assert ledger.find_training("k3") is None
    assert len(ledger.list_trainings("quickstart", limit=1)) == 1


# Leases


def test_a_held_lease_keeps_others_out_and_says_who_holds_it(ledger):
    with ledger.hold_lease("train:a", "first", timedelta(minutes=5), renew=False):
        with (
            pytest.raises(LeaseHeldError, match="held by 'first' until 2026-01-05T00:05:00"),
            ledger.hold_lease("train:a"),
        ):
            pytest.fail("two holders")
        with ledger.hold_lease("train:b", "second"):
            pass
    with ledger.hold_lease("train:a", "second"):
        pass


def test_a_lease_of_a_dead_holder_is_taken_over_when_its_time_is_over(ledger, clock):
    with ledger.hold_lease("train:a", "dead", timedelta(minutes=5), renew=False) as dead:
        clock.now += timedelta(minutes=5)
        with ledger.hold_lease("train:a", "alive", timedelta(minutes=5), renew=False) as alive:
            with pytest.raises(LeaseHeldError, match="lost the lease"):
                dead.renew()
            assert dead.lost
            dead.release()  # must not free what somebody else holds now
            alive.renew()
            with pytest.raises(LeaseHeldError), ledger.hold_lease("train:a", "third"):
                pytest.fail("two holders")


def test_renewing_moves_the_end(ledger, clock):
    with ledger.hold_lease("train:a", "first", timedelta(minutes=5), renew=False) as lease:
        clock.now += timedelta(minutes=4)
        lease.renew()
        clock.now += timedelta(minutes=4)
        with pytest.raises(LeaseHeldError), ledger.hold_lease("train:a", "second"):
            pytest.fail("two holders")


def test_a_lease_renews_itself_in_the_background(ledger, clock):
    with ledger.hold_lease("train:a", "first", timedelta(milliseconds=30)) as lease:
        first = lease.expires
        clock.now += timedelta(seconds=1)
        limit = 2000
        while lease.expires == first and limit:
            limit -= 1
            lease._stop.wait(0.005)
        assert lease.expires > first


def test_a_lease_is_released_when_its_body_fails(ledger):
    with pytest.raises(ZeroDivisionError), ledger.hold_lease("train:a", "first"):
        raise ZeroDivisionError
    with ledger.hold_lease("train:a", "second"):
        pass


def test_a_lease_needs_a_time_to_live(ledger):
    with pytest.raises(RecordError, match="positive"), ledger.hold_lease("a", ttl=timedelta(0)):
        pytest.fail("held for no time")


def _take(address: str, number: int, results, ended) -> None:
    ledger = Ledger.open(address)
    held = ledger.hold_lease("one", f"p{number}", timedelta(hours=1), renew=False)
    try:
        held.__enter__()
        results.put("held")
    except LeaseHeldError:
        results.put("refused")
    results.close()
    results.join_thread()
    ended.wait()
    os._exit(0)  # as a killed process would: nothing is released


def test_of_four_processes_one_gets_the_lease(address):
    forked = make_fork_context(__name__)
    results, ended = forked.Queue(), forked.Event()
    workers = [make_process(forked, _take, address, number, results, ended) for number in range(4)]
    for worker in workers:
        worker.start()
    answers = sorted(results.get(timeout=120) for _ in workers)
    ended.set()
    for worker in workers:
        worker.join()
        worker.close()
    results.close()
    results.join_thread()
    assert answers == ["held", "refused", "refused", "refused"]
