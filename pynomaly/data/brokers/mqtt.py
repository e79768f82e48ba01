"""MQTT 5.0: a shared subscription of quality 1, with a session that outlives the connection.

MQTT keeps no log. The server queues messages for a session from its first subscription on, as long and as
many as it is set up to, and a session belongs to one client id: the group and the name of the member. So a
worker has to start under its name again to be given what came meanwhile; without a name nothing is kept
over a restart. Of a topic shared by several members, each message goes to one. There are no offsets, and no
lag that the server would tell.

Servers send only so many messages ahead of their acknowledgement: with Mosquitto's
``max_inflight_messages`` of 20 no batch has more. It should be ``stream.max_rows`` or larger.

Without a group that shares (``mqtt://host:1883?share=off``, for servers of MQTT 3.1.1: ``version=3.1.1``)
each member is given every message.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pynomaly.config import Stream
from pynomaly.data.brokers.address import SILENT, hide_password, need_stream_extra
from pynomaly.data.brokers.arrivals import Arrivals
from pynomaly.data.brokers.consumer import BrokerLostError
from pynomaly.data.brokers.messages import Message, Outgoing
from pynomaly.data.brokers.publisher import ReconnectingPublisher
from pynomaly.errors import BrokerError, list_allowed

__all__ = ["ORDERED", "make_publisher", "make_reader"]

ORDERED = False

_PARAMETERS = {"version": ("5.0", "3.1.1"), "share": ("on", "off")}
_SESSION_KEPT = 7 * 24 * 3600
"""Seconds for which the server keeps a session without a connection."""


def make_reader(settings: Stream, group: str, name: str, address: str) -> MqttReader:
    """Returns a reader with the session of the member `name`; without a name, one that ends with it."""
    return MqttReader(settings, group, name, address)


def make_publisher(address: str) -> MqttPublisher:
    """Returns a publisher to the topics of the server at `address`."""
    return MqttPublisher(address)


class MqttReader:
    """Receives the messages of one topic filter, and stops to read the connection while a batch waits."""

    def __init__(self, settings: Stream, group: str, name: str, address: str) -> None:
        self._settings, self._address = settings, address
        group = re.sub(r"[/+#\s]", "-", group)
        self._client_id = f"{group}-{name}" if name else ""
        shared = _split_address(address)[1]["share"] == "on"
        self._filter = f"$share/{group}/{settings.topic}" if shared else settings.topic
        self._connection = _MqttConnection(address)
        self._arrivals: Arrivals[Any] = Arrivals()
        self._deliveries: list[Any] = []
        self._receiving: asyncio.Task[None] | None = None
        self._subscription: Any = None
        self._is_subscribed = False

    async def open(self) -> None:
        """Connects, takes up the session, and subscribes."""
        self._arrivals, self._deliveries, self._is_subscribed = Arrivals(), [], False
        client = await self._connection.open(client_id=self._client_id, keeps_session=bool(self._client_id))
        with _translated_errors(self._address):
            from zmqtt import QoS

            self._subscription = client.subscribe(
                self._filter,
                qos=QoS.AT_LEAST_ONCE,
                auto_ack=False,
                receive_buffer_size=self._settings.max_rows,
            )
            # What came since the last connection is handed over while it subscribes.
            self._receiving = asyncio.create_task(self._receive())
            await self._subscription.start()
        self._is_subscribed = True

    async def read(self, most: int, wait: float) -> Sequence[Message]:
        """Returns what the server has sent."""
        deliveries = await self._arrivals.take(most, wait)
        self._deliveries.extend(deliveries)
        return [_unpack(delivery) for delivery in deliveries]

    async def acknowledge(self) -> None:
        """Acknowledges each message read until now, in order."""
        self._arrivals.check()
        deliveries, self._deliveries = self._deliveries, []
        with _translated_errors(self._address, lost=True):
            for delivery in deliveries:
                await delivery.ack()

    async def close(self) -> None:
        """Disconnects, and leaves the session with the server."""
        receiving, self._receiving = self._receiving, None
        if receiving:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
        subscription, self._subscription = self._subscription, None
        if subscription:
            with suppress(Exception):
                await subscription.detach()
                await self._connection.flush()
        await self._connection.close()

    async def measure_lag(self) -> dict[str, int]:
        """Returns nothing: the server does not tell."""
        return {}

    async def _receive(self) -> None:
        try:
            while True:
                self._arrivals.add(await self._subscription.get_message())
                # The answer to the subscription comes behind what the session held.
                while self._is_subscribed and len(self._arrivals) >= self._settings.max_rows:
                    await asyncio.sleep(0.01)
        except Exception as error:  # whatever ended the connection, the reader is told and opens it again
            self._arrivals.end(hide_password(error) or type(error).__name__)


class MqttPublisher(ReconnectingPublisher):
    """Publishes with quality 1: the server confirms each message."""

    def __init__(self, address: str) -> None:
        self._address, self._connection = address, _MqttConnection(address)

    async def _send(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Returns when the server has confirmed all messages; it may have nobody who wants them."""
        client = await self._connection.open()
        with _translated_errors(self._address, lost=True):
            from zmqtt import PublishProperties, QoS

            for begin in range(0, len(messages), 20):  # servers hold few in flight: 20 in Mosquitto
                await asyncio.gather(
                    *(
                        client.publish(
                            topic,
                            message.body,
                            qos=QoS.AT_LEAST_ONCE,
                            properties=PublishProperties(user_properties=tuple(message.headers.items()))
                            if message.headers and self._connection.version == "5.0"
                            else None,
                        )
                        for message in messages[begin : begin + 20]
                    )
                )

    async def close(self) -> None:
        """Disconnects."""
        await self._connection.close()


