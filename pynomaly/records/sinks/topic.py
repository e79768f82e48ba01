"""Topics of message brokers: each row is a message, a CloudEvent in JSON (structured mode).

The key of a message is its entity, so that a broker with parts keeps the order of an entity; the header
``ce_id`` is the event's id, by which a reader drops what it knows. See :mod:`pynomaly.data.brokers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from pynomaly.config.delivery import TopicSink
from pynomaly.data.brokers import BlockingPublisher, Outgoing, open_publisher
from pynomaly.errors import BrokerError, ReceiverError
from pynomaly.records.sinks.content.cloud_events import build_events
from pynomaly.records.sinks.kind import Part, Receiver, SinkKind

__all__ = ["SINK"]


@dataclass(frozen=True)
class SinkBroker:
    """Where a broker is; an address that is empty is the usual one of its kind."""

    broker: str
    address: str
    address_env: str = ""


class TopicReceiver(Receiver):
    """A broker, connected when the first message is sent."""

    def __init__(self, settings: TopicSink, secrets: Mapping[str, str]) -> None:
        self._topic, self._broker = settings.topic, settings.broker
        place = SinkBroker(settings.broker, secrets.get("address", ""))
        try:
            publisher = BlockingPublisher(open_publisher(place), settings.timeout.total_seconds())
        except BrokerError as error:
            raise ReceiverError(str(error)) from None
        self._publisher = publisher.__enter__()

    def deliver(self, part: Part) -> None:
        """Publish the events of a part; returns when the broker has confirmed all."""
        messages = [
            Outgoing(
                orjson.dumps(event),
                str(event.get("partitionkey") or ""),
                {"content-type": "application/cloudevents+json", "ce_id": str(event["id"])},
            )
            for event in build_events(part)
        ]
        if messages:
            self._publish(self._topic.replace("{what}", part.what), messages)

    def check(self) -> str:
        """Publish nothing: whether the broker answers shows with the first message."""
        return f"{self._broker} is asked with the first message"

    def close(self) -> None:
        """Disconnect."""
        try:
            self._publisher.__exit__(None, None, None)
        except (BrokerError, TimeoutError):
            return  # it is gone already

    def _publish(self, topic: str, messages: list[Outgoing]) -> None:
        try:
            self._publisher.publish(topic, messages)
        except BrokerError as error:
            raise ReceiverError(str(error)) from None


SINK = SinkKind(TopicReceiver)
