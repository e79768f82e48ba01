"""What a stream's worker writes down reaches the sinks by the same door, rows of open windows included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from pynomaly.data.brokers import BlockingPublisher, Outgoing, memory, open_publisher
from pynomaly.records.ledger import Ledger
from pynomaly.steps.delivery.deliverer import Deliverer
from pynomaly.steps.streaming.run_stream import StreamRun
from tests.receivers import Receiving, run_receiver
from tests.steps.streaming.conftest import LiveTable
from tests.steps.streaming.test_closing import DAY, close, rows_of


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiving]:
    memory.drop_topics()
    with run_receiver() as receiving:
        monkeypatch.setenv("OPS_HOOK", receiving.address)
        monkeypatch.setenv("OPS_SECRET", "a secret of some length")
        yield receiving
    memory.drop_topics()


@pytest.mark.slow
def test_scores_and_alerts_of_an_open_window_arrive_and_its_close_sends_nothing_again(
    live_table: Callable[..., LiveTable], hook: Receiving
) -> None:
    sink = {
        "name": "ops",
        "kind": "webhook",
        "what": ["scores", "alerts"],
        "address_env": "OPS_HOOK",
        "secret_env": "OPS_SECRET",
    }
    table = live_table(
        stream={"linger_ms": 1, "lateness": "52w"},
        alerts={"policy": "quantile", "quantile": 0.1},
        sinks=[sink],
    )
    messages = table.messages(rows_of(table, DAY))
    with BlockingPublisher(open_publisher(table.live.stream)) as publisher:
        publisher.publish("readings", [Outgoing(message.body, "one key") for message in messages])
    progress = asyncio.run(StreamRun(table.live).run(until_idle_s=1.0))
    assert (progress.scored, progress.problems) == (len(messages), [])
    events = hook.events()
    scores = {event["data"]["key"]: event for event in events if event["type"] == "org.pynomaly.score"}
    assert len(scores) == len(messages)
    opened = [event for event in events if event["type"] == "org.pynomaly.alert.opened"]
    assert opened
    sent = len([event for event in events if event["type"] == "org.pynomaly.score"])
    assert sent == len(messages)

    assert close(table) == [DAY.key]
    with Deliverer(table.live) as deliverer:
        results = {item.what: item for item in deliverer.deliver_due()}
    assert (results["scores"].rows, results["scores"].due) == (0, 0)
    again = [event for event in hook.events() if event["type"] == "org.pynomaly.score"]
    assert len(again) == sent
    with Ledger.open(table.live.ledger_url) as ledger:
        partition = ledger.find_partition(table.live.name, DAY)
    assert partition.rows == sent
