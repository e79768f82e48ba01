"""Messages that a broker pushes, kept until they are asked for; called by the kinds whose clients call back.

The broker is told how many messages it may send ahead, so that no more than those are ever kept here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from pynomaly.data.brokers.consumer import BrokerLostError

__all__ = ["Arrivals"]

Delivery = TypeVar("Delivery")


class Arrivals(Generic[Delivery]):
    """What arrived and was not taken, in order, and why no more will come."""

    def __init__(self) -> None:
        self._deliveries: deque[Delivery] = deque()
        self._event = asyncio.Event()
        self._end = ""

    def __len__(self) -> int:
        return len(self._deliveries)

    def add(self, delivery: Delivery) -> None:
        """Keeps a delivery."""
        self._deliveries.append(delivery)
        self._event.set()

    def end(self, reason: str) -> None:
        """Notes that the connection broke."""
        self._end = self._end or reason
        self._event.set()

    async def take(self, most: int, wait: float) -> list[Delivery]:
        """Returns at most so many, and none only after the wait.

        Raises
        ------
        BrokerLostError
            If the connection broke: what arrived before belongs to it, and comes again.
        """
        if not self._deliveries and not self._end and wait:
            self._event.clear()
            try:
                await asyncio.wait_for(self._event.wait(), wait)
            except TimeoutError:
                return []
        self.check()
        return [self._deliveries.popleft() for _ in range(min(most, len(self._deliveries)))]

    def check(self) -> None:
        """Raises if the connection broke.

        Raises
        ------
        BrokerLostError
            If it did.
        """
        if self._end:
            raise BrokerLostError(self._end)
