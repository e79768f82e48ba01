"""What publishes messages, and the same for code that does not wait in an event loop."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from pynomaly.data.brokers.consumer import BrokerLostError
from pynomaly.data.brokers.messages import Outgoing
from pynomaly.errors import BrokerError

__all__ = ["BlockingPublisher", "Publisher", "ReconnectingPublisher"]


class Publisher(Protocol):
    """Sends messages to one broker; connects when it first sends, and again after a connection broke."""

    async def publish(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Returns when the broker has confirmed all messages; after an error any of them may be there.

        Raises
        ------
        BrokerError
            If the broker does not answer or refuses, or the topic neither exists nor may be created.
        """

    async def close(self) -> None:
        """Disconnects."""


class ReconnectingPublisher(ABC):
    """Sends once more over a new connection where the one before broke, perhaps long ago and unnoticed."""

    async def publish(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Returns when the broker has confirmed all messages; where a connection broke, some are sent twice.

        Raises
        ------
        BrokerError
            If the broker does not answer or refuses, or the topic neither exists nor may be created.
        """
        try:
            try:
                await self._send(topic, messages)
            except BrokerLostError:
                await self.close()
                await self._send(topic, messages)
        except BrokerLostError as error:
            await self.close()
            raise BrokerError(
                f"the broker went away while {len(messages)} messages were sent to {topic!r}: {error}"
            ) from error
        except BrokerError:
            await self.close()  # what it knows of topics may no longer hold
            raise

    @abstractmethod
    async def close(self) -> None:
        """Disconnects."""

    @abstractmethod
    async def _send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Connects if need be, and sends; raises BrokerLostError if the connection breaks."""


class BlockingPublisher:
    """A publisher for code without an event loop: its own one runs in a thread while the context is open.

    Parameters
    ----------
    publisher : Publisher
        One that nobody else uses.
    patience : float
        Seconds after which a message that is not confirmed is an error.
    """

    def __init__(self, publisher: Publisher, patience: float = 60.0) -> None:
        self._publisher, self._patience = publisher, patience
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="publisher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._publisher.close(), self._loop).result(self._patience)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def publish(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Returns when the broker has confirmed all messages.

        Raises
        ------
        BrokerError
            If the broker does not answer or refuses, or the topic neither exists nor may be created.
        """
        waiting = asyncio.run_coroutine_threadsafe(self._publish(topic, messages), self._loop)
        waiting.result()

    async def _publish(self, topic: str, messages: Sequence[Outgoing]) -> None:
        try:
            await asyncio.wait_for(self._publisher.publish(topic, messages), self._patience)
        except TimeoutError as error:
            raise BrokerError(
                f"the broker did not confirm {len(messages)} messages to {topic!r} within "
                f"{self._patience:g} s"
            ) from error
