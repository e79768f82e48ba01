"""Batches from a broker to one function, each acknowledged after it: the loop that all kinds share.

A kind says how a batch is read and acknowledged (:class:`BatchReader`). What is the same for all stands here:
one batch at a time, nothing acknowledged that was not handled, and a broker that goes away is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from pynomaly.config import Stream
from pynomaly.data.brokers.address import hide_password
from pynomaly.data.brokers.messages import Message
from pynomaly.errors import BrokerError

__all__ = ["BatchHandler", "BatchReader", "BrokerLostError", "PulledConsumer"]

BatchHandler = Callable[[Sequence[Message]], Awaitable[None]]

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 30.0
_STEP, _FEW = 0.02, 32
"""Seconds between two looks for more messages while a batch is not full, after one that gave so few."""

LARGEST_BATCH = 64 * 2**20
"""Bytes of bodies after which a batch takes no further messages."""


class BrokerLostError(Exception):
    """The connection broke while it was used; it is made again. Never leaves this package."""


class BatchReader(Protocol):
    """How one kind of broker gives messages to one consumer. Calls follow each other, but for
    `measure_lag`."""

    async def open(self) -> None:
        """Connects, and joins the group.

        Raises
        ------
        BrokerError
            If the broker does not answer or refuses, or the topic does not exist.
        """

    async def read(self, most: int, wait: float) -> Sequence[Message]:
        """Returns at most `most` messages, more than none only if there are some within `wait` seconds.

        They may be fewer than there are, where more would take too much memory.

        Raises
        ------
        BrokerLostError
            If the connection broke.
        """

    async def acknowledge(self) -> None:
        """Tells the broker that all messages read until now are done with.

        Raises
        ------
        BrokerLostError
            If the connection broke; the broker may give these messages again.
        """

    async def close(self) -> None:
        """Disconnects, and never raises; others are given what was read and not acknowledged."""

    async def measure_lag(self) -> dict[str, int]:
        """Returns the messages not yet acknowledged, by part; none where the broker does not tell."""


class PulledConsumer:
    """A consumer of one topic as member of one group.

    Attributes
    ----------
    ordered : bool
        Whether one member of the group alone reads a part, in order: a message whose offset is not above
        the last one handled has been handled before. Where False, members share a part, and what one left
        comes late.
    """

    def __init__(
        self,
        reader: BatchReader,
        settings: Stream,
        on_problem: Callable[[str], None],
        *,
        ordered: bool,
    ) -> None:
        self.ordered = ordered
        self._reader, self._settings, self._on_problem = reader, settings, on_problem
        self._stopping = asyncio.Event()
        self._is_open = False

    async def run(self, handle: BatchHandler) -> None:
        """Calls `handle` with one batch after the other until :meth:`stop`.

        Raises
        ------
        BrokerError
            If at the start the broker does not answer, refuses, or does not know the topic.
        Exception
            What `handle` raises; its batch is not acknowledged, and comes again to whoever reads next.
        """
        try:
            await self._reader.open()
            self._is_open = True
            while not self._stopping.is_set():
                try:
                    batch = await self._gather_batch()
                    if batch:
                        await handle(batch)
                        await self._reader.acknowledge()
                except BrokerLostError as error:
                    await self._open_again(error)
        finally:
            self._is_open = False
            await self._reader.close()
            self._stopping.clear()

    async def stop(self) -> None:
        """Lets :meth:`run` return after the batch that it handles."""
        self._stopping.set()

    async def measure_lag(self) -> dict[str, int]:
        """Returns the messages not yet acknowledged, by part; none where the broker does not tell now."""
        if not self._is_open:
            return {}
        try:
            return await self._reader.measure_lag()
        except BrokerLostError:
            return {}

    async def _gather_batch(self) -> list[Message]:
        """Returns the next messages: a full batch at once, others after the wait that the settings allow.

        What is there already waits for nobody: it is read until the batch is full.
        """
        most, linger = self._settings.max_rows, self._settings.linger_ms / 1000
        batch = list(await self._reader.read(most, wait=0.2))
        if not batch:
            return batch
        clock = asyncio.get_running_loop().time
        end = clock() + linger
        size = sum(len(message.body) for message in batch)
        while len(batch) < most and size < LARGEST_BATCH and not self._stopping.is_set():
            left = end - clock()
            more = await self._reader.read(most - len(batch), wait=0.0)
            batch.extend(more)
            size += sum(len(message.body) for message in more)
            if len(more) >= _FEW:
                continue
            if left <= 0:
                break
            await self._pause(min(left, _STEP))
        return batch

    async def _open_again(self, error: Exception) -> None:
        """Tries until the broker answers again, or :meth:`stop` is called."""
        settings, wait = self._settings, _FIRST_WAIT
        self._is_open = False
        self._on_problem(hide_password(f"{settings.broker} broker of {settings.topic!r} is away: {error}"))
        while not self._stopping.is_set():
            await self._reader.close()
            await self._pause(wait)
            try:
                await self._reader.open()
            except (BrokerError, BrokerLostError) as refusal:
                wait = min(2 * wait, _LONGEST_WAIT)
                self._on_problem(f"{refusal}; next try in {wait:.1f} s")
            else:
                self._is_open = True
                self._on_problem(f"{settings.broker} broker of {settings.topic!r} answers again")
                return

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
