"""Real message brokers for the tests: each is a process on a free loopback port, and always stopped.

A broker whose program is not installed raises :class:`MissingBroker`, which names it; fixtures skip by that
name.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pynomaly.config import Stream
from pynomaly.data.brokers import memory

__all__ = ["RUNNERS", "BrokerServer", "MissingBroker", "find_free_port", "run_broker"]


class MissingBroker(Exception):
    """The program of a broker is not installed."""


@dataclass
class BrokerServer:
    """A broker that runs.

    Attributes
    ----------
    kind : str
        Its name in ``pynomaly.config.BROKERS``.
    address : str
        As a user would write it.
    refused_address : str
        The same with a user whom it refuses; empty where it lets everyone in.
    create_topic : callable
        Makes a topic of a name, as its operator would.
    command : list of str
        Starts its process; empty where it is none.
    """

    kind: str
    address: str
    refused_address: str = ""
    create_topic: Callable[[str], None] = lambda topic: None
    command: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    log: Path = Path(os.devnull)
    process: subprocess.Popen[bytes] | None = None

    def make_stream(self, topic: str, **settings: Any) -> Stream:
        """Returns the settings that read this topic."""
        return Stream(broker=self.kind, address=self.address, topic=topic, **settings)

    def start(self) -> None:
        """Starts the process, and returns when it accepts connections."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        port = int(self.address.rpartition(":")[2].strip("/"))
        for _ in range(600):
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError(f"{self.kind} did not start: {self.log.read_text(errors='replace')}")

    def stop(self) -> None:
        """Ends it as its operator would, so that it has written everything down."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self.process = None


@contextmanager
def run_broker(kind: str, folder: Path) -> Iterator[BrokerServer]:
    """Runs a broker of this kind, which keeps its messages in `folder`.

    Raises
    ------
    MissingBroker
        If its program is not installed.
    """
    with RUNNERS[kind](folder) as server:
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def _run_memory(folder: Path) -> Iterator[BrokerServer]:
    yield BrokerServer("memory", "", create_topic=memory.create_topic)
    memory.drop_topics()


@contextmanager
def _run_redis(folder: Path) -> Iterator[BrokerServer]:
    program = _find_program("redis-server")
    port = find_free_port()
    address = f"redis://127.0.0.1:{port}"

    def create_topic(topic: str) -> None:
        import redis

        with redis.Redis(port=port) as client:
            client.xgroup_create(topic, "operator", mkstream=True)

    server = BrokerServer(
        "redis",
        address,
        address.replace("//", "//nobody:wrong@"),
        create_topic,
        [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes"],
        log=folder / "log",
    )
    server.start()
    yield server


_MOCK_CLUSTER = """
import signal
from confluent_kafka import Producer
client = Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "none"})
print(",".join(f"127.0.0.1:{b.port}" for b in client.list_topics(timeout=30).brokers.values()), flush=True)
signal.pause()
"""


@contextmanager
def _run_kafka(folder: Path) -> Iterator[BrokerServer]:
    """The mock cluster of librdkafka: three brokers in one process, four partitions a topic, 5 MB each.

    Its messages are in memory and its ports its own: it cannot be restarted. It knows no passwords, and
    refuses whoever wants to give one.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", _MOCK_CLUSTER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        process.stdout.close()

        def create_topic(topic: str) -> None:
            from confluent_kafka import Producer

            Producer({"bootstrap.servers": address}).list_topics(topic, timeout=30)

        # It waits for a member that has left as for one that is silent, and three seconds for the first.
        options = "?session.timeout.ms=4000&heartbeat.interval.ms=200"
        yield BrokerServer(
            "kafka", f"kafka://{address}{options}", f"kafka://nobody:wrong@{address}", create_topic
        )
    finally:
        process.kill()
        process.wait()


@contextmanager
def _run_rabbitmq(folder: Path) -> Iterator[BrokerServer]:
    """A node with its own name, cookie, plug-ins and port mapper: none of another on this machine is
    touched."""
    program = _find_program("rabbitmq-server", "/usr/lib/rabbitmq/bin")
    mapper = _find_program("epmd")
    port, distribution_port, mapper_port = (find_free_port() for _ in range(3))
    (folder / "plugins").write_text("[].")
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\nheartbeat = 10\n")
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(mapper_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_MAX_PORTS": "4096",
        "RABBITMQ_NODENAME": f"pynomaly{port}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
    }
    address = f"amqp://guest:guest@127.0.0.1:{port}/"

    def create_topic(topic: str) -> None:
        async def declare() -> None:
            import aio_pika

            async with await aio_pika.connect(address) as connection:
                channel = await connection.channel()
                await channel.declare_queue(topic, durable=True, arguments={"x-queue-type": "quorum"})

        asyncio.run(declare())

    server = BrokerServer(
        "rabbitmq",
        address.replace("guest:guest@", ""),
        address.replace("guest:guest", "nobody:wrong"),
        create_topic,
        [program],
        environment,
        folder / "log",
    )
    # The node would start one by itself, and leave it behind.
    mapping = subprocess.Popen(
        [mapper, "-port", str(mapper_port), "-address", "127.0.0.1"], stdout=subprocess.DEVNULL
    )
    try:
        server.start()
        yield server
    finally:
        server.stop()
        mapping.kill()
        mapping.wait()


@contextmanager
def _run_nats(folder: Path) -> Iterator[BrokerServer]:
    program = _find_program("nats-server")
    port = find_free_port()
    (folder / "nats.conf").write_text(
        f'host: "127.0.0.1"\nport: {port}\nmax_payload: 8MB\n'
        f'jetstream {{ store_dir: "{folder}/store" }}\n'
        'no_auth_user: "anyone"\nauthorization { users: [{ user: "anyone", password: "anyone" }] }\n'
    )
    address = f"nats://127.0.0.1:{port}"

    def create_topic(topic: str) -> None:
        async def create() -> None:
            import nats

            client = await nats.connect(address)
            await client.jetstream().add_stream(name=topic.replace(".", "-"), subjects=[topic])
            await client.close()

        asyncio.run(create())

    server = BrokerServer(
        "nats",
        address,
        address.replace("//", "//nobody:wrong@"),
        create_topic,
        [program, "-c", str(folder / "nats.conf")],
        log=folder / "log",
    )
    server.start()
    yield server


@contextmanager
def _run_mqtt(folder: Path) -> Iterator[BrokerServer]:
    program = _find_program("mosquitto")
    port = find_free_port()
    (folder / "passwords").touch()
    (folder / "passwords").chmod(0o644)
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npassword_file {folder}/passwords\n"
        f"persistence true\npersistence_location {folder}/\nuser {getpass.getuser()}\n"
        "max_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\n"
    )
    address = f"mqtt://127.0.0.1:{port}"
    server = BrokerServer(
        "mqtt",
        address,
        address.replace("//", "//nobody:wrong@"),
        lambda topic: None,
        [program, "-c", str(folder / "mosquitto.conf")],
        log=folder / "log",
    )
    server.start()
    yield server


RUNNERS: dict[str, Callable[[Path], Any]] = {
    "memory": _run_memory,
    "kafka": _run_kafka,
    "redis": _run_redis,
    "rabbitmq": _run_rabbitmq,
    "nats": _run_nats,
    "mqtt": _run_mqtt,
}
"""How each kind of broker is run."""


def find_free_port() -> int:
    """Returns a loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _find_program(name: str, *folders: str) -> str:
    """Returns where a program is: first in `folders`, where others of its name only lead to it."""
    path = shutil.which(
        name, path=":".join((*folders, os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    )
    if path is None:
        raise MissingBroker(f"{name} is not installed")
    return path
