"""What changed is told at once: to who listens, by PostgreSQL itself, and to the sinks of pipelines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import create_engine, text
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from pynomaly.console.app import create_console
from pynomaly.console.live.changes import Change, ChangeFeed
from pynomaly.console.pipelines import Pipelines
from pynomaly.records.ledger import AlertEvent, Announced, Channel, Decision, Ledger
from pynomaly.steps.delivery.deliver_events import deliver_events, list_event_sinks
from tests.alerts import build_events, build_sighting
from tests.console.conftest import SECRET, START, TRAIN, fill_ledger, place_of
from tests.databases import create_database
from tests.machines import make_small_settings
from tests.receivers import Receiving, Reply, run_receiver
from tests.servers import answering

WAIT = Retrying(
    stop=stop_after_delay(60), wait=wait_fixed(0.02), retry=retry_if_result(lambda done: not done)
)
SINK = {
    "name": "ops",
    "kind": "webhook",
    "what": ["alerts", "decisions"],
    "address_env": "OPS_HOOK",
    "secret_env": "OPS_SECRET",
}


def write_pipeline(folder: Path, **blocks: Any) -> Path:
    configs = folder / "configs"
    configs.mkdir(parents=True, exist_ok=True)
    settings = make_small_settings(name="pumps", **blocks)
    (configs / "pumps.yaml").write_text(yaml.safe_dump(settings))
    return configs


def make_events(number: int, key: str) -> list[AlertEvent]:
    return build_events(f"{number:04x}aa", "pumps", number, build_sighting("a", number, "one a day", key))


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiving]:
    with run_receiver() as receiving:
        monkeypatch.setenv("OPS_HOOK", receiving.address)
        monkeypatch.setenv("OPS_SECRET", "a secret of some length")
        yield receiving


@pytest.fixture
def served(tmp_path: Path, hook: Receiving) -> Iterator[httpx.Client]:
    """A console over a pipeline with a webhook, alerts of which were recorded before."""
    configs = write_pipeline(tmp_path, sinks=[{**SINK, "since": "all"}])
    pipelines = Pipelines([configs], 0.0)
    fill_ledger(pipelines.open_ledger(pipelines.find_pipeline("pumps").ledger_url), 10)
    with answering(create_console(pipelines, SECRET, home=tmp_path, train=TRAIN)) as client:
        yield client


def list_types(hook: Receiving) -> list[str]:
    return sorted({str(event["type"]) for event in hook.events()})


class TestSinks:
    def test_what_was_recorded_before_and_what_is_answered_here_arrives(
        self, served: httpx.Client, hook: Receiving
    ) -> None:
        WAIT(lambda: "org.pynomaly.decision.promote" in list_types(hook))
        WAIT(lambda: "org.pynomaly.alert.opened" in list_types(hook))
        alert = served.get("/api/v1/alerts", params={"limit": 1}).json()["items"][0]
        place = f"/api/v1{place_of(alert)}"
        for action, body in (
            ("acknowledge", {"note": "on it"}),
            ("assign", {"to": "ben"}),
            ("mute", {"hours": 1}),
            ("comments", {"text": "hm"}),
            ("resolve", {"ending": "confirmed"}),
        ):
            assert served.post(f"{place}/{action}", json=body).status_code == 200
        answers = {f"{event} acknowledged" for event in ("acknowledged", "assigned", "muted", "commented")}
        answers.add("resolved resolved")

        def list_answers() -> set[str]:
            rows = [event["data"] for event in hook.events() if event["data"].get("alert") == alert["alert"]]
            return {f"{row['event']} {row['state']}" for row in rows}

        WAIT(lambda: answers <= list_answers())
        keys = [event["id"] for event in hook.events()]
        assert len(keys) == len(set(keys))

    def test_a_receiver_that_was_away_is_given_it_later(self, tmp_path: Path, hook: Receiving) -> None:
        retry = {"attempts": 1, "wait": "1s", "longest": "1s"}
        configs = write_pipeline(tmp_path, sinks=[{**SINK, "retry": retry}])
        pipeline = Pipelines([configs]).find_pipeline("pumps")
        hook.answer = lambda asked: Reply(503)
        deliver_events(pipeline)  # opens the channels
        with Ledger.open(pipeline.ledger_url) as ledger:
            ledger.answers.add_facts(*make_events(1, "heat"))
        waits = [item for item in deliver_events(pipeline) if item.due]
        assert [(item.what, item.due > 0, bool(item.error)) for item in waits] == [("alerts", True, True)]
        hook.answer = lambda asked: Reply()
        WAIT(lambda: not any(item.due for item in deliver_events(pipeline)))
        assert list_types(hook) == ["org.pynomaly.alert.opened", "org.pynomaly.alert.seen"]

    @pytest.mark.parametrize(
        ("kind", "more", "is_served"),
        [
            ("parquet", {"folder": "alerts"}, False),
            ("xlsx", {"folder": "/mnt/share/alerts"}, False),
            ("parquet", {"folder": "s3://lake/alerts"}, True),
            ("topic", {"broker": "kafka"}, False),
            ("topic", {"broker": "kafka", "address_env": "OPS_HOOK"}, True),
        ],
    )
    def test_a_place_that_may_be_another_elsewhere_is_left_to_the_runs(
        self, tmp_path: Path, hook: Receiving, kind: str, more: dict[str, str], is_served: bool
    ) -> None:
        configs = write_pipeline(tmp_path, sinks=[{"name": "ops", "kind": kind, **more}])
        served = list_event_sinks(Pipelines([configs]).find_pipeline("pumps"))
        assert bool(served) is is_served

    @pytest.mark.parametrize("missing", ["OPS_SECRET", "block"])
    def test_a_sink_that_cannot_be_opened_here_is_left_to_those_who_can(
        self, tmp_path: Path, hook: Receiving, monkeypatch: pytest.MonkeyPatch, missing: str
    ) -> None:
        sink = dict(SINK)
        if missing == "block":
            del sink["secret_env"]
            sink["secret_block"] = "secret/ops"
        else:
            monkeypatch.delenv(missing)
        configs = write_pipeline(tmp_path, sinks=[sink, {**SINK, "name": "scores", "what": ["scores"]}])
        pipeline = Pipelines([configs]).find_pipeline("pumps")
        assert list_event_sinks(pipeline) == ()
        assert deliver_events(pipeline) == ()
        with Ledger.open(pipeline.ledger_url) as ledger:
            assert ledger.deliveries.find_state(Channel("pumps", "ops", "alerts")) is None


async def collect(feed: ChangeFeed, changes: list[Change]) -> None:
    async for change in feed.listen():
        if change is not None:
            changes.append(change)


async def wait_until(is_so: Any) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.02)


def test_a_decision_that_is_recorded_while_others_are_read_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipelines = Pipelines([write_pipeline(tmp_path)])
    url = pipelines.find_pipeline("pumps").ledger_url
    ledger, feed = pipelines.open_ledger(url), ChangeFeed(pipelines)
    feed._positions = feed._read_positions()
    for key in ("one", "two"):
        ledger.record_decision(_decide(key))
    with monkeypatch.context() as patched:  # as if the second had come after the newest number was read
        patched.setattr(feed, "_read_positions", lambda: {url: (0, 1)})
        first = [item.content["seq"] for item in feed._read_changes()]
    second = [item.content["seq"] for item in feed._read_changes()]
    assert (first, second) == ([1], [2])
    pipelines.close()


@pytest.mark.server
class TestPostgres:
    def test_what_is_committed_is_announced_and_nothing_else(self, postgres: Any) -> None:
        with Ledger.open(create_database(postgres)) as ledger:
            assert ledger.change_listener.hears
            with ledger.change_listener.open() as listener:
                assert listener.wait(0.01) == ()
                ledger.answers.add_facts(*make_events(1, "heat"))
                assert listener.wait(30) == (Announced("alerts", 1),)
                ledger.answers.add_facts(*make_events(1, "heat"))  # the same once more
                ledger.record_decision(_decide("one"))
                assert listener.wait(30) == (Announced("decisions", 1),)

    def test_changes_arrive_without_being_asked_for(self, postgres: Any, tmp_path: Path) -> None:
        configs = write_pipeline(tmp_path, records={"ledger": create_database(postgres)})

        async def run() -> list[Change]:
            pipelines = Pipelines([configs])
            feed = ChangeFeed(pipelines, every_s=3600)
            changes: list[Change] = []
            task = asyncio.create_task(collect(feed, changes))
            await wait_until(lambda: feed.is_heard)
            with Ledger.open(pipelines.find_pipeline("pumps").ledger_url) as other:
                await asyncio.to_thread(other.answers.add_facts, *make_events(1, "heat"))
                await asyncio.to_thread(other.record_decision, _decide("one"))
            await wait_until(lambda: len(changes) == 2)
            task.cancel()
            await feed.close()
            pipelines.close()
            return changes

        changes = asyncio.run(run())  # one look may see the second before the next one sees the first
        assert sorted(item.kind for item in changes) == ["alert", "decision"]

    def test_a_row_that_was_numbered_first_and_committed_last_is_told(
        self, postgres: Any, tmp_path: Path
    ) -> None:
        address = create_database(postgres)
        configs = write_pipeline(tmp_path, records={"ledger": address})
        pipelines = Pipelines([configs])
        feed = ChangeFeed(pipelines)
        ledger = pipelines.open_ledger(pipelines.find_pipeline("pumps").ledger_url)
        ledger.answers.add_facts(*make_events(1, "heat"), *make_events(2, "noise"))
        feed._positions = feed._read_positions()
        # As if these rows had been committed only now, behind others of larger numbers.
        feed._note_announced(next(iter(feed._positions)), (Announced("alerts", 1),))
        told = [item.content["alert"] for item in feed._read_changes()]
        assert told == ["0001aa", "0002aa"]
        feed._note_announced(next(iter(feed._positions)), (Announced("alerts", 1),))
        assert feed._read_changes() == []  # each is told once
        pipelines.close()

    def test_a_lost_connection_is_said_and_changes_are_asked_for_meanwhile(
        self, postgres: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, "pynomaly.console.live")
        address = create_database(postgres)
        configs = write_pipeline(tmp_path, records={"ledger": address})
        ends = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE 'LISTEN %' AND datname = current_database()"
        )

        async def run() -> None:
            pipelines = Pipelines([configs])
            feed = ChangeFeed(pipelines, every_s=0.05)
            changes: list[Change] = []
            task = asyncio.create_task(collect(feed, changes))
            await wait_until(lambda: feed.is_heard)
            engine = create_engine(address)
            with engine.connect() as connection:
                await asyncio.to_thread(connection.execute, text(ends))
            engine.dispose()
            await wait_until(lambda: "is asked each second what changed" in caplog.text)
            with Ledger.open(address) as other:
                await asyncio.to_thread(other.answers.add_facts, *make_events(1, "heat"))
            await wait_until(lambda: len(changes) == 1)
            await wait_until(lambda: feed.is_heard)
            task.cancel()
            await feed.close()
            pipelines.close()

        asyncio.run(run())
        assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
            "the ledger is asked each second what changed, until it says so",
            "the ledger says by itself again what changes",
        ]


def _decide(key: str) -> Decision:
    return Decision(key, "pumps", "retrain", "v1", "none", ("why",), {}, START)
