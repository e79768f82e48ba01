"""What single kinds promise beyond the contract, and what all say before they connect."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import orjson
import pytest

from pynomaly.config import Stream
from pynomaly.data.brokers import Message, Outgoing, memory, open_consumer, open_publisher, redis
from pynomaly.data.brokers.consumer import PulledConsumer
from pynomaly.data.brokers.kafka_cluster import parse_kafka_address
from pynomaly.data.brokers.mqtt import make_reader as make_mqtt_reader
from pynomaly.errors import BrokerError
from tests.data.brokers.test_contract import collect, flatten, number_bodies, publish


@pytest.fixture
def parts():
    yield memory.create_topic
    memory.drop_topics()


@pytest.fixture
def redis_broker(brokers):
    return brokers("redis")


def test_an_address_that_is_not_in_the_environment_is_named():
    stream = Stream(broker="redis", topic="t", address_env="NO_SUCH_ADDRESS")
    with pytest.raises(BrokerError, match=r"'NO_SUCH_ADDRESS' is not set.*redis://localhost:6379"):
        open_consumer(stream, "g")
    with pytest.raises(BrokerError, match="'NO_SUCH_ADDRESS' is not set"):
        open_publisher(stream)


def test_a_stream_without_a_broker_is_named():
    with pytest.raises(BrokerError, match="allowed: 'kafka', 'memory', 'mqtt'"):
        open_consumer(Stream(), "g")


@pytest.mark.parametrize(
    ("kind", "module"),
    [
        ("redis", "faststream.redis"),
        ("rabbitmq", "faststream.rabbit"),
        ("mqtt", "faststream.mqtt"),
        ("nats", "nats.aio.client"),
        ("kafka", "confluent_kafka"),
    ],
)
def test_a_client_that_is_not_installed_names_the_extra(kind, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    stream = Stream(broker=kind, topic="t")
    with pytest.raises(BrokerError, match=r"pip install 'pynomaly-mlops\[stream\]'"):
        asyncio.run(open_consumer(stream, "g").run(lambda batch: asyncio.sleep(0)))
    with pytest.raises(BrokerError, match=r"pip install 'pynomaly-mlops\[stream\]'"):
        asyncio.run(open_publisher(stream).publish("t", [Outgoing(b"x")]))


@pytest.mark.parametrize(
    ("address", "properties"),
    [
        ("a:9092", {"bootstrap.servers": "a:9092", "security.protocol": "plaintext"}),
        ("kafka+ssl://a:9093", {"bootstrap.servers": "a:9093", "security.protocol": "ssl"}),
        (
            "kafka+ssl://me:p%40ss@a:9093,b:9093?mechanism=SCRAM-SHA-512&ssl.ca.location=/ca.pem",
            {
                "bootstrap.servers": "a:9093,b:9093",
                "security.protocol": "sasl_ssl",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": "me",
                "sasl.password": "p@ss",
                "ssl.ca.location": "/ca.pem",
            },
        ),
        (
            "kafka://me:word@a",
            {
                "bootstrap.servers": "a",
                "security.protocol": "sasl_plaintext",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "me",
                "sasl.password": "word",
            },
        ),
    ],
)
def test_an_address_of_kafka_is_settings_of_its_client(address, properties):
    assert parse_kafka_address(address) == properties


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://a:9092", "begins with 'http'.*'kafka'"),
        ("kafka://me:topsecret@a?mechanism=SCRAM-SHA-51", "did you mean 'SCRAM-SHA-512'"),
        ("kafka://me:topsecret@a?retries=3", "parameter 'retries' is none"),
    ],
)
def test_a_wrong_address_of_kafka_is_one_message(address, message):
    with pytest.raises(BrokerError, match=message) as refusal:
        parse_kafka_address(address)
    assert "topsecret" not in str(refusal.value)


def test_a_wrong_parameter_of_mqtt_is_one_message():
    for query, message in (("shared=off", "did you mean 'share'"), ("version=5", "allowed: '3.1.1', '5.0'")):
        with pytest.raises(BrokerError, match=message):
            make_mqtt_reader(Stream(broker="mqtt", topic="t"), "g", "w", f"mqtt://localhost?{query}")


def test_members_of_a_group_share_the_parts_of_a_topic_in_memory(parts):
    parts("t", 4)
    stream = Stream(broker="memory", topic="t", max_rows=10, linger_ms=1)
    received: dict[str, list[Message]] = {"a": [], "b": []}
    consumers = {name: open_consumer(stream, "g", name=name) for name in received}

    async def check() -> None:
        async def run(name: str) -> None:
            async def handle(batch: Sequence[Message]) -> None:
                received[name].extend(batch)
                await asyncio.sleep(0)
                if sum(map(len, received.values())) == 400:
                    for consumer in consumers.values():
                        await consumer.stop()

            await consumers[name].run(handle)

        await open_publisher(stream).publish("t", number_bodies(200))
        running = [asyncio.create_task(run(name)) for name in received]
        await asyncio.sleep(0)
        await open_publisher(stream).publish("t", number_bodies(200, first=200))
        await asyncio.wait_for(asyncio.gather(*running), 30)

    asyncio.run(check())
    assert sorted(int(m.body) for batch in received.values() for m in batch) == list(range(400))
    assert all(received.values())
    for batch in received.values():
        for part in {message.part for message in batch}:
            offsets = [message.offset for message in batch if message.part == part]
            assert offsets == sorted(offsets)


def test_a_new_group_may_begin_at_the_next_message(parts):
    parts("t", 2)

    async def check() -> list[Message]:
        early = Stream(broker="memory", topic="t")
        await open_publisher(early).publish("t", number_bodies(5))
        late = open_consumer(early.model_copy(update={"start": "latest"}), "g")
        received: list[Message] = []

        async def handle(batch: Sequence[Message]) -> None:
            received.extend(batch)
            await late.stop()

        running = asyncio.create_task(late.run(handle))
        await asyncio.sleep(0)
        await open_publisher(early).publish("t", [Outgoing(b"new")])
        await asyncio.wait_for(running, 30)
        return received

    assert [message.body for message in asyncio.run(check())] == [b"new"]


@pytest.mark.server
def test_entries_that_any_program_added_to_redis_are_read(redis_broker):
    async def check() -> list[Message]:
        from faststream.redis import RedisBroker

        async with RedisBroker(redis_broker.address, logger=None) as broker:
            client = await broker.connect()
            await client.xadd("plain", {"reading": b"\x00 one field"})
            await client.xadd("plain", {"data": "of data", "key": "pump-1", "id": "m7"})
            await client.xadd("plain", {"time": "2026-01-05T10:00Z", "pressure": "4.2", "data": "7"})
            await broker.publish({"pressure": 4.2}, stream="plain", headers={"own": "header"})
        return flatten(await collect(redis_broker.make_stream("plain"), 4))

    one, named, fields, wrapped = asyncio.run(check())
    assert one.body == b"\x00 one field"
    assert (named.body, named.key, named.id) == (b"of data", b"pump-1", "m7")
    assert orjson.loads(fields.body) == {"time": "2026-01-05T10:00Z", "pressure": "4.2", "data": "7"}
    assert orjson.loads(wrapped.body) == {"pressure": 4.2}
    assert one.sent is not None
    assert one.offset < named.offset < fields.offset < wrapped.offset


@pytest.mark.server
def test_what_a_dead_reader_of_redis_left_goes_to_one_of_another_name(redis_broker):
    stream = redis_broker.make_stream("left", max_rows=10)

    async def check() -> tuple[set[int], set[int], list[bytes]]:
        await publish(redis_broker, "left", number_bodies(30))
        dead = redis.RedisReader(stream, "g", "dead", redis_broker.address)
        await dead.open()
        held = {int(message.body) for message in await dead.read(10, 0.2)}
        await dead._connection.close()  # as a kill would leave it
        dead._touching.cancel()
        reader = redis.RedisReader(stream, "g", "living", redis_broker.address, abandoned_ms=1)
        consumer = PulledConsumer(reader, stream, print, ordered=False)
        received: set[int] = set()

        async def handle(batch: Sequence[Message]) -> None:
            received.update(int(message.body) for message in batch)
            if len(received) == 30:
                await consumer.stop()

        await asyncio.wait_for(consumer.run(handle), 30)
        look = redis.RedisReader(stream, "g", "look", redis_broker.address)
        await look.open()
        members = await look._connection.client.xinfo_consumers("left", "g")
        await look.close()
        return held, received, [member["name"] for member in members]

    held, received, members = asyncio.run(check())
    assert held
    assert received == set(range(30))
    assert b"living" not in members  # it has left: one a start would pile up


@pytest.mark.server
def test_entries_that_were_trimmed_before_they_were_acknowledged_are_passed_over(redis_broker):
    stream = redis_broker.make_stream("trimmed", max_rows=10)

    async def check() -> tuple[list[Message], dict[str, int]]:
        await publish(redis_broker, "trimmed", number_bodies(5))
        first = redis.RedisReader(stream, "g", "w", redis_broker.address)
        await first.open()
        assert len(await first.read(10, 0.2)) == 5
        await first._connection.client.xtrim("trimmed", maxlen=0)
        await first.close()
        await publish(redis_broker, "trimmed", number_bodies(2, first=5))
        again = redis.RedisReader(stream, "g", "w", redis_broker.address)
        await again.open()
        messages = [*await again.read(10, 0.0), *await again.read(10, 0.0), *await again.read(10, 0.2)]
        await again.acknowledge()
        lag = await again.measure_lag()
        await again.close()
        return messages, lag

    messages, lag = asyncio.run(check())
    assert [int(message.body) for message in messages] == [5, 6]
    assert lag == {"trimmed/0": 0}


@pytest.mark.server
def test_nats_drops_a_message_that_was_sent_twice_under_one_id(brokers):
    server = brokers("nats")
    server.create_topic("twice")
    event, other = (Outgoing(b"x", "pump-1", {"ce_id": name}) for name in ("alerts/1", "alerts/2"))

    async def check() -> list[Message]:
        await publish(server, "twice", [event])
        await publish(server, "twice", [event, other])
        return flatten(await collect(server.make_stream("twice"), 2))

    assert [message.id for message in asyncio.run(check())] == ["alerts/1", "alerts/2"]


@pytest.mark.server
@pytest.mark.parametrize("kind", ["redis", "rabbitmq", "nats", "kafka"])
def test_publishing_creates_a_topic_that_is_missing(kind, brokers):
    server = brokers(kind)

    async def check() -> list[Message]:
        await publish(server, f"new.{kind}.dead", number_bodies(3))
        return flatten(await collect(server.make_stream(f"new.{kind}.dead"), 3))

    assert sorted(int(message.body) for message in asyncio.run(check())) == [0, 1, 2]


class SlowReader:
    """Gives a hundred messages a read, each of which takes longer than a row may wait for others."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._left = list(messages)

    async def open(self) -> None:
        """Has nothing to connect to."""

    async def read(self, most: int, wait: float) -> Sequence[Message]:
        clock = asyncio.get_running_loop().time
        until = clock() + 0.003
        while clock() < until:
            pass
        part, self._left = self._left[: min(most, 100)], self._left[min(most, 100) :]
        return part

    async def acknowledge(self) -> None:
        """Has nobody to tell."""

    async def close(self) -> None:
        """Has nothing to leave."""

    async def measure_lag(self) -> dict[str, int]:
        return {"t": len(self._left)}


def test_a_backlog_is_read_in_full_batches_however_long_reading_takes():
    messages = [Message(b"", "t", number) for number in range(1050)]
    stream = Stream(broker="memory", topic="t", max_rows=500, linger_ms=1)
    consumer = PulledConsumer(SlowReader(messages), stream, print, ordered=True)
    sizes: list[int] = []

    async def handle(batch: Sequence[Message]) -> None:
        sizes.append(len(batch))
        if sum(sizes) == len(messages):
            await consumer.stop()

    asyncio.run(consumer.run(handle))
    assert sizes == [500, 500, 50]
