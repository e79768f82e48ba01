"""Redis Streams: one entry of a stream is one message, a group of Redis shares them out.

Entries that any program wrote with ``XADD`` are read. The body is the value of the only field; of the field
``data`` where beside it stand ``key``, ``id`` or ``headers`` alone; else all fields as one JSON object of
texts.

Nothing of a worker that was killed is lost: a reader first takes its own unacknowledged entries, then,
every fifteen seconds, those that no living reader has touched for thirty, then new ones. Members of a group
share one stream entry by entry, so that the order within a key is kept by a single member alone.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from pynomaly.config import Stream
from pynomaly.data.brokers.address import SILENT, hide_password, need_stream_extra
from pynomaly.data.brokers.consumer import BrokerLostError
from pynomaly.data.brokers.messages import Message, Outgoing
from pynomaly.data.brokers.publisher import ReconnectingPublisher
from pynomaly.errors import BrokerError

__all__ = ["ORDERED", "make_publisher", "make_reader"]

ORDERED = False

_COMPANIONS = frozenset((b"key", b"id", b"headers"))
_SLICE, _SLICE_BYTES = 256, 4 * 2**20
"""Most entries of one request, and about how many bytes of bodies: an answer is in memory twice."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEQUENCE_BITS = 20
_ENVELOPE = b"\x89BIN\r\n\x1a\n"
"""How the binary format of FastStream begins."""


def make_reader(settings: Stream, group: str, name: str, address: str) -> RedisReader:
    """Returns a reader that is the member `name` of the group; without a name, one of this process."""
    return RedisReader(settings, group, name or f"{socket.gethostname()}-{os.getpid()}", address)


def make_publisher(address: str) -> RedisPublisher:
    """Returns a publisher to the streams of the server at `address`."""
    return RedisPublisher(address)


