"""The connection to a Kafka cluster: its address, its clients, whether it answers, and what it refuses.

An address is ``host:9092,host2:9092``, or ``kafka+ssl://user:password@host:9093?mechanism=SCRAM-SHA-512``.
Further parameters with a dot in their name are settings of librdkafka, such as
``ssl.ca.location=/etc/ca.pem``.

Called by :mod:`pynomaly.data.brokers.kafka`.
"""

from __future__ import annotations

import logging
import time
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pynomaly.data.brokers.address import hide_password
from pynomaly.errors import BrokerError, list_allowed

__all__ = [
    "PATIENCE",
    "KafkaErrorLog",
    "get_error_codes",
    "get_kafka_exception",
    "has_topic",
    "make_client",
    "parse_kafka_address",
]

PATIENCE = 10.0
"""Seconds that a broker may take to answer."""

_SCHEMES = ("kafka", "kafka+ssl")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


class KafkaErrorLog:
    """Errors of connections, which the client tells beside its calls; each empty until there is one."""

    def __init__(self) -> None:
        self.refusal = self.all_down = self.last = ""

    def note(self, error: Any) -> None:
        """Keeps the error, by what it means for the connection."""
        codes = get_error_codes()
        self.last = error.str()
        if error.code() in (codes._AUTHENTICATION, codes.SASL_AUTHENTICATION_FAILED, codes._SSL):
            self.refusal = error.str()
        if error.code() == codes._ALL_BROKERS_DOWN or error.fatal():
            self.all_down = error.str()


def parse_kafka_address(address: str) -> dict[str, Any]:
    """Returns the settings of librdkafka that an address stands for.

    >>> parse_kafka_address("a:9092,b:9092")
    {'bootstrap.servers': 'a:9092,b:9092', 'security.protocol': 'plaintext'}

    Raises
    ------
    BrokerError
        If its scheme, mechanism or a parameter is not known.
    """
    parts = urlsplit(address if "://" in address else f"kafka://{address}")
    if parts.scheme not in _SCHEMES:
        raise BrokerError(
            f"stream.address {hide_password(address)!r} begins with {parts.scheme!r}; "
            f"{list_allowed(parts.scheme, _SCHEMES)}, or host:port alone"
        )
    login, _, servers = parts.netloc.rpartition("@")
    encrypted = parts.scheme == "kafka+ssl"
    properties: dict[str, Any] = {
        "bootstrap.servers": servers,
        "security.protocol": "ssl" if encrypted else "plaintext",
    }
    parameters = dict(parse_qsl(parts.query))
    mechanism = parameters.pop("mechanism", "PLAIN")
    if mechanism not in _MECHANISMS:
        raise BrokerError(
            f"stream.address: mechanism {mechanism!r} is none; {list_allowed(mechanism, _MECHANISMS)}"
        )
    if login:
        user, _, password = login.partition(":")
        properties |= {
            "security.protocol": "sasl_ssl" if encrypted else "sasl_plaintext",
            "sasl.mechanism": mechanism,
            "sasl.username": unquote(user),
            "sasl.password": unquote(password),
        }
    for name, value in parameters.items():
        if "." not in name:
            raise BrokerError(
                f"stream.address: parameter {name!r} is none; allowed: 'mechanism', and settings of "
                "librdkafka, which have a dot in their name"
            )
        properties[name] = value
    return properties


def make_client(kind: Any, properties: dict[str, Any], errors: KafkaErrorLog, address: str) -> Any:
    """Returns a client of this kind, which connects by itself.

    Raises
    ------
    BrokerError
        If it cannot use the settings.
    """
    silent = logging.Logger("kafka", logging.CRITICAL + 1)
    try:
        return kind({**properties, "error_cb": errors.note}, logger=silent)
    except get_kafka_exception() as error:
        raise BrokerError(
            f"stream.address {hide_password(address)!r} is not usable: {error.args[0].str()}"
        ) from error


def has_topic(client: Any, topic: str, errors: KafkaErrorLog, address: str) -> bool:
    """Returns whether the cluster has the topic, after at most ten seconds.

    Raises
    ------
    BrokerError
        If it does not answer, or refuses.
    """
    place, codes = hide_password(address), get_error_codes()
    for trial in range(int(PATIENCE)):
        try:
            state = client.list_topics(topic, timeout=1.0).topics[topic]
        except get_kafka_exception() as error:
            errors.last = errors.last or error.args[0].str()
            client.poll(0)  # gives what the client has to tell
        else:
            if state.error is None:
                return True
            if state.error.code() in (codes.UNKNOWN_TOPIC_OR_PART, codes._UNKNOWN_TOPIC):
                return False
            if state.error.code() != codes.LEADER_NOT_AVAILABLE:  # which one that is created just now has
                raise BrokerError(f"kafka at {place} refuses topic {topic!r}: {state.error.str()}")
            errors.last = state.error.str()
            time.sleep(0.3)
        if errors.refusal:
            raise BrokerError(
                f"kafka at {place} refuses user or password: {errors.refusal}; write the address with user "
                "and password into the variable that stream.address_env names"
            )
        if errors.all_down and trial >= 2:
            break
    raise BrokerError(f"kafka at {place} does not answer: {errors.last}; see stream.address, as in host:9092")


def get_error_codes() -> Any:
    """Returns the class that holds the codes of errors."""
    from confluent_kafka import KafkaError

    return KafkaError


def get_kafka_exception() -> type[Exception]:
    """Returns what the client raises; its first argument is an error with a code."""
    from confluent_kafka import KafkaException

    exception: type[Exception] = KafkaException
    return exception
