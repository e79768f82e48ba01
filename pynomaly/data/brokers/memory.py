"""A broker in this process: topics in parts, groups with committed offsets; for the demo, tests and trials.

FastStream's own ``TestBroker`` is none for this: it calls the subscriber within ``publish``, so that
nothing waits, is batched, or comes again after a failed handler. Here a topic is a list of parts, as in
Kafka: a key always goes to the same part, each part is read by one member of a group at a time, and what a
member did not acknowledge the next one reads again. A part changes its reader only between two batches.
Messages stay until :func:`drop_topics`.

Topics belong to the process and not to an address, and publishers and readers may run in several threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from zlib import crc32

from pynomaly.config import Stream
from pynomaly.data.brokers.messages import Message, Outgoing
from pynomaly.errors import BrokerError, list_allowed

__all__ = ["ORDERED", "create_topic", "drop_topics", "make_publisher", "make_reader"]

ORDERED = True


@dataclass
class MemoryGroup:
    """Where a group stands in each part, who its members are, and which part each of them reads."""

    committed: list[int]
    members: list[MemoryReader] = field(default_factory=list)
    owners: dict[int, MemoryReader] = field(default_factory=dict)

    def share_parts(self, member: MemoryReader) -> list[int]:
        """Returns the parts that `member` reads now: its share, less what another still holds."""
        place, members = self.members.index(member), len(self.members)
        for part in range(len(self.committed)):
            if part % members == place:
                self.owners.setdefault(part, member)
            elif self.owners.get(part) is member:
                del self.owners[part]
        return [part for part, owner in self.owners.items() if owner is member]


@dataclass
class MemoryTopic:
    """The messages of a topic, by part, and its groups."""

    parts: list[list[Message]]
    groups: dict[str, MemoryGroup] = field(default_factory=dict)
    turn: count[int] = field(default_factory=count)
    waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = field(default_factory=set)


_TOPICS: dict[str, MemoryTopic] = {}
_LOCK = threading.Lock()


def create_topic(topic: str, parts: int = 4) -> None:
    """Creates a topic with so many parts; one that exists stays as it is."""
    with _LOCK:
        _TOPICS.setdefault(topic, MemoryTopic([[] for _ in range(parts)]))


def drop_topics() -> None:
    """Forgets all topics with their messages and groups."""
    with _LOCK:
        _TOPICS.clear()


def make_reader(settings: Stream, group: str, name: str, address: str) -> MemoryReader:
    """Returns a reader that is a member of the group."""
    return MemoryReader(settings, group)


def make_publisher(address: str) -> MemoryPublisher:
    """Returns a publisher to the topics of this process."""
    return MemoryPublisher()


class MemoryReader:
    """Reads its share of the parts of one topic."""

    def __init__(self, settings: Stream, group: str) -> None:
        self._settings, self._group = settings, group
        self._position: dict[int, int] = {}
        """Next offset by part, while there are messages read and not acknowledged; their parts are kept."""
        self._turn = 0

    async def open(self) -> None:
        """Joins the group."""
        with _LOCK:
            topic = _find_topic(self._settings.topic)
            begin = [len(part) if self._settings.start == "latest" else 0 for part in topic.parts]
            topic.groups.setdefault(self._group, MemoryGroup(begin)).members.append(self)
            self._position = {}

    async def read(self, most: int, wait: float) -> Sequence[Message]:
        """Returns the next messages of its parts, from one part after the other in turn."""
        messages, ticket = self._take_messages(most)
        if messages or not wait:
            return messages
        try:
            await asyncio.wait_for(ticket[1].wait(), wait)
        except TimeoutError:
            return []
        finally:
            with _LOCK:
                _find_topic(self._settings.topic).waiting.discard(ticket)
        return self._take_messages(most)[0]

    async def acknowledge(self) -> None:
        """Commits the offsets of all messages read until now."""
        with _LOCK:
            committed = _find_topic(self._settings.topic).groups[self._group].committed
            for part, position in self._position.items():
                committed[part] = position
            self._position = {}

    async def close(self) -> None:
        """Leaves the group."""
        with _LOCK:
            topic = _TOPICS.get(self._settings.topic)
            group = topic and topic.groups.get(self._group)
            if not group or self not in group.members:
                return
            group.members.remove(self)
            group.owners = {part: owner for part, owner in group.owners.items() if owner is not self}

    async def measure_lag(self) -> dict[str, int]:
        """Returns the messages after the committed offset, of every part of the topic."""
        with _LOCK:
            topic = _find_topic(self._settings.topic)
            committed = topic.groups[self._group].committed
            return {
                f"{self._settings.topic}/{number}": len(part) - committed[number]
                for number, part in enumerate(topic.parts)
            }

    def _take_messages(
        self, most: int
    ) -> tuple[list[Message], tuple[asyncio.AbstractEventLoop, asyncio.Event]]:
        """Returns messages, and without any the ticket by which a publisher wakes this reader."""
        ticket = (asyncio.get_running_loop(), asyncio.Event())
        messages: list[Message] = []
        with _LOCK:
            topic = _find_topic(self._settings.topic)
            group = topic.groups[self._group]
            holds_messages = bool(self._position)
            parts = list(self._position) if self._position else group.share_parts(self)
            parts = parts[self._turn % len(parts) :] + parts[: self._turn % len(parts)] if parts else []
            self._turn += 1
            for part in parts:
                begin = self._position.get(part, group.committed[part])
                batch = topic.parts[part][begin : begin + most - len(messages)]
                self._position[part] = begin + len(batch)
                messages.extend(batch)
            if not messages:
                if not holds_messages:
                    self._position = {}
                topic.waiting.add(ticket)
        return messages, ticket


class MemoryPublisher:
    """Appends messages to topics of this process; a topic that is missing gets four parts."""

    async def publish(self, topic: str, messages: Sequence[Outgoing]) -> None:
        """Appends the messages; those without a key go to the parts in turn."""
        create_topic(topic)
        now = datetime.now(UTC)
        with _LOCK:
            target = _TOPICS[topic]
            for message in messages:
                number = crc32(message.key.encode()) if message.key else next(target.turn)
                part = target.parts[number % len(target.parts)]
                part.append(
                    Message(
                        message.body,
                        f"{topic}/{number % len(target.parts)}",
                        len(part),
                        message.key.encode() or None,
                        message.id,
                        now,
                    )
                )
            waiting, target.waiting = target.waiting, set()
        for loop, event in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def close(self) -> None:
        """Nothing is open."""


def _find_topic(name: str) -> MemoryTopic:
    if name not in _TOPICS:
        raise BrokerError(
            f"stream.topic {name!r} does not exist in this process; {list_allowed(name, _TOPICS)}; a first "
            "message that is published to it creates it"
        )
    return _TOPICS[name]