class RedisReader:
    """Reads one stream as a member of a group.

    Attributes
    ----------
    abandoned_ms : int
        An entry that nobody touched for so long is taken over. While a batch is handled, its entries are
        touched three times as often.
    """

    def __init__(
        self, settings: Stream, group: str, name: str, address: str, abandoned_ms: int = 30_000
    ) -> None:
        self.abandoned_ms = abandoned_ms
        self._settings, self._group, self._name, self._address = settings, group, name, address
        self._connection = _Connection(address)
        self._part = f"{settings.topic}/0"
        self._waiting: list[bytes] = []
        self._own_cursor: bytes | None = b"0"
        self._next_claim = 0.0
        self._slice = 16
        self._touching: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connects and joins the group, which is created if it is new."""
        topic = self._settings.topic
        client = await self._connection.open()
        with _translated_errors(self._address):
            try:
                begin = "$" if self._settings.start == "latest" else "0"
                await client.xgroup_create(topic, self._group, begin)
            except _response_error() as error:
                if "requires the key to exist" in str(error):
                    raise BrokerError(
                        f"stream.topic {topic!r} does not exist at {hide_password(self._address)}; it is "
                        "there as soon as a first message was added to it (XADD)"
                    ) from error
                if "WRONGTYPE" in str(error):
                    raise BrokerError(
                        f"stream.topic {topic!r} at {hide_password(self._address)} is no stream; producers "
                        "have to use XADD"
                    ) from error
                if "BUSYGROUP" not in str(error):
                    raise
        self._waiting, self._own_cursor, self._next_claim = [], b"0", 0.0
        self._touching = asyncio.create_task(self._touch_waiting())

    async def read(self, most: int, wait: float) -> Sequence[Message]:
        """Returns entries: own ones first, then abandoned ones, then new ones."""
        with _translated_errors(self._address, lost=True):
            entries = await self._read_entries(min(most, self._slice), wait)
        messages = [message for entry in entries if (message := self._unpack(*entry)) is not None]
        if messages:
            mean = sum(len(message.body) for message in messages) // len(messages)
            self._slice = max(1, min(_SLICE, _SLICE_BYTES // (mean + 1)))
        return messages

    async def acknowledge(self) -> None:
        """Takes all entries read until now off the group's list of pending ones."""
        if self._waiting:
            with _translated_errors(self._address, lost=True):
                await self._connection.client.xack(self._settings.topic, self._group, *self._waiting)
            self._waiting = []

    async def close(self) -> None:
        """Disconnects; a reader that leaves nothing behind leaves the group, too."""
        if self._touching:
            self._touching.cancel()
            self._touching = None
        with suppress(Exception):
            if not self._waiting and self._own_cursor is None:
                await self._leave_group()
        await self._connection.close()

    async def measure_lag(self) -> dict[str, int]:
        """Returns the entries not acknowledged: those never delivered, and the pending ones."""
        with _translated_errors(self._address, lost=True):
            groups = await self._connection.client.xinfo_groups(self._settings.topic)
        for group in groups:
            if group["name"] == self._group.encode():
                return {self._part: int(group.get("lag") or 0) + int(group["pending"])}
        return {}

    async def _read_entries(self, most: int, wait: float) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
        client, topic = self._connection.client, self._settings.topic
        if self._own_cursor is not None:
            answer = await client.xreadgroup(self._group, self._name, {topic: self._own_cursor}, count=most)
            entries = _list_entries(answer)
            self._own_cursor = entries[-1][0] if entries else None
            if entries:
                return await self._drop_deleted(entries)
        clock = asyncio.get_running_loop().time()
        if clock >= self._next_claim:
            _, entries, *_ = await client.xautoclaim(
                topic, self._group, self._name, self.abandoned_ms, "0-0", count=most
            )
            if entries:
                self._waiting.extend(identity for identity, _ in entries)
                return list(entries)
            self._next_claim = clock + self.abandoned_ms / 2000
        block = int(wait * 1000) or None
        answer = await client.xreadgroup(self._group, self._name, {topic: ">"}, count=most, block=block)
        entries = _list_entries(answer)
        self._waiting.extend(identity for identity, _ in entries)
        return entries

    async def _drop_deleted(
        self, entries: list[tuple[bytes, Mapping[bytes, bytes]]]
    ) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
        """Takes entries off the pending list that the stream no longer holds: it was trimmed meanwhile."""
        deleted = [identity for identity, fields in entries if not fields]
        if deleted:
            await self._connection.client.xack(self._settings.topic, self._group, *deleted)
        left = [(identity, fields) for identity, fields in entries if fields]
        self._waiting.extend(identity for identity, _ in left)
        return left

    async def _touch_waiting(self) -> None:
        """Keeps others from taking the entries of a batch that is handled for long."""
        while True:
            await asyncio.sleep(self.abandoned_ms / 3000)
            with suppress(Exception):  # a connection that broke is noticed, and said, where entries are read
                if self._waiting:
                    await self._connection.client.xclaim(
                        self._settings.topic, self._group, self._name, 0, list(self._waiting), justid=True
                    )

    async def _leave_group(self) -> None:
        """Deletes this member, which has nothing pending: one a process and start would pile up."""
        client, topic = self._connection.client, self._settings.topic
        if not await client.xpending_range(topic, self._group, "-", "+", 1, consumername=self._name):
            await client.xgroup_delconsumer(topic, self._group, self._name)

    def _unpack(self, identity: bytes, fields: Mapping[bytes, bytes]) -> Message | None:
        milliseconds, _, sequence = identity.partition(b"-")
        time, number = int(milliseconds), int(sequence)
        offset = (time << _SEQUENCE_BITS) + number
        try:
            sent = _EPOCH + timedelta(milliseconds=time)
        except OverflowError:
            sent = None
        if len(fields) == 1:
            (body,) = fields.values()
            return Message(_strip_envelope(body), self._part, offset, None, "", sent)
        if b"data" in fields and fields.keys() - {b"data"} <= _COMPANIONS:
            name = fields.get(b"id", b"").decode(errors="replace")
            return Message(fields[b"data"], self._part, offset, fields.get(b"key"), name, sent)
        texts = {
            name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()
        }
        return Message(orjson.dumps(texts), self._part, offset, None, "", sent)


