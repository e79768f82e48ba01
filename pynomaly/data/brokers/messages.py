"""A message as a broker gave it, and one on its way to a broker; both are bytes, whatever is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Message", "Outgoing"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was received.

    Attributes
    ----------
    body : bytes
        What the producer sent, unchanged; empty where it sent nothing.
    part : str
        Part of the topic in which offsets count, like ``"readings/0"``; empty where the broker counts none.
    offset : int, optional
        Position in the part: a later message has a larger one, and a message that comes again has the same.
        Kafka's offset; the sequence number of a stream of NATS; in Redis milliseconds x 2^20 + number of
        the entry's id.
    key : bytes, optional
        What the producer chose the part by.
    id : str
        Name that the producer gave it (``message_id``, ``Nats-Msg-Id``, header ``ce_id``); empty for none.
    sent : datetime, optional
        Time, in UTC, that the producer or the broker wrote on it.
    """

    body: bytes
    part: str = ""
    offset: int | None = None
    key: bytes | None = None
    id: str = ""
    sent: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be published.

    Attributes
    ----------
    body : bytes
        What is sent, unchanged.
    key : str
        Messages of one key keep their order, where the broker has parts.
    headers : mapping of str to str
        Sent beside the body where the broker can. Header ``ce_id`` names the message: by it NATS drops one
        that was sent twice within its window, and receivers elsewhere can (``message_id`` of RabbitMQ,
        field ``id`` in Redis).
    """

    body: bytes
    key: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name of the message; empty for none."""
        return self.headers.get("ce_id", "")
