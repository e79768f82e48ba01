"""Kafka, by the client of librdkafka: partitions are parts, and offsets are committed after the handler.

The client is used without FastStream, which drops the errors that come in place of messages (a topic
deleted, a right withdrawn): a stream would stand still, and nobody would say so. Members of a group share
the partitions cooperatively: those that stay with a member are read on while others move.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pynomaly.config import Stream
from pynomaly.data.brokers.address import hide_password, need_stream_extra
from pynomaly.data.brokers.consumer import BrokerLostError
from pynomaly.data.brokers.kafka_cluster import (
    PATIENCE,
    KafkaErrorLog,
    get_error_codes,
    get_kafka_exception,
    has_topic,
    make_client,
    parse_kafka_address,
)
from pynomaly.data.brokers.messages import Message, Outgoing
from pynomaly.errors import BrokerError, list_allowed

__all__ = ["ORDERED", "make_publisher", "make_reader"]

ORDERED = True

Result = TypeVar("Result")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_READING = {
    "partition.assignment.strategy": "cooperative-sticky",
    "session.timeout.ms": 10_000,
    "queued.max.messages.kbytes": 32_768,
    # A message larger than a fetch comes alone; the default would end the stream at one of 100 MB.
    "receive.message.max.bytes": 2**30,
    "allow.auto.create.topics": False,
}
_PUBLISHING = {
    "acks": "all",
    "enable.idempotence": True,
    "message.timeout.ms": 30_000,
    "message.max.bytes": 10**9,  # how large a message may be is the broker's business
    "linger.ms": 5,
}


def make_reader(settings: Stream, group: str, name: str, address: str) -> KafkaReader:
    """Returns a reader of the group; one with a name keeps its partitions over a restart (static
    membership)."""
    return KafkaReader(settings, group, name, address)


def make_publisher(address: str) -> KafkaPublisher:
    """Returns a publisher to the topics of the cluster at `address`."""
    return KafkaPublisher(address)


class KafkaReader:
    """Reads the partitions that the group gives to it."""

    def __init__(self, settings: Stream, group: str, name: str, address: str) -> None:
        self._settings, self._address = settings, address
        self._properties = _READING | parse_kafka_address(address)
        self._properties |= {
            "group.id": group,
            "auto.offset.reset": settings.start,
            "enable.auto.commit": False,
        }
        if name:
            self._properties["group.instance.id"] = name
        self._client: Any = None
        self._thread: ThreadPoolExecutor | None = None
        self._errors = KafkaErrorLog()
        self._has_unacknowledged = False

    async def open(self) -> None:
        """Connects, looks for the topic, and joins the group."""
        with need_stream_extra("kafka"):
            from confluent_kafka import Consumer
        topic = self._settings.topic
        self._errors = KafkaErrorLog()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka")
        self._client = make_client(Consumer, self._properties, self._errors, self._address)
        await self._call(lambda: _find_topic(self._client, topic, self._errors, self._address))
        await self._call(lambda: self._client.subscribe([topic]))
        self._has_unacknowledged = False

    async def read(self, most: int, wait: float) -> Sequence[Message]:
        """Returns what was fetched; the client fetches ahead at most 32 MiB."""
        records = await self._call(lambda: self._take_records(most, wait))
        messages = []
        for record in records:
            if error := record.error():
                if error.code() != get_error_codes()._PARTITION_EOF:
                    raise BrokerLostError(error.str())
                continue
            messages.append(_unpack(record))
        if not messages and self._errors.all_down:
            raise BrokerLostError(self._errors.all_down)
        self._has_unacknowledged |= bool(messages)
        return messages

    async def acknowledge(self) -> None:
        """Commits the offsets of all messages read until now."""
        if not self._has_unacknowledged:
            return
        self._has_unacknowledged = False
        codes, kafka_exception = get_error_codes(), get_kafka_exception()
        try:
            await self._call(lambda: self._client.commit(asynchronous=False))
        except kafka_exception as error:
            # Partitions moved meanwhile: their new reader begins with these messages.
            moved = (codes._NO_OFFSET, codes.ILLEGAL_GENERATION, codes.UNKNOWN_MEMBER_ID)
            if error.args[0].code() not in (*moved, codes.REBALANCE_IN_PROGRESS):
                raise BrokerLostError(error.args[0].str()) from error

    async def close(self) -> None:
        """Leaves the group."""
        client, thread, self._client, self._thread = self._client, self._thread, None, None
        if thread is not None:
            with suppress(Exception):
                await asyncio.get_running_loop().run_in_executor(thread, client.close)
            thread.shutdown(wait=False)

    async def measure_lag(self) -> dict[str, int]:
        """Returns the messages after the committed offset, of the partitions that this member reads."""
        client, kafka_exception = self._client, get_kafka_exception()
        try:
            return await asyncio.to_thread(_measure_lag, client, self._settings.start)
        except (kafka_exception, RuntimeError) as error:  # the latter of a client that was closed meanwhile
            raise BrokerLostError(str(error)) from error

    def _take_records(self, most: int, wait: float) -> list[Any]:
        """Returns what is there, after a wait for the first; the client by itself waits for all."""
        records: list[Any] = self._client.consume(1, wait)
        if records and most > 1:
            records += self._client.consume(most - 1, 0)
        return records

    async def _call(self, function: Callable[[], Result]) -> Result:
        """Calls the client in its thread, where calls follow each other."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)