class _MqttConnection:
    """One broker of FastStream, whose client is used; it does not connect again by itself."""

    def __init__(self, address: str) -> None:
        self._place, parameters = _split_address(address)
        self._address, self.version = address, parameters["version"]
        self._broker: Any = None
        self._client: Any = None

    async def open(self, client_id: str = "", keeps_session: bool = False) -> Any:
        if self._client is not None and self._client.connection_info is not None:
            return self._client
        await self.close()
        with need_stream_extra("mqtt"):
            from faststream.mqtt import MQTTBroker
            from zmqtt import ReconnectConfig
        options: dict[str, Any] = {
            "version": self.version,
            "client_id": client_id,
            "clean_session": not keeps_session,
        }
        if self.version == "5.0":
            options["session_expiry_interval"] = _SESSION_KEPT if keeps_session else 0
        with _translated_errors(self._address):
            self._broker = MQTTBroker(
                self._place,
                logger=SILENT,
                reconnect=ReconnectConfig(enabled=False),
                mqtt_connect_timeout=5.0,
                session_replay_buffer_size=0,
                **options,
            )
            self._client = await self._broker.connect()
        return self._client

    async def flush(self) -> None:
        """Returns when the server has read all that was sent: a next connection would overtake it."""
        await self._client.ping(timeout=5.0)

    async def close(self) -> None:
        broker, self._broker, self._client = self._broker, None, None
        if broker is not None:
            with suppress(Exception):
                await broker.stop()


def _split_address(address: str) -> tuple[str, dict[str, str]]:
    """Returns the address without parameters, and each parameter, by default its first allowed value."""
    parts = urlsplit(address)
    parameters = {name: allowed[0] for name, allowed in _PARAMETERS.items()}
    for name, value in parse_qsl(parts.query):
        if name not in _PARAMETERS:
            raise BrokerError(
                f"stream.address: parameter {name!r} is none; {list_allowed(name, _PARAMETERS)}"
            )
        if value not in _PARAMETERS[name]:
            raise BrokerError(
                f"stream.address: {name}={value} is none; {list_allowed(value, _PARAMETERS[name])}"
            )
        parameters[name] = value
    return urlunsplit((*parts[:3], "", "")), parameters


def _unpack(delivery: Any) -> Message:
    headers = dict(delivery.properties.user_properties) if delivery.properties else {}
    return Message(bytes(delivery.payload), "", None, None, headers.get("ce_id", ""), None)


@contextmanager
def _translated_errors(address: str, *, lost: bool = False) -> Iterator[None]:
    """Errors of the client as ours: while a connection is used, one that breaks is `lost`."""
    from zmqtt import errors

    place = hide_password(address)
    try:
        yield
    except BrokerError:
        raise
    except errors.MQTTConnectError as error:
        raise BrokerError(
            f"mqtt at {place} refuses user or password: {error}; write the address with user and password "
            "into the variable that stream.address_env names"
        ) from error
    except (errors.MQTTSubscribeError, errors.MQTTPublishError, errors.MQTTInvalidTopicError) as error:
        raise BrokerError(f"mqtt at {place} refuses: {error}; see stream.topic") from error
    except (errors.MQTTError, OSError, TimeoutError) as error:
        reason = hide_password(error) or type(error).__name__
        if lost:
            raise BrokerLostError(reason) from error
        raise BrokerError(
            f"mqtt at {place} does not answer: {reason}; see stream.address, as in mqtt://host:1883"
        ) from error
    except ValueError as error:
        raise BrokerError(
            f"stream.address {place!r} is no address of mqtt: {error}; allowed: mqtt://host:1883"
        ) from error
