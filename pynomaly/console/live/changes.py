"""Tells browsers, programs and sinks of what changed: one reader of the ledgers for all of them.

A ledger in PostgreSQL says by itself what was committed; another one is asked each second for its newest
numbers, while anybody listens. A listener who does not take what is sent is told to read again from the
start, and the others do not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool

from pynomaly.console.live.listening import Listening
from pynomaly.console.pipelines import Pipelines
from pynomaly.console.schemas import AlertSummary, DecisionSummary
from pynomaly.errors import PynomalyError
from pynomaly.records.ledger import Announced, DecisionFilter, Ledger

__all__ = ["Change", "ChangeFeed"]

_WAITING = 500
"""Changes that wait for one listener."""
_AT_ONCE = 200
_LEAST_S = 0.1
"""Between two looks, however often a ledger speaks."""
_HEARD_S = 30.0
"""Between two looks at a ledger that is heard: something between may swallow what it says."""
_SENT = 5000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Change:
    """An alert or a decision that is new or changed; ``reset``: more than could be sent."""

    kind: Literal["alert", "decision", "reset"]
    pipeline: str
    content: dict[str, Any]


class ChangeFeed:
    """Changes of the records of some pipelines.

    Parameters
    ----------
    pipelines : Pipelines
    every_s : float
        Seconds between two looks at ledgers that say nothing by themselves.
    """

    def __init__(self, pipelines: Pipelines, every_s: float = 1.0) -> None:
        self._pipelines, self._every = pipelines, every_s
        self._listeners: set[asyncio.Queue[Change]] = set()
        self._positions: dict[str, tuple[int, int]] = {}
        self._sent: dict[tuple[str, str, str], int] = {}
        self._passed_by: dict[str, int] = {}
        self._announced = asyncio.Event()
        self._ledgers: dict[str, Listening] = {}
        self._task: asyncio.Task[None] | None = None

    async def listen(self) -> AsyncIterator[Change | None]:
        """Yield changes from now on; None every 15 s, so that a listener who left is noticed."""
        queue: asyncio.Queue[Change] = asyncio.Queue(_WAITING)
        self._listeners.add(queue)
        if self._task is None or self._task.done():
            self._positions = await run_in_threadpool(self._read_positions)
            self._task = asyncio.create_task(self._watch())
        try:
            while True:
                try:
                    yield await asyncio.wait_for(queue.get(), 15)
                except TimeoutError:
                    yield None
        finally:
            self._listeners.discard(queue)

    async def close(self) -> None:
        """Stop looking and listening."""
        listening = tuple(self._ledgers.values())
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        for item in listening:
            await run_in_threadpool(item.wait_for_end)

    @property
    def is_heard(self) -> bool:
        """Whether every ledger says by itself what changes."""
        return bool(self._ledgers) and all(item.is_heard for item in self._ledgers.values())

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._listeners:
                try:
                    await run_in_threadpool(self._tend_listening, loop)
                    await self._wait_for_change()
                    changes = await run_in_threadpool(self._read_changes)
                except PynomalyError as error:
                    _log.warning("changes cannot be read: %s", error)
                    await asyncio.sleep(self._every)
                    continue
                for change in changes:
                    for queue in self._listeners:
                        _hand_over_change(queue, change)
        finally:
            for listening in self._ledgers.values():
                listening.stop()
            self._ledgers.clear()

    async def _wait_for_change(self) -> None:
        """Return when a ledger says that something changed, or it is time to look."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._announced.wait(), self._find_pause())
            await asyncio.sleep(_LEAST_S)
        self._announced.clear()

    def _find_pause(self) -> float:
        return _HEARD_S if self.is_heard and len(self._ledgers) == len(self._positions) else self._every

    def _tend_listening(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen to the ledgers that say something, also to those of pipelines that were added."""
        for url in self._positions.keys() - self._ledgers.keys():
            ledger = self._pipelines.open_ledger(url)
            if ledger.change_listener.hears:

                def note(announced: tuple[Announced, ...], url: str = url) -> None:
                    with suppress(RuntimeError):  # the loop is closed: the console stops
                        loop.call_soon_threadsafe(self._note_announced, url, announced)

                self._ledgers[url] = Listening(ledger, note, 5 * self._every)

    def _note_announced(self, url: str, announced: tuple[Announced, ...]) -> None:
        """Remember where to go back to: a row may have been passed by that was not to be seen yet."""
        firsts = [item.first for item in announced if item.what == "alerts"]
        if firsts:
            self._passed_by[url] = min(*firsts, self._passed_by.get(url, firsts[0]))
        self._announced.set()

    def _read_positions(self) -> dict[str, tuple[int, int]]:
        urls = {item.ledger_url for item in self._pipelines.list_pipelines()}
        ledgers = {url: self._pipelines.open_ledger(url) for url in urls}
        return {
            url: (ledger.alert_states.read_position(), ledger.across.read_position())
            for url, ledger in ledgers.items()
        }

    def _read_changes(self) -> list[Change]:
        changes: list[Change] = []
        for url, (alert, decision) in self._read_positions().items():
            before = self._positions.setdefault(url, (alert, decision))
            ledger = self._pipelines.open_ledger(url)
            known = min(before[0], self._passed_by.pop(url, before[0] + 1) - 1)
            if alert > known:
                changes += self._read_alerts(url, ledger, known)
            if decision > before[1]:
                newest = ledger.across.list_decisions(DecisionFilter(), _AT_ONCE)
                changes += [
                    Change(
                        "decision", item.pipeline, DecisionSummary.of_decision(item).model_dump(mode="json")
                    )
                    for item in reversed(newest)
                    if before[1] < (item.seq or 0) <= decision  # newer ones are told by the next look
                ]
            self._positions[url] = (alert, decision)
        return changes

    def _read_alerts(self, url: str, ledger: Ledger, position: int) -> list[Change]:
        changed = ledger.alert_states.list_changed(position, _AT_ONCE + 1)
        if len(changed) > _AT_ONCE:
            return [Change("reset", "", {})]
        changes = []
        for number, item in changed:
            name = (url, item.pipeline, item.alert)
            if self._sent.get(name) == number:
                continue
            self._sent.pop(name, None)
            self._sent[name] = number
            changes.append(
                Change("alert", item.pipeline, AlertSummary.of_alert(item).model_dump(mode="json"))
            )
        while len(self._sent) > _SENT:
            del self._sent[next(iter(self._sent))]
        return changes


def _hand_over_change(queue: asyncio.Queue[Change], change: Change) -> None:
    """Hand a change to a listener; one that is full begins anew."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        change = Change("reset", "", {})
    queue.put_nowait(change)
