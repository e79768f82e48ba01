"""What every kind of broker keeps, tried against the real server of each."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import defaultdict
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import pytest

from pynomaly.config import Stream
from pynomaly.data.brokers import (
    BlockingPublisher,
    Consumer,
    Message,
    Outgoing,
    open_consumer,
    open_publisher,
)
from pynomaly.errors import BrokerError
from tests.brokers import BrokerServer
from tests.processes import make_fork_context, make_process

_PATIENCE = 60.0  # of a broken test, not of a slow machine


class HandlerFailedError(Exception):
    pass


async def publish(broker: BrokerServer, topic: str, messages: Sequence[Outgoing]) -> None:
    publisher = open_publisher(broker.make_stream(topic))
    try:
        await publisher.publish(topic, messages)
    finally:
        await publisher.close()


def make_consumer(stream: Stream, group: str = "g", **options: Any) -> Consumer:
    """Returns a consumer of a group of this topic alone, under the name of the one before it.

    In Kafka it has none: of a name that comes again the mock cluster makes two members.
    """
    name = "" if stream.broker == "kafka" else "w"
    return open_consumer(stream, f"{stream.topic}-{group}", name=name, **options)


async def collect(stream: Stream, count: int, group: str = "g") -> list[list[Message]]:
    """Returns the batches until `count` messages."""
    consumer = make_consumer(stream, group)
    batches: list[list[Message]] = []

    async def handle(batch: Sequence[Message]) -> None:
        batches.append(list(batch))
        if sum(map(len, batches)) >= count:
            await consumer.stop()

    await asyncio.wait_for(consumer.run(handle), _PATIENCE)
    return batches


def flatten(batches: list[list[Message]]) -> list[Message]:
    return [message for batch in batches for message in batch]


def number_bodies(count: int, first: int = 0) -> list[Outgoing]:
    return [Outgoing(f"{n}".encode(), key=f"m{n % 7}") for n in range(first, first + count)]


def test_messages_arrive_whole_in_batches_within_bounds(broker, topic):
    async def check():
        await join_group(broker, topic)
        await publish(broker, topic, number_bodies(250))
        return await collect(broker.make_stream(topic, max_rows=100, linger_ms=200), 250)

    batches = asyncio.run(check())
    messages = flatten(batches)
    assert sorted(int(message.body) for message in messages) == list(range(250))
    assert max(map(len, batches)) <= 100
    assert len(batches) <= 10


def test_messages_of_a_key_keep_their_order_and_their_part(broker, topic):
    async def check():
        await join_group(broker, topic)
        await publish(broker, topic, number_bodies(200))
        return flatten(await collect(broker.make_stream(topic), 200))

    messages = asyncio.run(check())
    by_key, parts, offsets = defaultdict(list), defaultdict(set), defaultdict(list)
    for message in messages:
        number = int(message.body)
        by_key[number % 7].append(number)
        parts[number % 7].add(message.part)
        offsets[message.part].append(message.offset)
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert all(len(names) == 1 for names in parts.values())
    for part, counted in offsets.items():
        if part:
            assert counted == sorted(set(counted))
        else:
            assert set(counted) == {None}


def test_what_a_handler_failed_at_comes_again(broker, topic):
    stream = broker.make_stream(topic, max_rows=50)
    handled: set[int] = set()

    async def handle(batch: Sequence[Message]) -> None:
        if handled:
            raise HandlerFailedError
        handled.update(int(message.body) for message in batch)

    async def check():
        await join_group(broker, topic)
        await publish(broker, topic, number_bodies(120))
        with pytest.raises(HandlerFailedError):
            await asyncio.wait_for(make_consumer(stream).run(handle), _PATIENCE)
        return flatten(await collect(stream, 120 - len(handled)))

    left = asyncio.run(check())
    assert {int(message.body) for message in left} == set(range(120)) - handled


def test_stopped_in_the_middle_it_goes_on_where_it_was(broker, topic):
    stream = broker.make_stream(topic, max_rows=30)

    async def check():
        await join_group(broker, topic)
        await publish(broker, topic, number_bodies(100))
        first = flatten(await collect(stream, 30))
        return first, flatten(await collect(stream, 100 - len(first)))

    first, rest = asyncio.run(check())
    assert sorted(int(message.body) for message in first + rest) == list(range(100))


def test_two_groups_are_given_everything_each(broker, topic):
    if broker.kind == "rabbitmq":
        pytest.skip("rabbitmq: a queue has one group; another needs a queue of its own")

    async def check():
        for group in ("a", "b"):
            await join_group(broker, topic, group)
        await publish(broker, topic, number_bodies(20))
        stream = broker.make_stream(topic)
        return [flatten(await collect(stream, 20, group)) for group in ("a", "b")]

    for messages in asyncio.run(check()):
        assert sorted(int(message.body) for message in messages) == list(range(20))


@pytest.mark.parametrize("body", [b"", b"\x00\xff\x80", b'{"a": NaN}', b"x" * (5 * 2**20)], ids=len)
def test_bodies_of_any_bytes_arrive_unchanged(broker, topic, body):
    async def check():
        await join_group(broker, topic)
        await publish(broker, topic, [Outgoing(body, headers={"content-type": "application/json"})])
        return flatten(await collect(broker.make_stream(topic), 1))

    (message,) = asyncio.run(check())
    assert message.body == body


def test_an_unknown_topic_is_one_message_at_the_start(broker):
    if broker.kind == "mqtt":
        pytest.skip("mqtt: a topic is nothing that exists before its first message")

    with pytest.raises(BrokerError, match=r"stream\.topic 'no-such-topic' does not exist"):
        asyncio.run(collect(broker.make_stream("no-such-topic"), 1))


def test_wrong_credentials_are_one_message_without_the_password(broker, monkeypatch):
    if not broker.refused_address:
        pytest.skip(f"{broker.kind}: lets everyone in here")
    monkeypatch.setenv("STREAM_ADDRESS", broker.refused_address)
    stream = Stream(broker=broker.kind, topic="any", address_env="STREAM_ADDRESS")
    with pytest.raises(BrokerError, match=r"refuses.*stream\.address_env") as refusal:
        asyncio.run(collect(stream, 1))
    assert "wrong" not in str(refusal.value)
    with pytest.raises(BrokerError, match=r"refuses.*stream\.address_env"):
        asyncio.run(publish_with(stream))


async def publish_with(stream: Stream) -> None:
    publisher = open_publisher(stream)
    try:
        await publisher.publish("any", [Outgoing(b"x")])
    finally:
        await publisher.close()


def test_a_broker_that_is_not_there_is_one_message(broker):
    if broker.kind == "memory":
        pytest.skip("memory: it is always there")
    nowhere = re.sub(r":\d+.*", ":1", broker.address)
    stream = Stream(broker=broker.kind, topic="any", address=nowhere)
    with pytest.raises(BrokerError, match=r"does not answer.*stream\.address"):
        asyncio.run(collect(stream, 1))
    with pytest.raises(BrokerError, match=r"does not answer.*stream\.address"):
        asyncio.run(publish_with(stream))


def test_the_lag_counts_what_is_not_acknowledged(broker, topic):
    stream = broker.make_stream(topic, max_rows=10)
    consumer = make_consumer(stream)

    async def check():
        await join_group(broker, topic)
        await publish(broker, topic, number_bodies(25))
        lags: list[int | None] = []

        async def handle(batch: Sequence[Message]) -> None:
            lag = await consumer.measure_lag()
            lags.append(sum(lag.values()) if lag else None)
            await consumer.stop()

        await asyncio.wait_for(consumer.run(handle), _PATIENCE)
        return lags

    (lag,) = asyncio.run(check())
    assert lag in ({"mqtt": (None,)}.get(broker.kind, (25,)))


def test_published_from_code_without_a_loop(broker, topic):
    asyncio.run(join_group(broker, topic))
    with BlockingPublisher(open_publisher(broker.make_stream(topic))) as publisher:
        publisher.publish(topic, number_bodies(3))
        publisher.publish(topic, number_bodies(3, first=3))
    messages = flatten(asyncio.run(collect(broker.make_stream(topic), 6)))
    assert sorted(int(message.body) for message in messages) == list(range(6))


def consume_and_hang(stream: Stream, handled: Connection) -> None:
    """Handles one batch, then takes a second one and never ends with it."""

    async def consume() -> None:
        batches = 0

        async def handle(batch: Sequence[Message]) -> None:
            nonlocal batches
            batches += 1
            handled.send([int(message.body) for message in batch])
            if batches == 2:
                await asyncio.Event().wait()

        await make_consumer(stream).run(handle)

    asyncio.run(consume())


@pytest.mark.slow
def test_what_a_killed_process_did_not_acknowledge_another_takes_over(broker, topic):
    if broker.kind == "memory":
        pytest.skip("memory: it is in one process")
    stream = broker.make_stream(topic, max_rows=20)
    asyncio.run(join_group(broker, topic))
    asyncio.run(publish(broker, topic, number_bodies(100)))
    forked = make_fork_context("tests.data.brokers.test_contract")
    ours, theirs = forked.Pipe()
    process = make_process(forked, consume_and_hang, stream, theirs)
    process.start()
    assert ours.poll(_PATIENCE)
    first = ours.recv()
    assert ours.poll(_PATIENCE)
    ours.recv()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    messages = flatten(asyncio.run(collect(stream, 100 - len(first))))
    assert {int(message.body) for message in messages} >= set(range(100)) - set(first)


@pytest.mark.slow
def test_a_broker_that_is_restarted_in_the_middle_is_said_and_loses_nothing(broker, topic):
    if not broker.command:
        pytest.skip(f"{broker.kind}: it is no process of its own here")
    problems: list[str] = []
    consumer = make_consumer(broker.make_stream(topic, max_rows=20), on_problem=problems.append)
    numbers: set[int] = set()

    async def check():
        await join_group(broker, topic)
        await publish(broker, topic, number_bodies(100))
        left = ["restart", "publish"]

        async def handle(batch: Sequence[Message]) -> None:
            numbers.update(int(message.body) for message in batch)
            if left[0] == "restart" and len(numbers) >= 40:
                left.pop(0)
                broker.stop()
                broker.start()
                if broker.kind == "mqtt":
                    return  # Mosquitto 2.0 restores a session without the subscriptions that it shares
            if left[0] == "publish":
                left[0] = "nothing"
                await publish(broker, topic, number_bodies(50, first=100))
            if len(numbers) == 150:
                await consumer.stop()

        await asyncio.wait_for(consumer.run(handle), _PATIENCE)

    asyncio.run(check())
    assert numbers == set(range(150))
    assert "is away" in problems[0]
    assert "answers again" in problems[-1]


@pytest.mark.slow
def test_a_publisher_outlives_a_restart_of_the_broker(broker, topic):
    if not broker.command:
        pytest.skip(f"{broker.kind}: it is no process of its own here")

    async def check() -> None:
        await join_group(broker, topic)
        publisher = open_publisher(broker.make_stream(topic))
        await publisher.publish(topic, number_bodies(10))
        broker.stop()
        broker.start()
        await publisher.publish(topic, number_bodies(10, first=10))
        await publisher.close()

    asyncio.run(check())
    if broker.kind != "mqtt":  # whose session has lost its subscription: see above
        messages = flatten(asyncio.run(collect(broker.make_stream(topic), 20)))
        assert {int(message.body) for message in messages} == set(range(20))


@pytest.mark.slow
def test_members_that_come_and_go_in_the_middle_lose_nothing(broker, topic):
    if broker.kind == "mqtt":
        pytest.skip("mqtt: a session whose member has left keeps its share until that member is back")
    stream = broker.make_stream(topic, max_rows=10, linger_ms=1)
    members = [open_consumer(stream, f"{topic}-g", name="" if broker.kind == "kafka" else n) for n in "ab"]
    received: list[set[int]] = [set(), set()]

    async def check() -> None:
        await publish(broker, topic, number_bodies(200))
        running: list[asyncio.Task[None]] = []

        async def run(place: int) -> None:
            async def handle(batch: Sequence[Message]) -> None:
                received[place].update(int(message.body) for message in batch)
                await asyncio.sleep(0.02)  # of work, during which the other one reads
                if len(running) == 1:
                    running.append(asyncio.create_task(run(1)))
                if place == 1 and received[1]:
                    await members[0].stop()
                if len(received[0] | received[1]) == 200:
                    await members[1].stop()

            await members[place].run(handle)

        running.append(asyncio.create_task(run(0)))
        await asyncio.wait_for(running[0], _PATIENCE)
        if len(received[0]) == 200:  # the first was done before the second came
            await members[1].stop()
        await asyncio.wait_for(running[1], _PATIENCE)

    asyncio.run(check())
    assert received[0] | received[1] == set(range(200))


async def join_group(broker: BrokerServer, topic: str, group: str = "g") -> None:
    """MQTT keeps messages only for those who have subscribed before."""
    if broker.kind != "mqtt":
        return
    consumer: Any = make_consumer(broker.make_stream(topic), group)
    await consumer.stop()
    await consumer.run(None)