class KafkaPublisher:
    """Produces messages that all replicas confirm; a key chooses the partition."""

    def __init__(self, address: str) -> None:
        self._address, self._properties = address, _PUBLISHING | parse_kafka_address(address)
        self._client: Any = None
        self._errors = KafkaErrorLog()
        self._topics: set[str] = set()

    async def publish(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Returns when all messages are confirmed; creates a missing topic by the cluster's defaults."""
        await asyncio.to_thread(self._send, topic, messages)

    async def close(self) -> None:
        """Forgets the client; all that was published is confirmed."""
        self._client, self._topics = None, set()

    def _send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        with need_stream_extra("kafka"):
            from confluent_kafka import Producer
        if self._client is None:
            self._errors = KafkaErrorLog()
            self._client = make_client(Producer, self._properties, self._errors, self._address)
        if topic not in self._topics:
            self._create_topic(topic)
        failures: list[str] = []

        def note_failure(error: Any, _: Any) -> None:
            if error is not None:
                failures.append(error.str())

        for message in messages:
            headers = list(message.headers.items())
            while True:
                try:
                    self._client.produce(
                        topic, message.body, message.key or None, headers=headers, on_delivery=note_failure
                    )
                    break
                except BufferError:
                    self._client.poll(0.1)
                except get_kafka_exception() as error:
                    raise self._refuse(topic, error.args[0].str()) from error
        self._client.flush()
        if failures:
            raise self._refuse(topic, f"{len(failures)} of {len(messages)} messages failed: {failures[0]}")

    def _refuse(self, topic: str, reason: str) -> BrokerError:
        return BrokerError(
            f"kafka at {hide_password(self._address)} did not take messages to {topic!r}: {reason}"
        )

    def _create_topic(self, topic: str) -> None:
        from confluent_kafka.admin import AdminClient
        from confluent_kafka.cimpl import NewTopic

        if not has_topic(self._client, topic, self._errors, self._address):
            admin = make_client(AdminClient, parse_kafka_address(self._address), self._errors, self._address)
            try:
                admin.create_topics([NewTopic(topic, -1, -1)])[topic].result(PATIENCE)
            except get_kafka_exception() as error:
                if error.args[0].code() != get_error_codes().TOPIC_ALREADY_EXISTS:
                    raise self._refuse(topic, f"it does not exist, and {error.args[0].str()}") from error
        self._topics.add(topic)


def _find_topic(client: Any, topic: str, errors: KafkaErrorLog, address: str) -> None:
    if not has_topic(client, topic, errors, address):
        names = sorted(client.list_topics(timeout=PATIENCE).topics)
        raise BrokerError(
            f"stream.topic {topic!r} does not exist at {hide_password(address)}; "
            f"{list_allowed(topic, names[:50])}"
        )


def _measure_lag(client: Any, start: str) -> dict[str, int]:
    lag = {}
    for place in client.committed(client.assignment(), timeout=PATIENCE):
        low, high = client.get_watermark_offsets(place, timeout=PATIENCE)
        begin = place.offset if place.offset >= 0 else (low if start == "earliest" else high)
        lag[f"{place.topic}/{place.partition}"] = max(0, high - begin)
    return lag


def _unpack(record: Any) -> Message:
    kind, milliseconds = record.timestamp()
    name = ""
    for header, value in record.headers() or ():
        if header == "ce_id" and value is not None:
            name = value.decode(errors="replace")
    return Message(
        record.value() or b"",
        f"{record.topic()}/{record.partition()}",
        record.offset(),
        record.key(),
        name,
        _EPOCH + timedelta(milliseconds=milliseconds) if kind else None,
    )