class RedisPublisher(ReconnectingPublisher):
    """Adds entries to streams: fields `data`, and `key`, `id` and `headers` where there are any."""

    def __init__(self, address: str) -> None:
        self._address, self._connection = address, _Connection(address)

    async def _send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Returns when the server has all messages; it creates a stream that is missing."""
        client = await self._connection.open()
        with _translated_errors(self._address, lost=True):
            for begin in range(0, len(messages), _SLICE):
                pipeline = client.pipeline(transaction=False)
                for message in messages[begin : begin + _SLICE]:
                    pipeline.xadd(topic, _pack(message))
                await pipeline.execute()

    async def close(self) -> None:
        """Disconnects."""
        await self._connection.close()


class _Connection:
    """One broker of FastStream, whose client is used; connected when it is first needed."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._broker: Any = None
        self.client: Any = None

    async def open(self) -> Any:
        if self.client is None:
            with need_stream_extra("redis"):
                from faststream.redis import RedisBroker
                from redis.asyncio.retry import Retry
                from redis.backoff import NoBackoff
            with _translated_errors(self._address):
                # Tries again are ours: they are said, and end when the consumer is stopped.
                self._broker = RedisBroker(
                    self._address,
                    logger=SILENT,
                    retry=Retry(NoBackoff(), 0),
                    socket_connect_timeout=5,
                    socket_timeout=10,
                )
                client = await self._broker.connect()
                try:
                    await client.ping()
                except BaseException:
                    await self.close()
                    raise
            self.client = client
        return self.client

    async def close(self) -> None:
        broker, self._broker, self.client = self._broker, None, None
        if broker is not None:
            with suppress(Exception):
                await broker.stop()


def _list_entries(answer: Any) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
    """Returns the entries of the one stream that was asked for."""
    return list(answer[0][1]) if answer else []


def _strip_envelope(body: bytes) -> bytes:
    """Returns what a producer of FastStream sent, without the headers that it puts before it."""
    if not body.startswith(_ENVELOPE):
        return body
    from faststream.redis.parser import BinaryMessageFormatV1

    inner, _ = BinaryMessageFormatV1.parse(body)
    return inner


def _pack(message: Outgoing) -> dict[str, bytes | str]:
    fields: dict[str, bytes | str] = {"data": message.body}
    if message.key:
        fields["key"] = message.key
    if message.headers:
        fields["headers"] = orjson.dumps(dict(message.headers))
    if message.id:
        fields["id"] = message.id
    return fields


def _response_error() -> type[Exception]:
    from redis.exceptions import ResponseError

    return ResponseError


@contextmanager
def _translated_errors(address: str, *, lost: bool = False) -> Iterator[None]:
    """Errors of the client as ours: while a connection is used, one that breaks is `lost`."""
    from redis import exceptions

    place = hide_password(address)
    try:
        yield
    except BrokerError:
        raise
    except (exceptions.AuthenticationError, exceptions.NoPermissionError) as error:
        raise BrokerError(
            f"redis at {place} refuses user or password: {error}; allowed is what its ACL allows; write "
            "the address with user and password into the variable that stream.address_env names"
        ) from error
    except (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError, OSError) as error:
        if lost:
            raise BrokerLostError(hide_password(error)) from error
        raise BrokerError(
            f"redis at {place} does not answer: {hide_password(error)}; see stream.address, as in "
            "redis://host:6379/0"
        ) from error
    except exceptions.ResponseError as error:
        if "NOGROUP" in str(error):
            raise BrokerLostError(f"the stream was deleted meanwhile: {error}") from error
        if "Authentication required" in str(error) or "NOAUTH" in str(error):
            raise BrokerError(
                f"redis at {place} asks for a password; write the address with it into the variable that "
                "stream.address_env names"
            ) from error
        raise BrokerError(f"redis at {place} refuses: {hide_password(error)}") from error
    except ValueError as error:
        raise BrokerError(
            f"stream.address {place!r} is no address of redis: {error}; allowed: redis://host:port/database"
        ) from error
