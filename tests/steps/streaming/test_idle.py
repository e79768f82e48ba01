"""A worker that is to end when nothing comes: it is idle from when it reads, not from when it was made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import pytest

from pynomaly.data.brokers import BatchHandler, Message, memory
from pynomaly.records.registry.live_champion import LiveChampion
from pynomaly.steps.streaming import run_stream
from pynomaly.steps.streaming.run_stream import StreamRun
from tests.steps.streaming.conftest import LiveTable
from tests.steps.streaming.test_closing import DAY, rows_of


class LateConsumer:
    """Gives its messages after the worker looked twice whether anything waits."""

    ordered = True

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages, self._looks = messages, 0
        self._looked, self._stopped = asyncio.Event(), asyncio.Event()

    async def run(self, handle: BatchHandler) -> None:
        await self._looked.wait()
        if not self._stopped.is_set():
            await handle(self._messages)
        await self._stopped.wait()

    async def stop(self) -> None:
        self._looked.set()
        self._stopped.set()

    async def measure_lag(self) -> dict[str, int]:
        self._looks += 1
        if self._looks > 1:
            self._looked.set()
        return {}


def test_a_worker_whose_champion_loads_slowly_reads_before_it_ends(
    live_table: Callable[..., LiveTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.drop_topics()
    table = live_table(stream={"linger_ms": 1, "lateness": "52w"})
    memory.create_topic(table.live.stream.topic)
    messages, ahead, follow = table.messages(rows_of(table, DAY))[:5], [0.0], LiveChampion.follow

    def follow_slowly(champion: LiveChampion) -> None:
        follow(champion)
        ahead[0] += 100.0

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead[0], sleep=time.sleep)
    monkeypatch.setattr(LiveChampion, "follow", follow_slowly)
    monkeypatch.setattr(run_stream, "time", clock)
    monkeypatch.setattr(run_stream, "_TICK_S", 0.05)

    async def work() -> int:
        run = StreamRun(table.live, consumer=LateConsumer(messages))
        return (await run.run(until_idle_s=1.0)).rows

    assert asyncio.run(work()) == len(messages)
