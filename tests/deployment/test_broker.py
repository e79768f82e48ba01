"""The broker of docker/compose.yaml, started by its own words: it asks for a password, and keeps messages."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pynomaly.config import Stream
from pynomaly.data.brokers import BlockingPublisher, Message, Outgoing, open_consumer, open_publisher
from pynomaly.errors import BrokerError
from tests.brokers import find_free_port
from tests.deployment.test_compose import services
from tests.flows.machine.test_up import until

STREAM = Stream(broker="redis", address_env="BROKER", topic="readings")


@contextmanager
def run_service(folder: Path, port: int) -> Iterator[None]:
    service = services()["broker"]
    *_, check = service["healthcheck"]["test"]
    *words, check = (
        word.replace("6379", str(port)).replace("/data", str(folder)).replace("$$", "$")
        for word in (*service["entrypoint"], check)
    )
    environment = os.environ | service["environment"]
    process = subprocess.Popen(words, env=environment, start_new_session=True, stdout=subprocess.DEVNULL)

    def answers() -> None:
        assert subprocess.run(["sh", "-c", check], env=environment, capture_output=True).returncode == 0

    try:
        until(answers, 60)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


async def read_messages() -> list[bytes]:
    consumer = open_consumer(STREAM, "readers")
    bodies: list[bytes] = []

    async def handle(batch: Sequence[Message]) -> None:
        bodies.extend(message.body for message in batch)
        await consumer.stop()

    await asyncio.wait_for(consumer.run(handle), 60)
    return bodies


@pytest.mark.server
def test_it_asks_for_its_password_and_keeps_messages_over_a_restart(tmp_path: Path, monkeypatch: Any) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("redis: redis-server is not installed")
    port = find_free_port()
    password = services()["broker"]["environment"]["REDIS_PASSWORD"]
    monkeypatch.setenv("BROKER", f"redis://:{password}@127.0.0.1:{port}")
    with run_service(tmp_path, port), BlockingPublisher(open_publisher(STREAM)) as publisher:
        publisher.publish("readings", [Outgoing(b"kept")])
    with run_service(tmp_path, port):
        assert asyncio.run(read_messages()) == [b"kept"]
        for wrong in (f"redis://127.0.0.1:{port}", f"redis://:wrong@127.0.0.1:{port}"):
            monkeypatch.setenv("BROKER", wrong)
            with pytest.raises(BrokerError, match=r"password.*stream\.address_env"):
                asyncio.run(read_messages())
