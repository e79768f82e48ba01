"""Sinks over a real S3 server and real brokers."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import orjson
import pandas as pd
import pytest

from pynomaly.config import BROKERS
from pynomaly.config.delivery import SINK_KINDS
from pynomaly.data.brokers import Message
from pynomaly.data.places import resolve_place
from pynomaly.errors import ReceiverError
from pynomaly.records.sinks import SINKS, Receiver
from tests.brokers import MissingBroker, run_broker
from tests.data.brokers.test_contract import join_group, make_consumer
from tests.records.sinks.test_contract import make_part

pytestmark = pytest.mark.server


def open_sink(kind: str, secrets: dict[str, str] | None = None, **settings: object) -> Receiver:
    checked = SINK_KINDS[kind].model_validate({"name": "real", "kind": kind, **settings})
    return SINKS[kind].open_receiver(checked, secrets or {})


@pytest.mark.parametrize("kind", ["parquet", "xlsx"])
def test_files_lie_in_a_bucket_and_replace_themselves(kind: str, bucket: str) -> None:
    with open_sink(kind, folder=bucket) as receiver:
        for _ in range(2):
            receiver.deliver(make_part("scores"))
            receiver.deliver(make_part("alerts"))
        assert receiver.check()
    addresses = list(resolve_place(bucket).list_addresses())
    assert [address.removeprefix(bucket) for address in addresses] == [
        f"/machines/alerts/2026-01{'-05' if kind == 'parquet' else ''}.{kind}",
        f"/machines/scores/w1.{kind}",
    ]
    if kind == "parquet":
        rows = pd.read_parquet(io.BytesIO(resolve_place(addresses[0]).read()))
        assert len(rows) == 12


def test_delta_tables_lie_in_a_bucket(bucket: str) -> None:
    from deltalake import DeltaTable

    with open_sink("delta", folder=bucket) as receiver:
        receiver.deliver(make_part("scores"))
        receiver.deliver(make_part("scores", range(4, 10), value=7.0, revision="b" * 64))
        receiver.deliver(make_part("scores", range(4, 10), value=7.0, revision="b" * 64))
        address, options = receiver._locate("scores")
    rows = DeltaTable(address, storage_options=options).to_pyarrow_table().to_pandas()
    assert sorted(rows["key"]) == [f"scores/{number}" for number in range(4, 10)]


def test_a_bucket_that_is_not_there_is_a_failure(bucket: str) -> None:
    for kind in ("parquet", "delta"):
        with open_sink(kind, folder="s3://no-such-bucket/x") as receiver, pytest.raises(ReceiverError):
            receiver.deliver(make_part("alerts"))


@pytest.mark.parametrize("kind", [name for name in BROKERS if name not in ("", "memory")])
def test_events_reach_a_topic_of_a_real_broker(kind: str, tmp_path: Path) -> None:
    if find_spec(f"pynomaly.data.brokers.{kind}") is None:
        pytest.skip(f"no client of {kind} yet")
    try:
        with run_broker(kind, tmp_path) as server:
            server.create_topic("anomalies-alerts")
            consumer = make_consumer(server.make_stream("anomalies-alerts"), "readers")
            received: list[Message] = []

            async def keep(messages: Sequence[Message]) -> None:
                received.extend(messages)
                if len({message.body for message in received}) >= 12:
                    await consumer.stop()

            async def read_while_sending() -> None:
                await join_group(server, "anomalies-alerts", "readers")
                reading = asyncio.create_task(consumer.run(keep))
                secrets = {"address": server.address}
                try:
                    with open_sink("topic", secrets, broker=kind, topic="anomalies-{what}") as receiver:
                        await asyncio.to_thread(receiver.deliver, make_part("alerts"))
                    await asyncio.wait_for(asyncio.shield(reading), 60)
                finally:
                    await consumer.stop()
                    await reading

            asyncio.run(read_while_sending())
    except MissingBroker as error:
        pytest.skip(f"{kind}: {error}")
    events = [orjson.loads(message.body) for message in received]
    assert {event["id"] for event in events} == {f"alerts/{number}" for number in range(12)}
    assert {event["specversion"] for event in events} == {"1.0"}


@pytest.mark.parametrize("kind", ["redis", "kafka"])
def test_a_broker_that_is_not_there_is_a_failure(kind: str) -> None:
    if find_spec(f"pynomaly.data.brokers.{kind}") is None:
        pytest.skip(f"no client of {kind} yet")
    address = {"redis": "redis://me:topsecret@127.0.0.1:9", "kafka": "127.0.0.1:9"}[kind]
    secrets = {"address": address}
    with (
        open_sink("topic", secrets, broker=kind, timeout="5s") as receiver,
        pytest.raises(ReceiverError) as caught,
    ):
        receiver.deliver(make_part("alerts"))
    assert "topsecret" not in str(caught.value)
