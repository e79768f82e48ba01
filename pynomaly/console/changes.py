"""Tells browsers and programs of what changed: one reader of the ledgers for all of them.

The newest numbers of alerts and decisions are asked for each second while anybody listens. A listener who
does not take what is sent is told to read again from the start, and the others do not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

from starlette.concurrency import run_in_threadpool

from pynomaly.console.pipelines import Pipelines
from pynomaly.console.schemas import AlertSummary, DecisionSummary
from pynomaly.errors import PynomalyError
from pynomaly.records.ledger import DecisionFilter

__all__ = ["Change", "ChangeFeed"]

_WAITING = 500
"""Changes that wait for one listener."""
_AT_ONCE = 200

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
        Seconds between two looks.
    """

    def __init__(self, pipelines: Pipelines, every_s: float = 1.0) -> None:
        self._pipelines, self._every = pipelines, every_s
        self._listeners: set[asyncio.Queue[Change]] = set()
        self._positions: dict[str, tuple[int, int]] = {}
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

    async def _watch(self) -> None:
        while self._listeners:
            await asyncio.sleep(self._every)
            try:
                changes = await run_in_threadpool(self._read_changes)
            except PynomalyError as error:
                _log.warning("changes cannot be read: %s", error)
                continue
            for change in changes:
                for queue in self._listeners:
                    _hand_over_change(queue, change)

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
            if alert > before[0]:
                changed = ledger.alert_states.list_changed(before[0], _AT_ONCE + 1)
                if len(changed) > _AT_ONCE:
                    changes.append(Change("reset", "", {}))
                else:
                    changes += [
                        Change("alert", item.pipeline, AlertSummary.of_alert(item).model_dump(mode="json"))
                        for _, item in changed
                    ]
            if decision > before[1]:
                newest = ledger.across.list_decisions(DecisionFilter(), _AT_ONCE)
                changes += [
                    Change(
                        "decision", item.pipeline, DecisionSummary.of_decision(item).model_dump(mode="json")
                    )
                    for item in reversed(newest)
                    if (item.seq or 0) > before[1]
                ]
            self._positions[url] = (alert, decision)
        return changes


def _hand_over_change(queue: asyncio.Queue[Change], change: Change) -> None:
    """Hand a change to a listener; one that is full begins anew."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        change = Change("reset", "", {})
    queue.put_nowait(change)
