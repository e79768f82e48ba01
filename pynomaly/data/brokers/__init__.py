"""Message brokers: batches of messages from one topic, and messages to others, for every kind in one shape.

Each kind in ``pynomaly.config.BROKERS`` is a module of its name. FastStream connects Redis, RabbitMQ and
MQTT by their address, and the clients of these connections read: its own subscribers swallow what a handler
raises, acknowledge no batch after the handler in all kinds, and do not take over what a killed reader of
Redis left. For Kafka and NATS their clients are used alone; why stands in these modules. Messages stay
bytes: whatever other programs send arrives unchanged, and nothing is decoded here.

What all kinds keep: a message is acknowledged only after the handler returned, so that it comes at least
once whatever is killed; at most ``stream.max_rows`` messages, or about 64 MiB, are in a batch; a broker
that goes away is tried again. What they differ in is in ``docs/brokers.md``.

Called by `streams`, `flows.demo`, `steps.operations`, `steps.streaming` and `records.sinks`. May import the
modules of `data` and the wings below `data`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from pynomaly.config import BROKERS, Stream
from pynomaly.data.brokers.address import BrokerAddress, hide_password, read_address
from pynomaly.data.brokers.consumer import BatchHandler, PulledConsumer
from pynomaly.data.brokers.messages import Message, Outgoing
from pynomaly.data.brokers.publisher import BlockingPublisher, Publisher
from pynomaly.errors import BrokerError, list_allowed

__all__ = [
    "BatchHandler",
    "BlockingPublisher",
    "BrokerAddress",
    "Consumer",
    "Message",
    "Outgoing",
    "Publisher",
    "hide_password",
    "open_consumer",
    "open_publisher",
    "read_address",
]

_LOG = logging.getLogger(__name__)


class Consumer(Protocol):
    """Reads one topic as a member of a group, batch by batch.

    Attributes
    ----------
    ordered : bool
        Whether one member of the group alone reads a part, in order: a message whose offset is not above
        the last one handled has been handled before. Where False, members share a part, and what one left
        comes late.
    """

    ordered: bool

    async def run(self, handle: BatchHandler) -> None:
        """Calls `handle` with one batch after the other until :meth:`stop`; see :class:`PulledConsumer`."""

    async def stop(self) -> None:
        """Lets :meth:`run` return after the batch that it handles."""

    async def measure_lag(self) -> dict[str, int]:
        """Returns the messages not yet acknowledged, by part; none where the broker does not tell."""


def open_consumer(
    stream: Stream,
    group: str,
    *,
    name: str = "",
    on_problem: Callable[[str], None] = _LOG.warning,
) -> Consumer:
    """Returns a consumer, which connects when it runs.

    Parameters
    ----------
    stream : Stream
        The settings ``stream`` of a pipeline.
    group : str
        Consumers of one group share the messages; each group is given all of them.
    name : str
        Name of this member, which no other running one has. One that starts again under its name is given
        at once what it had not acknowledged, in Redis and MQTT; without a name, one is made of host and
        process.
    on_problem : callable
        Is given a text when the broker went away, for each try that failed, and when it answers again.

    Raises
    ------
    BrokerError
        If the kind of broker is not known, or the environment variable with its address is not set.
    """
    kind = _load_kind(stream)
    reader = kind.make_reader(stream, group, name, read_address(stream))
    return PulledConsumer(reader, stream, on_problem, ordered=kind.ORDERED)


def open_publisher(settings: BrokerAddress) -> Publisher:
    """Returns a publisher to the broker that the settings name, which connects when it first sends.

    Raises
    ------
    BrokerError
        If the kind of broker is not known, or the environment variable with its address is not set.
    """
    publisher: Publisher = _load_kind(settings).make_publisher(read_address(settings))
    return publisher


def _load_kind(settings: BrokerAddress) -> Any:
    if not settings.broker or settings.broker not in BROKERS:
        allowed = list_allowed(settings.broker, filter(None, BROKERS))
        raise BrokerError(f"stream.broker {settings.broker!r} is none; {allowed}")
    return import_module(f"pynomaly.data.brokers.{settings.broker}")
