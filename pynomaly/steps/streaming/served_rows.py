"""Rows that were scored over HTTP go the way of messages, so that drift, audits and alerts cover them.

A request is answered after its rows are recorded. They come without a position: the same row sent again is
known by its entity and time. What an entity looks back on here are its recorded rows, not the history that
came with a request.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

import orjson

from pynomaly.config import Pipeline
from pynomaly.data.brokers import BatchHandler, Message
from pynomaly.errors import ConfigError, PynomalyError, RecordError
from pynomaly.steps.delivery.open_sinks import BlockReader, refuse_block
from pynomaly.steps.streaming.run_stream import StreamRun

__all__ = ["ServedRows"]

_PATIENCE_S = 30.0
_GATHER_S = 0.01


class RequestQueue:
    """Requests as a consumer gives messages: those that wait are one batch, and each is told its end."""

    ordered = False

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: asyncio.Queue[tuple[list[Message], Future[None]] | None] = asyncio.Queue()

    def add_request(self, messages: list[Message], end: Future[None]) -> None:
        """Take a request; called in the event loop."""
        self._waiting.put_nowait((messages, end))

    async def run(self, handle: BatchHandler) -> None:
        """Call `handle` with the rows of the requests that wait, until :meth:`stop`."""
        while (item := await self._waiting.get()) is not None:
            await asyncio.sleep(_GATHER_S)
            items = [item]
            while not self._waiting.empty() and sum(len(each[0]) for each in items) < self._most:
                more = self._waiting.get_nowait()
                if more is None:
                    self._waiting.put_nowait(None)
                    break
                items.append(more)
            try:
                await handle([message for each in items for message in each[0]])
            except PynomalyError as error:
                for _, end in items:
                    end.set_exception(error)
                continue
            for _, end in items:
                end.set_result(None)

    async def stop(self) -> None:
        """Let :meth:`run` return after the requests that it holds."""
        self._waiting.put_nowait(None)

    async def measure_lag(self) -> dict[str, int]:
        """Return how many requests wait."""
        return {"requests": self._waiting.qsize()}


class ServedRows:
    """Records rows of requests, and does what a worker of a stream does; use it as a context manager.

    Parameters
    ----------
    pipeline : Pipeline
        With ``serving.record`` and ``data.source: stream``.
    on_problem : callable
        Is given what did not work, in words.
    read_block : callable
        Returns what a Prefect block holds, for sinks that name one.

    Raises
    ------
    ConfigError
        If the pipeline keeps no rows.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        on_problem: Callable[[str], None] = lambda text: None,
        read_block: BlockReader = refuse_block,
    ) -> None:
        if pipeline.data.source != "stream":
            raise ConfigError(f"serving.record needs data.source: stream, and it is {pipeline.data.source!r}")
        self._loop = asyncio.new_event_loop()
        self._queue = RequestQueue(pipeline.stream.max_rows)
        name = f"serve {socket.gethostname()} {os.getpid()}"
        self._run = StreamRun(
            pipeline, name, consumer=self._queue, on_problem=on_problem, read_block=read_block
        )
        self._thread = threading.Thread(target=self._work, name="served rows", daemon=True)
        self._problem: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._run.stop(), self._loop)
            self._thread.join()

    def record(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record rows; when this returns, they are.

        Raises
        ------
        RecordError
            If they could not be, or not within half a minute.
        """
        end: Future[None] = Future()
        messages = [Message(orjson.dumps(dict(row))) for row in rows]
        if not self._thread.is_alive():
            raise RecordError(f"rows are not recorded: {self._problem or 'the server is ending'}")
        self._loop.call_soon_threadsafe(self._queue.add_request, messages, end)
        try:
            end.result(_PATIENCE_S)
        except TimeoutError as error:
            raise RecordError(f"the rows were not recorded within {_PATIENCE_S:.0f} s") from error
        except PynomalyError as error:
            raise RecordError(f"the rows were not recorded: {error}") from error

    def _work(self) -> None:
        try:
            self._loop.run_until_complete(self._run.run())
        except PynomalyError as error:
            self._problem = error
        finally:
            self._loop.close()
