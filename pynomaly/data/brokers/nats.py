"""NATS: a subject that a stream of JetStream keeps, read by a durable pull consumer with the group's name.

A message is not acknowledged by its offset alone: each is, so that members of a group share a stream
message by message, and what one left comes to the next when ``ack_wait`` is over. Numbers count in the
stream, not in a subject.

The client is used without FastStream, which leaves a connection open that the server refused, and waits
half a minute for messages that nobody will take before it disconnects.

A stream that keeps the subject has to exist. A publisher creates one for a subject that none keeps.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from pynomaly.config import Stream
from pynomaly.data.brokers.address import hide_password, need_stream_extra
from pynomaly.data.brokers.consumer import BrokerLostError
from pynomaly.data.brokers.messages import Message, Outgoing
from pynomaly.data.brokers.publisher import ReconnectingPublisher
from pynomaly.errors import BrokerError

__all__ = ["ORDERED", "make_publisher", "make_reader"]

ORDERED = False

_ACK_WAIT = 30.0
"""Seconds after which an untouched message is given to another; a batch in work is touched three times."""
_SLICE, _SLICE_BYTES = 256, 8 * 2**20
"""Most messages of one request, and about how many bytes."""


def make_reader(settings: Stream, group: str, name: str, address: str) -> NatsReader:
    """Returns a reader of the group; NATS knows no names of members."""
    return NatsReader(settings, group, address)


def make_publisher(address: str) -> NatsPublisher:
    """Returns a publisher to the subjects of the server at `address`."""
    return NatsPublisher(address)


class NatsReader:
    """Reads the messages of one subject."""

    def __init__(self, settings: Stream, group: str, address: str) -> None:
        self._settings, self._group, self._address = settings, re.sub(r"[^A-Za-z0-9_-]", "-", group), address
        self._connection = _NatsConnection(address)
        self._subscription: Any = None
        self._deliveries: list[Any] = []
        self._ahead: list[Any] = []
        self._slice = 16
        self._touching: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connects, finds the stream of the subject, and creates the group's consumer if it is new."""
        topic = self._settings.topic
        client = await self._connection.open()
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
        from nats.js.errors import NotFoundError

        first = DeliverPolicy.NEW if self._settings.start == "latest" else DeliverPolicy.ALL
        self._deliveries, self._ahead = [], []
        with _translated_errors(self._address):
            context = client.jetstream(timeout=10)
            try:
                stream = await context.find_stream_name_by_subject(topic)
            except NotFoundError as error:
                raise BrokerError(
                    f"stream.topic {topic!r} does not exist at {hide_password(self._address)}: no stream of "
                    "JetStream keeps this subject; create one with it among its subjects"
                ) from error
            try:
                await context.consumer_info(stream, self._group)
            except NotFoundError:
                await context.add_consumer(
                    stream,
                    ConsumerConfig(
                        durable_name=self._group,
                        filter_subject=topic,
                        deliver_policy=first,
                        ack_policy=AckPolicy.EXPLICIT,
                        ack_wait=_ACK_WAIT,
                        max_ack_pending=max(1000, 8 * self._settings.max_rows),
                    ),
                )
            self._subscription = await context.pull_subscribe_bind(self._group, stream)
        self._touching = asyncio.create_task(self._touch_deliveries())

    async def read(self, most: int, wait: float) -> Sequence[Message]:
        """Returns what the server has, after a wait for the first."""
        self._connection.check()
        if not self._ahead:
            with _translated_errors(self._address, lost=True, deleted=True):
                try:
                    self._ahead = await self._subscription.fetch(
                        min(most, self._slice), timeout=max(wait, 0.01)
                    )
                except TimeoutError:
                    self._connection.check()
                    return []
        # A request that was given up may be answered beside the next one: more come than were asked for.
        deliveries, self._ahead = self._ahead[:most], self._ahead[most:]
        self._deliveries.extend(deliveries)
        if deliveries:
            mean = sum(len(delivery.data) for delivery in deliveries) // len(deliveries)
            self._slice = max(1, min(_SLICE, _SLICE_BYTES // (mean + 1)))
        return [_unpack(delivery) for delivery in deliveries]

    async def acknowledge(self) -> None:
        """Acknowledges each message read until now, and waits until the server has that."""
        self._connection.check()
        deliveries, self._deliveries = self._deliveries, []
        with _translated_errors(self._address, lost=True, deleted=True):
            for delivery in deliveries:
                await delivery.ack()
            await self._connection.flush()

    async def close(self) -> None:
        """Gives back what was not acknowledged, so that it comes at once to the next, and disconnects."""
        if self._touching:
            self._touching.cancel()
            self._touching = None
        deliveries, self._deliveries, self._ahead = [*self._deliveries, *self._ahead], [], []
        with suppress(Exception):
            for delivery in deliveries:
                await delivery.nak()
        await self._connection.close()

    async def measure_lag(self) -> dict[str, int]:
        """Returns the messages of the subject that the group has not acknowledged."""
        with _translated_errors(self._address, lost=True, deleted=True):
            state = await self._subscription.consumer_info()
        return {state.stream_name: int(state.num_pending or 0) + int(state.num_ack_pending or 0)}

    async def _touch_deliveries(self) -> None:
        """Keeps a batch that is handled for long from being given to another."""
        while True:
            await asyncio.sleep(_ACK_WAIT / 3)
            with suppress(Exception):  # a connection that broke is noticed, and said, where messages are read
                for delivery in [*self._deliveries, *self._ahead]:
                    await delivery.in_progress()


class NatsPublisher(ReconnectingPublisher):
    """Publishes to subjects that a stream keeps; NATS drops a message whose id was sent shortly before."""

    def __init__(self, address: str) -> None:
        self._address, self._connection = address, _NatsConnection(address)
        self._topics: set[str] = set()

    async def _send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Returns when the stream has all messages; creates one that keeps the subject if there is none."""
        client = await self._connection.open()
        from nats.js.errors import NotFoundError

        with _translated_errors(self._address, lost=True):
            context = client.jetstream(timeout=30)
            if topic not in self._topics:
                try:
                    await context.find_stream_name_by_subject(topic)
                except NotFoundError:
                    await context.add_stream(name=re.sub(r"[^A-Za-z0-9_-]", "-", topic), subjects=[topic])
                self._topics.add(topic)
            for begin in range(0, len(messages), _SLICE):
                await asyncio.gather(
                    *(
                        context.publish(topic, message.body, headers=_list_headers(message))
                        for message in messages[begin : begin + _SLICE]
                    )
                )

    async def close(self) -> None:
        """Disconnects."""
        self._topics = set()
        await self._connection.close()


class _NatsConnection:
    """One client, which does not connect again by itself."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Any = None

    async def open(self) -> Any:
        if self._client is not None and self._client.is_connected:
            return self._client
        await self.close()
        with need_stream_extra("nats"):
            from nats.aio.client import Client
            from nats.errors import Error, NoServersError
        reason = ""

        async def note_reason(error: Exception) -> None:
            nonlocal reason
            reason = str(error)

        client = Client()
        with _translated_errors(self._address):
            try:
                await client.connect(
                    self._address,
                    allow_reconnect=False,
                    max_reconnect_attempts=1,  # of the first connection; 0 would be without end
                    reconnect_time_wait=0,
                    connect_timeout=5,
                    error_cb=note_reason,
                )
            except NoServersError as error:
                raise Error(reason) from error
            except BaseException:
                await client.close()
                raise
        self._client = client
        return client

    def check(self) -> None:
        if self._client is None or not self._client.is_connected:
            raise BrokerLostError("the connection was closed")

    async def flush(self) -> None:
        self.check()
        await self._client.flush(timeout=10)

    async def close(self) -> None:
        client, self._client = self._client, None
        with suppress(Exception):
            if client is not None:
                await client.flush(timeout=5)
        with suppress(Exception):
            if client is not None:
                await client.close()


def _list_headers(message: Outgoing) -> dict[str, str] | None:
    headers = dict(message.headers)
    if message.id:
        headers.setdefault("Nats-Msg-Id", message.id)
    return headers or None


def _unpack(delivery: Any) -> Message:
    headers, state = delivery.headers or {}, delivery.metadata
    name = headers.get("Nats-Msg-Id") or headers.get("ce_id") or ""
    return Message(delivery.data, state.stream, state.sequence.stream, None, name, state.timestamp)


@contextmanager
def _translated_errors(address: str, *, lost: bool = False, deleted: bool = False) -> Iterator[None]:
    """Errors of the client as ours: while a connection is used, one that breaks is `lost`.

    So is, where `deleted`, a refusal: the stream or the group's consumer was deleted meanwhile.
    """
    from nats import errors
    from nats.js.errors import APIError, NoStreamResponseError, ServiceUnavailableError

    place = hide_password(address)
    try:
        yield
    except BrokerError:
        raise
    except (errors.AuthorizationError, errors.BadSubjectError) as error:
        raise _refuse(place, error) from error
    except errors.MaxPayloadError as error:
        raise BrokerError(
            f"nats at {place} takes no message so large: {error}; see its max_payload"
        ) from error
    except (APIError, NoStreamResponseError) as error:
        if deleted:
            raise BrokerLostError(str(error)) from error
        if isinstance(error, ServiceUnavailableError):
            raise BrokerError(
                f"nats at {place} has no JetStream, which keeps the messages: {error}"
            ) from error
        raise BrokerError(f"nats at {place} refuses: {error}") from error
    except (errors.Error, OSError, TimeoutError) as error:
        reason = hide_password(error) or type(error).__name__
        if "authorization" in reason.lower():
            raise _refuse(place, error) from error
        if lost:
            raise BrokerLostError(reason) from error
        raise BrokerError(
            f"nats at {place} does not answer: {reason}; see stream.address, as in nats://host:4222"
        ) from error
    except ValueError as error:
        raise BrokerError(
            f"stream.address {place!r} is no address of nats: {error}; allowed: nats://host:4222"
        ) from error


def _refuse(place: str, error: Exception) -> BrokerError:
    return BrokerError(
        f"nats at {place} refuses user or password: {hide_password(error)}; write the address with user "
        "and password into the variable that stream.address_env names"
    )
