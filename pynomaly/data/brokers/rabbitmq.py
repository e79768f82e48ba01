"""RabbitMQ: one queue, classic or quorum, read with a bounded prefetch and acknowledged batch by batch.

A queue is one group: each message goes to one of its consumers, and what one had not acknowledged when it
died goes to the next, with those behind it not waiting. Another group needs a queue of its own, bound to
the same exchange. The broker counts no offsets; `message_id` names a message where its producer gave it
one.

A consumer declares nothing. A publisher declares a queue that is missing: durable, of the type quorum.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import Any

from pynomaly.config import Stream
from pynomaly.data.brokers.address import SILENT, hide_password, need_stream_extra
from pynomaly.data.brokers.arrivals import Arrivals
from pynomaly.data.brokers.consumer import BrokerLostError
from pynomaly.data.brokers.messages import Message, Outgoing
from pynomaly.data.brokers.publisher import ReconnectingPublisher
from pynomaly.errors import BrokerError

__all__ = ["ORDERED", "make_publisher", "make_reader"]

ORDERED = False

_MOST_AHEAD = 65_535  # what the protocol can say
_IDLE_CHECK = 5.0
"""Seconds without a message after which the queue is looked for: one that was deleted is told to nobody."""


def make_reader(settings: Stream, group: str, name: str, address: str) -> RabbitReader:
    """Returns a reader of the queue; RabbitMQ knows neither groups nor names of members."""
    return RabbitReader(settings, address)


def make_publisher(address: str) -> RabbitPublisher:
    """Returns a publisher to the queues of the server at `address`."""
    return RabbitPublisher(address)


class RabbitReader:
    """Reads one queue; the server sends at most ``stream.max_rows`` messages ahead."""

    def __init__(self, settings: Stream, address: str) -> None:
        self._settings, self._address = settings, address
        self._connection = _RabbitConnection(address)
        self._arrivals: Arrivals[Any] = Arrivals()
        self._last: Any = None
        self._unacknowledged = 0
        self._queue: Any = None
        self._next_check = 0.0

    async def open(self) -> None:
        """Connects, looks for the queue, and begins to receive."""
        topic = self._settings.topic
        self._arrivals, self._last, self._unacknowledged = Arrivals(), None, 0
        connection = await self._connection.open(self._arrivals.end)
        with _translated_errors(self._address):
            channel = await connection.channel(publisher_confirms=False)
            channel.close_callbacks.add(
                lambda _, error: self._arrivals.end(str(error or "the channel was closed"))
            )
            await channel.set_qos(prefetch_count=min(self._settings.max_rows, _MOST_AHEAD))
            if not await _has_queue(connection, topic):
                raise BrokerError(
                    f"stream.topic {topic!r} does not exist at {hide_password(self._address)}; declare the "
                    "queue and bind it to the exchange that producers publish to"
                )
            self._queue = await channel.get_queue(topic, ensure=False)
            await self._queue.consume(self._receive)

    async def read(self, most: int, wait: float) -> Sequence[Message]:
        """Returns what the server has sent."""
        deliveries = await self._arrivals.take(most, wait)
        clock = asyncio.get_running_loop().time()
        if deliveries:
            self._last = deliveries[-1]
            self._unacknowledged += len(deliveries)
            self._next_check = clock + _IDLE_CHECK
        elif clock > self._next_check:
            await self._count_ready()
            self._next_check = clock + _IDLE_CHECK
        return [_unpack(delivery) for delivery in deliveries]

    async def acknowledge(self) -> None:
        """Acknowledges all messages read until now, by the number of the last one."""
        self._arrivals.check()
        if self._last is not None:
            with _translated_errors(self._address, lost=True, closed=True):
                await self._last.ack(multiple=True)
            self._last, self._unacknowledged = None, 0

    async def close(self) -> None:
        """Disconnects; the server gives what was not acknowledged to the next consumer."""
        await self._connection.close()

    async def measure_lag(self) -> dict[str, int]:
        """Returns the messages of the queue that wait, and those that this consumer holds."""
        held = self._unacknowledged + len(self._arrivals)
        return {self._settings.topic: await self._count_ready() + held}

    async def _receive(self, delivery: Any) -> None:
        self._arrivals.add(delivery)

    async def _count_ready(self) -> int:
        with _translated_errors(self._address, lost=True, closed=True):
            state = await self._queue.channel.declare_queue(self._settings.topic, passive=True)
            return int(state.declaration_result.message_count or 0)


class RabbitPublisher(ReconnectingPublisher):
    """Publishes persistent messages to queues, through the default exchange, and waits for the confirms."""

    def __init__(self, address: str) -> None:
        self._address, self._connection = address, _RabbitConnection(address)
        self._channel: Any = None
        self._topics: set[str] = set()

    async def _send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Returns when the server has confirmed all messages; declares a queue that is missing."""
        connection = await self._connection.open(lambda reason: None)
        import aio_pika

        with _translated_errors(self._address, lost=True):
            if self._channel is None or self._channel.is_closed:
                self._channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            if topic not in self._topics:
                if not await _has_queue(connection, topic):
                    await self._channel.declare_queue(
                        topic, durable=True, arguments={"x-queue-type": "quorum"}
                    )
                self._topics.add(topic)
            exchange = self._channel.default_exchange
            for begin in range(0, len(messages), 200):
                await asyncio.gather(
                    *(
                        exchange.publish(
                            aio_pika.Message(
                                message.body,
                                headers=dict(message.headers),
                                content_type=message.headers.get("content-type"),
                                message_id=message.id or None,
                                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                            ),
                            routing_key=topic,
                            mandatory=True,
                        )
                        for message in messages[begin : begin + 200]
                    )
                )

    async def close(self) -> None:
        """Disconnects."""
        self._channel, self._topics = None, set()
        await self._connection.close()


