"""Settings of the live path: the broker that messages come from, how they are read, when windows close.

An address with a password belongs into an environment variable: this file is saved with every model.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from pynomaly.config.settings import NameIn, Settings
from pynomaly.config.spelling.units import Duration

__all__ = ["BROKERS", "Stream"]

BROKERS: dict[str, str] = {
    "": "",
    "kafka": "localhost:9092",
    "rabbitmq": "amqp://localhost:5672/",
    "redis": "redis://localhost:6379",
    "nats": "nats://localhost:4222",
    "mqtt": "mqtt://localhost:1883",
    "memory": "",
}
"""Every kind of broker by name, with its usual address.

Its messages are read by the module of that name in :mod:`pynomaly.data.brokers`; `memory` is in the process.
"""


class Stream(Settings):
    """Messages of a broker as rows of a pipeline (``data.source: stream``), scored as they come."""

    broker: Annotated[str, NameIn(BROKERS)] = Field("", description="kind of broker; empty: none")
    address: str = Field(
        "", description="its address, without a password; empty: the usual one, on this host"
    )
    address_env: str = Field(
        "",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$",
        description="environment variable with its address, instead; for one with a password",
    )
    topic: str = Field("", description="topic, queue, stream or subject that holds the messages")
    group: str = Field("", description="name under which workers share a topic; empty: pynomaly-NAME")
    start: Literal["earliest", "latest"] = Field(
        "earliest", description="where a new group begins: at the oldest message, or at the next"
    )
    format: Literal["json", "csv", "avro"] = Field(
        "json", description="a message: objects of JSON, lines of data.names, or Avro by `avro_schema`"
    )
    avro_schema: str | None = Field(None, description="file with the schema of Avro messages (.avsc)")
    dead_letters: str = Field("", description="topic for messages that cannot be used; empty: TOPIC.dead")
    max_message_kib: int = Field(1024, ge=1, le=65_536, description="largest message, in KiB")
    max_rows: int = Field(5000, ge=1, le=1_000_000, description="most rows scored and recorded at once")
    linger_ms: int = Field(
        100, ge=1, le=60_000, description="longest time that a row waits for others, in ms"
    )
    lateness: Duration = Field(
        timedelta(minutes=5), description="a window stays open so long after its end, for late rows"
    )
    correct: Duration = Field(
        timedelta(days=7),
        description="a later row corrects its window up to this age; an older one is a dead letter",
    )
    ahead: Duration = Field(
        timedelta(hours=1), description="a row so far in the future is a dead letter: a clock is wrong"
    )
    idle: Duration = Field(
        timedelta(minutes=1), description="a part of the topic silent for so long keeps no window open"
    )

    @field_validator("address")
    @classmethod
    def _no_password(cls, value: str) -> str:
        if urlsplit(value if "://" in value else f"//{value}").password:
            raise ValueError(
                "an address in this file holds no password, for the file is kept with every model; write it "
                "into an environment variable and name that under stream.address_env"
            )
        return value

    @model_validator(mode="after")
    def _has_topic(self) -> Stream:
        if self.broker and not self.topic:
            raise ValueError(f"broker {self.broker!r} needs stream.topic: where the messages are")
        if self.address and self.address_env:
            raise ValueError("stream.address and stream.address_env are both set; one of them is enough")
        if (self.format == "avro") != (self.avro_schema is not None):
            raise ValueError("format: avro and stream.avro_schema belong together")
        return self

    @property
    def dead_letter_topic(self) -> str:
        """Topic for messages that cannot be used."""
        return self.dead_letters or f"{self.topic}.dead"
