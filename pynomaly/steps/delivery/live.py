"""Delivery beside live scoring: a thread for each channel, so that none stops another nor the scoring.

The worker that scores writes alerts and decisions into the ledger as ever, and calls
:meth:`LiveDelivery.wake`; scores it hands over by :meth:`LiveDelivery.hand_over` before their window is
written down. It waits for neither. What a sink does not take now it is given later, from the ledger and the
store.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType

import pandas as pd

from pynomaly.config import Pipeline, Sink
from pynomaly.steps.delivery.deliverer import ChannelResult, Deliverer, takes_live_scores
from pynomaly.steps.delivery.open_sinks import BlockReader, refuse_block

__all__ = ["LiveDelivery"]

_LOOK_SECONDS = 0.5
"""How often a sink looks for what others wrote down, and tries again."""

_MOST_WAITING = 64
"""Batches of scores that wait for a sink at most; older ones are left to the close of their window."""


class LiveDelivery:
    """The sinks of a pipeline, each channel served by its own thread; use it as a context manager.

    Parameters
    ----------
    pipeline : Pipeline
    read_block : callable, optional
        Returns what a Prefect block holds.
    on_problem : callable, optional
        Is given, in words, what a sink did not take, each time that the reason is another one.

    Raises
    ------
    RecordError
        If the ledger cannot be opened.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        read_block: BlockReader = refuse_block,
        on_problem: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._on_problem = on_problem
        self._problems: dict[tuple[str, str], str] = {}
        self._deliverer = Deliverer(pipeline, read_block, patient=False)
        self._deliverer.open_channels()
        self._stop = threading.Event()
        channels = [(sink, str(what)) for sink in self._deliverer.sinks for what in sink.what]
        self._wakers = {(sink.name, what): threading.Event() for sink, what in channels}
        self._batches: dict[str, deque[tuple[str, pd.DataFrame]]] = {
            sink.name: deque(maxlen=_MOST_WAITING) for sink in self._deliverer.sinks
        }
        self._threads = [
            threading.Thread(target=self._serve, args=channel, name="deliver", daemon=True)
            for channel in channels
        ]

    def __enter__(self) -> LiveDelivery:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def takes_scores(self) -> bool:
        """Whether a sink takes scores before their window is written down."""
        return any(takes_live_scores(sink) for sink in self._deliverer.sinks)

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each sink take once more what there is, and close all."""
        self._stop.set()
        self.wake()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._deliverer.close()

    def wake(self) -> None:
        """Say that alerts, decisions or windows were written down; returns at once."""
        for waker in self._wakers.values():
            waker.set()

    def hand_over(self, window: str, scores: pd.DataFrame) -> None:
        """Hand scores over whose window is still open; returns at once.

        Parameters
        ----------
        window : str
            The key of their window.
        scores : DataFrame of shape (n, k)
            As :func:`pynomaly.steps.scoring.score_windows.score_table` makes them.
        """
        for sink in self._deliverer.sinks:
            if takes_live_scores(sink):
                self._batches[sink.name].append((window, scores))
        self.wake()

    def _serve(self, sink: Sink, what: str) -> None:
        waker = self._wakers[sink.name, what]
        batches = self._batches[sink.name] if what == "scores" else deque()
        while True:
            stopping = self._stop.is_set()
            waker.wait(0 if stopping else _LOOK_SECONDS)
            waker.clear()
            try:
                for _ in range(len(batches)):
                    self._note(self._deliverer.deliver_scores(sink, *batches.popleft()))
                self._note(self._deliverer.deliver_channel(sink, what))
            except Exception as error:  # the ledger does not answer, or worse: the next look tries again
                self._note(ChannelResult(sink.name, what, error=f"{type(error).__name__}: {error}"))
            if stopping:
                return

    def _note(self, result: ChannelResult) -> None:
        channel = (result.sink, result.what)
        if result.error and result.error != self._problems.get(channel):
            self._on_problem(f"{result.sink} has not received all {result.what}: {result.error}")
        self._problems[channel] = result.error