class _RabbitConnection:
    """One broker of FastStream, whose connection is used; it does not connect again by itself."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._broker: Any = None
        self._connection: Any = None

    async def open(self, on_close: Any) -> Any:
        if (
            self._connection is not None
            and not self._connection.is_closed
            and self._connection.connected.is_set()
        ):
            return self._connection
        await self.close()
        with need_stream_extra("rabbitmq"):
            from faststream.rabbit import RabbitBroker
        with _translated_errors(self._address):
            self._broker = RabbitBroker(
                self._address,
                timeout=5,
                logger=SILENT,
                on_close=[lambda _, error: on_close(hide_password(error or "the connection was closed"))],
            )
            self._connection = await self._broker.connect()
        return self._connection

    async def close(self) -> None:
        broker, self._broker, self._connection = self._broker, None, None
        if broker is not None:
            with suppress(Exception):
                await broker.stop()


async def _has_queue(connection: Any, topic: str) -> bool:
    """Returns whether the queue exists; the server closes the channel that asks for one that does not."""
    from aio_pika.exceptions import ChannelNotFoundEntity

    channel = await connection.channel(publisher_confirms=False)
    try:
        await channel.declare_queue(topic, passive=True)
    except ChannelNotFoundEntity:
        return False
    finally:
        with suppress(Exception):
            await channel.close()
    return True


def _unpack(delivery: Any) -> Message:
    name = delivery.message_id or (delivery.headers or {}).get("ce_id") or ""
    sent = delivery.timestamp
    if sent is not None and sent.tzinfo is None:
        sent = sent.replace(tzinfo=UTC)
    return Message(delivery.body, "", None, None, str(name), sent)


@contextmanager
def _translated_errors(address: str, *, lost: bool = False, closed: bool = False) -> Iterator[None]:
    """Errors of the client as ours: while a connection is used, one that breaks is `lost`.

    So is, where `closed`, a channel that the server closed: the queue was deleted, or an acknowledgement
    came late.
    """
    from aio_pika import exceptions
    from aiormq.exceptions import ProbableAuthenticationError

    place = hide_password(address)
    try:
        yield
    except BrokerError:
        raise
    except (ProbableAuthenticationError, exceptions.AuthenticationError) as error:
        raise BrokerError(
            f"rabbitmq at {place} refuses user or password: {hide_password(error)}; write the address with "
            "user and password into the variable that stream.address_env names"
        ) from error
    except (exceptions.ChannelClosed, exceptions.DeliveryError) as error:
        if closed:
            raise BrokerLostError(hide_password(error)) from error
        raise BrokerError(f"rabbitmq at {place} refuses: {hide_password(error)}") from error
    except (exceptions.AMQPError, OSError, TimeoutError, RuntimeError) as error:
        reason = hide_password(error) or type(error).__name__
        if lost:
            raise BrokerLostError(reason) from error
        raise BrokerError(
            f"rabbitmq at {place} does not answer: {reason}; see stream.address, as in amqp://host:5672/vhost"
        ) from error
    except ValueError as error:
        raise BrokerError(
            f"stream.address {place!r} is no address of rabbitmq: {error}; allowed: amqp://host:5672/vhost"
        ) from error
