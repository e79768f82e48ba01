"""A process that is killed anywhere, many rows, and records that cannot be read."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.steps.delivery.deliverer import Deliverer
from pynomaly.steps.delivery.delivery_status import describe_delivery
from tests.receivers import Asked, Receiving, Reply, run_receiver
from tests.written import make_scores, write_alert, write_decision, write_window

ROOT = Path(__file__).parents[3]
DELIVER = """
import sys
from pynomaly.config import load_pipeline
from pynomaly.steps.delivery.deliverer import Deliverer

with Deliverer(load_pipeline(sys.argv[1])) as deliverer:
    deliverer.deliver_due()
"""


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiving]:
    with run_receiver() as receiving:
        monkeypatch.setenv("OPS_HOOK", receiving.address)
        monkeypatch.setenv("OPS_SECRET", "a secret of some length")
        yield receiving


def make_hook(**more: Any) -> dict[str, Any]:
    everything = ["scores", "alerts", "decisions"]
    return {
        "name": "ops",
        "kind": "webhook",
        "address_env": "OPS_HOOK",
        "secret_env": "OPS_SECRET",
        "what": everything,
        **more,
    }


def deliver(pipeline: Pipeline) -> tuple[Any, ...]:
    with Deliverer(pipeline, at_once=True, pause=lambda seconds: None) as deliverer:
        return deliverer.deliver_due()


@pytest.mark.slow
@pytest.mark.parametrize("answered", [True, False])
def test_killed_at_any_request_it_goes_on_and_nothing_is_lost(
    pipeline: Callable[..., Pipeline], hook: Receiving, answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run is killed while the receiver has its n-th request: before it answers, or just after."""
    machines = pipeline(days=1, sinks=[make_hook(batch=3)])
    deliver(machines)
    for hour in range(2):
        write_window(machines, hour, rows=7)
    write_alert(machines, "one")
    write_decision(machines, "d1")
    writer: list[subprocess.Popen[bytes]] = []

    def kill_after(number: int) -> Callable[[Asked], Reply]:
        count = [0]

        def answer(asked: Asked) -> Reply:
            count[0] += 1
            if count[0] == number:
                writer[-1].send_signal(signal.SIGKILL)
                writer[-1].wait()
                return Reply(0 if not answered else 200)
            return Reply()

        return answer

    for number in (1, 2, 2, 3):
        hook.answer = kill_after(number)
        command = [sys.executable, "-c", DELIVER, str(machines.origin)]
        writer.append(subprocess.Popen(command, cwd=ROOT, env=dict(os.environ)))
        writer[-1].wait(120)
    hook.answer = lambda asked: Reply()
    deliver(machines)
    assert {item["due"] for item in describe_delivery(machines)} == {0}
    keys = {event["data"]["key"] for event in hook.events()}
    taken_over = {key for key in keys if key.startswith("lease:")}  # of each process that was killed
    assert taken_over
    assert len(keys - taken_over) == 7 + 7 + 2 + 1


def test_a_hundred_thousand_rows_arrive_in_bounded_parts(
    pipeline: Callable[..., Pipeline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB", f"sqlite:///{tmp_path / 'sink.db'}")
    sink = {"name": "db", "kind": "sql", "what": ["scores"], "address_env": "DB", "batch": 20_000}
    machines = pipeline(
        days=1, sinks=[sink, {"name": "lake", "kind": "parquet", "what": ["scores"], "folder": "lake"}]
    )
    deliver(machines)
    write_window(machines, 0, rows=100_000)
    results = {item.sink: item for item in deliver(machines)}
    assert (results["db"].rows, results["db"].parts) == (100_000, 5)
    assert (results["lake"].rows, results["lake"].parts) == (100_000, 1)
    with closing(sqlite3.connect(tmp_path / "sink.db")) as database:
        assert database.execute("SELECT count(*), count(p_value) FROM pynomaly_scores").fetchone() == (
            100_000,
            99_999,
        )
    (file,) = (tmp_path / "lake").rglob("*.parquet")
    assert pd.read_parquet(file)["key"].is_unique


def test_scores_that_are_gone_or_changed_are_named_and_the_next_window_goes_on(
    pipeline: Callable[..., Pipeline], hook: Receiving
) -> None:
    machines = pipeline(days=1, sinks=[make_hook(what=["scores"])])
    deliver(machines)
    store = machines.home / "store"
    (store / write_window(machines, 0).path).unlink()
    (store / write_window(machines, 1).path).write_bytes(b"something else")
    write_window(machines, 2)
    (result,) = deliver(machines)
    assert (result.rows, result.due) == (10, 2)
    assert "has not been scored; no file" in result.error
    write_window(machines, 0)
    write_window(machines, 1)
    (result,) = deliver(machines)
    assert (result.rows, result.due, result.error) == (20, 0, "")


def test_a_read_only_folder_waits_and_says_so(pipeline: Callable[..., Pipeline], tmp_path: Path) -> None:
    sink = {
        "name": "lake",
        "kind": "parquet",
        "what": ["decisions"],
        "folder": "lake",
        "retry": {"attempts": 1},
    }
    machines = pipeline(days=1, sinks=[sink])
    deliver(machines)
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "machines").write_text("a file where a folder should be")
    write_decision(machines, "d1")
    (result,) = deliver(machines)
    assert (result.due, result.dead) == (1, 0)
    assert "cannot" in result.error
    (tmp_path / "lake" / "machines").unlink()
    assert deliver(machines)[0].rows == 1


def test_rows_without_times_have_keys_by_their_position(pipeline: Callable[..., Pipeline]) -> None:
    from pynomaly.steps.delivery.rows import list_score_rows

    machines = pipeline(days=1)
    scores = make_scores(0, 6).drop(columns=["time", "machine"])
    keys = list_score_rows(machines, "all", scores)["key"]
    assert list(keys[:2]) == ["machines/all//row:0/v1", "machines/all//row:1/v1"]
    twice = pd.concat([make_scores(0, 3)] * 2, ignore_index=True)
    keys = list_score_rows(machines, "w", twice)["key"]
    assert keys.is_unique
    assert keys[3] == f"{keys[0]}/1"


def test_a_key_is_safe_in_every_place(pipeline: Callable[..., Pipeline]) -> None:
    from pynomaly.steps.delivery.rows import list_score_rows

    machines = pipeline(days=1)
    scores = make_scores(0, 9)
    scores["machine"] = [*scores["machine"][:7], "x" * 5000 + "a", "x" * 5000 + "b"]
    keys = list_score_rows(machines, "w1", scores)["key"]
    assert keys.is_unique
    assert keys.str.len().max() < 400
    assert all(key.isascii() and key.isprintable() and " " not in key for key in keys)
    assert json.loads(json.dumps(list(keys))) == list(keys)
