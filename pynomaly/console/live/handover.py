"""Hands alerts and decisions over to the sinks of pipelines as soon as they are recorded.

A run hands over what it wrote when it ends; what people answer, here or by commands, is no run. So the
console does it, by the changes that browsers are told of too. What was recorded while no console ran is
handed over when one starts. Another replica that does the same at the same time is no harm: a channel has one
lease.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from pynomaly.console.live.changes import ChangeFeed
from pynomaly.console.pipelines import Pipelines
from pynomaly.errors import PynomalyError
from pynomaly.steps.delivery.deliver_events import deliver_events, list_event_sinks

__all__ = ["Handover"]

_AT_ONCE = 4
"""Pipelines whose sinks are served at the same time."""
_log = logging.getLogger(__name__)


class Handover:
    """Serves the sinks of some pipelines while the console runs.

    Parameters
    ----------
    pipelines : Pipelines
    feed : ChangeFeed
    look_every_s : float
        Seconds after which it is looked again whether any pipeline has a sink.
    """

    def __init__(self, pipelines: Pipelines, feed: ChangeFeed, look_every_s: float = 15.0) -> None:
        self._pipelines, self._feed, self._look_every_s = pipelines, feed, look_every_s
        self._waiting: set[str] = set()
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._problems: dict[tuple[str, ...], str] = {}

    async def run(self) -> None:
        """Serve until it is cancelled."""
        threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hand over")
        try:
            while True:
                try:
                    await self._follow_changes(threads)
                except PynomalyError as error:
                    _log.warning("nothing is handed over to sinks: %s", error)
                await asyncio.sleep(self._look_every_s)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    async def _follow_changes(self, threads: ThreadPoolExecutor) -> None:
        """Serve while a pipeline has a sink that this process can open."""
        if not self._list_served():
            return
        self._begin(threads, self._list_served())
        async for change in self._feed.listen():
            served = self._list_served()
            if not served:
                return
            if change is None:
                self._begin(threads, self._again & served)
            else:
                self._begin(threads, served if change.kind == "reset" else {change.pipeline} & served)

    def _list_served(self) -> set[str]:
        return {item.name for item in self._pipelines.list_pipelines() if list_event_sinks(item)}

    def _begin(self, threads: ThreadPoolExecutor, names: set[str]) -> None:
        """Begin with pipelines; one that is being served is served once more behind it."""
        self._waiting |= names
        for name in sorted(names - self._busy):
            self._busy.add(name)
            task = asyncio.create_task(self._serve(threads, name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, threads: ThreadPoolExecutor, name: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            while name in self._waiting:
                self._waiting.discard(name)
                has_all = await loop.run_in_executor(threads, self._deliver, name)
                (self._again.discard if has_all else self._again.add)(name)
        finally:
            self._busy.discard(name)

    def _deliver(self, name: str) -> bool:
        """Hand over what is due of a pipeline; returns whether nothing waits."""
        try:
            results = deliver_events(self._pipelines.find_pipeline(name))
        except PynomalyError as error:
            self._note_problem((name,), str(error))
            return False
        self._note_problem((name,), "")
        for item in results:
            self._note_problem((name, item.sink, item.what), item.error)
        return not any(item.due for item in results)

    def _note_problem(self, place: tuple[str, ...], problem: str) -> None:
        """Say a problem in the log, each once until it is another one or none."""
        if problem and problem != self._problems.get(place):
            _log.warning("%s waits to be handed over: %s", ", ".join(place), problem)
        self._problems[place] = problem
