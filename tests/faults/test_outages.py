"""A disk that is full, a database that goes and comes back, a clock that jumps, many writers at once.

Long forms by ``make faults`` (``PYNOMALY_KILLS=all``): more processes, and a real MLflow server that is
stopped in the middle.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

from pynomaly.config import Pipeline
from pynomaly.data.places import resolve_place
from pynomaly.data.window import Window
from pynomaly.errors import LeaseHeldError, RecordError
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.records.ledger.ledger import LEASE_TTL
from pynomaly.records.store import Store
from pynomaly.steps.scoring.due_windows import find_due_windows
from pynomaly.steps.scoring.score_windows import score_window
from tests.buckets import run_s3_server
from tests.databases import create_database, run_restartable_postgres
from tests.faults.crowd import FIRST, ROUNDS, fill, look, work
from tests.processes import make_fork_context, make_process
from tests.steps.conftest import MOMENT, learn, pipeline, plan

pytestmark = pytest.mark.slow

__all__ = ["pipeline"]

LONG = os.environ.get("PYNOMALY_KILLS") == "all"


def make_decision(key: str) -> Decision:
    return Decision(key, "machines", "retrain", "all", "none", ("why",), {}, FIRST)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("records", ["sqlite", "postgresql"])
def test_many_writers_and_a_reader_at_once_lose_nothing(
    records: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if records == "sqlite":
        url, count = f"sqlite:///{tmp_path}/ledger.db", 16 if LONG else 4
    else:
        url, count = create_database(request.getfixturevalue("postgres")), 64 if LONG else 4
    forked = make_fork_context("tests.faults.crowd")
    together, done, answers = forked.Barrier(count + 1), forked.Event(), forked.Queue()
    workers = [make_process(forked, work, url, n, together, answers) for n in range(count)]
    reader = make_process(forked, look, url, together, done, answers)
    for started in (*workers, reader):
        started.start()
    ended = dict(answers.get(timeout=800) for _ in workers)
    done.set()
    looks, failed = answers.get(timeout=100)
    for started in (*workers, reader):
        started.join()
    assert {number: text for number, text in ended.items() if text} == {}
    assert failed == ""
    with Ledger.open(url) as ledger:
        lines = Counter(item.pipeline for item in ledger.list_decisions())
        assert lines == {f"p{number:02d}": ROUNDS for number in range(count)}
        assert all(len(ledger.list_partitions(name)) == ROUNDS for name in lines)
        assert ledger.verify_chain().intact
        assert not ledger.outbox.list_lease_holders()
    print(f"{records}: {count} writers, {sum(lines.values())} lines, {-looks - 1} reads", file=sys.stderr)


def test_a_full_disk_ends_in_one_error_and_leaves_what_was_whole(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    before = pd.DataFrame({"score": np.arange(3.0)})
    path, sha256 = Store(tmp_path / "store").write_scores("machines", "all", before)
    with Ledger.open(url) as ledger:
        ledger.record_decision(make_decision("before"))
    forked = make_fork_context("tests.faults.crowd")
    answers = forked.Queue()
    filling = make_process(forked, fill, str(tmp_path), 400_000, answers)
    filling.start()
    written, errors = answers.get(timeout=120)
    filling.join()
    assert [error.partition(":")[0] for error in errors] == ["store", "ledger"]
    assert Store(tmp_path / "store").has_file(path, sha256)
    assert not list(tmp_path.rglob("*.draft"))
    with Ledger.open(url) as ledger:  # there is room again
        assert ledger.record_decision(make_decision("after")).seq == written + 2
        assert ledger.verify_chain().intact
        assert len(ledger.list_decisions()) == written + 2


def test_a_database_that_goes_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    with run_restartable_postgres(tmp_path / "pg") as (address, server):
        url = create_database(address)
        with Ledger.open(url) as ledger, ledger.hold_lease("train:machines", renew=False) as lease:
            ledger.record_decision(make_decision("before"))
            postmaster = psutil.Process(server.get_pid())
            postmaster.send_signal(signal.SIGQUIT)  # no farewell: as a crash
            postmaster.wait(60)
            with pytest.raises(RecordError, match="could not write"):
                ledger.record_decision(make_decision("lost"), lease)
            server.ensure_postgres_running()
            assert (
                ledger.record_decision(make_decision("after"), lease).seq is not None
            )  # the lease outlived the server
            assert ledger.find_decision("lost") is None
            assert [item.key for item in ledger.list_decisions()] == ["after", "before"]
            assert ledger.verify_chain().intact


def test_a_bucket_that_goes_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s3").mkdir()
    rows = pd.DataFrame({"score": np.arange(3.0)})
    with run_s3_server(tmp_path / "s3") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        store = Store("s3://pynomaly/store")
        kept, sha256 = store.write_scores("machines", "all", rows)
        server.stop()
        with pytest.raises(RecordError, match="cannot be reached"):
            store.write_scores("machines", "all", rows * 2)
        server.start()
        assert store.has_file(kept, sha256)  # what was acknowledged outlived the server, whole
        changed, other = store.write_scores("machines", "all", rows * 2)
        assert store.has_file(changed, other)
        assert list(resolve_place("s3://pynomaly/store").list_addresses()) == [str(changed)]


@pytest.mark.slow
def test_a_window_whose_bucket_goes_while_it_is_scored_is_due_again(
    pipeline: Callable[..., Pipeline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s3").mkdir()
    day = Window(MOMENT, MOMENT + timedelta(days=1))
    with run_s3_server(tmp_path / "s3") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        settings = pipeline(records={"store": "s3://pynomaly/store"})
        learn(settings, plan(settings))
        written = Store.write_scores

        def gone(store: Store, *arguments: Any) -> Any:
            server.stop()
            return written(store, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(Store, "write_scores", gone)
            with pytest.raises(RecordError, match="cannot be reached"):
                score_window(settings, day)
        with Ledger.open(settings.ledger_url) as ledger:
            assert not ledger.list_partitions("machines")
            assert not [item for item in ledger.outbox.list_lease_holders() if item.name.startswith("score:")]
        server.start()
        assert find_due_windows(settings, day.end).windows == (day,)
        scored = score_window(settings, day)
        assert scored.new
        assert not score_window(settings, day).new  # one partition, whole where the ledger says it is
        with Ledger.open(settings.ledger_url) as ledger:
            [partition] = ledger.list_partitions("machines")
        store = Store("s3://pynomaly/store")
        assert store.has_file(store.locate_file(partition.path), partition.sha256)


@pytest.mark.parametrize("hours", [1, 24 * 365])
def test_who_slept_through_a_jump_of_the_clock_writes_nothing(tmp_path: Path, hours: int) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    late = FIRST + timedelta(hours=hours)
    with (
        Ledger.open(url, clock=lambda: FIRST) as ledger,
        Ledger.open(url, clock=lambda: late) as other,
        ledger.hold_lease("champion:machines", renew=False) as slept,
    ):
        with other.hold_lease("champion:machines", renew=False) as taken:
            with pytest.raises(LeaseHeldError, match="taken over"):
                ledger.record_decision(make_decision("stale"), slept)
            other.record_decision(make_decision("fresh"), taken)
        assert [item.key for item in other.list_decisions()] == ["fresh"]


def test_a_lease_from_before_the_clock_went_back_ends_when_the_clock_is_there_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    with Ledger.open(url, clock=lambda: FIRST) as ledger:
        dead = ledger.hold_lease("train:machines", renew=False)
        dead.__enter__()  # its process is gone: nobody leaves the body
    with (
        Ledger.open(url, clock=lambda: FIRST - timedelta(hours=1)) as ledger,
        pytest.raises(LeaseHeldError),
        ledger.hold_lease("train:machines", renew=False),
    ):
        raise AssertionError("two holders")
    with (
        Ledger.open(url, clock=lambda: FIRST + LEASE_TTL) as ledger,
        ledger.hold_lease("train:machines", renew=False) as lease,
    ):
        assert not lease.lost
    with pytest.raises(GeneratorExit):
        dead.gen.throw(GeneratorExit)
