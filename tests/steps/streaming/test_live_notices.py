"""People are told of a stream's alerts while its worker works, and not again when the window closes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pynomaly.config import Target
from pynomaly.data.brokers import BlockingPublisher, Outgoing, memory, open_publisher
from pynomaly.records.ledger import QueuedNotice
from pynomaly.steps.alerting.raise_alerts import raise_alerts
from pynomaly.steps.notices.send import send_notifications
from pynomaly.steps.streaming.run_stream import StreamRun
from tests.steps.streaming.conftest import LiveTable
from tests.steps.streaming.test_closing import DAY, close, rows_of


@pytest.mark.slow
def test_each_alert_is_told_once_by_the_worker_and_not_again_when_the_window_closes(
    live_table: Callable[..., LiveTable],
) -> None:
    memory.drop_topics()
    table = live_table(
        stream={"linger_ms": 1, "lateness": "52w"},
        alerts={"policy": "quantile", "quantile": 0.1},
        notify={"targets": [{"name": "ops", "url_env": "OPS_URL"}], "attempts": 1},
    )
    messages = table.messages(rows_of(table, DAY))
    heard: list[QueuedNotice] = []

    def send(target: Target, message: QueuedNotice) -> None:
        heard.append(message)

    with BlockingPublisher(open_publisher(table.live.stream)) as publisher:
        publisher.publish("readings", [Outgoing(message.body, "one key") for message in messages])
    progress = asyncio.run(StreamRun(table.live, through=send).run(until_idle_s=1.0))
    assert progress.problems == []
    alerts = [item for item in heard if item.event == "alert"]
    assert alerts
    assert close(table) == [DAY.key]
    raise_alerts(table.live)
    send_notifications(table.live, send)
    assert len({(item.key, item.target) for item in heard}) == len(heard)
    memory.drop_topics()
