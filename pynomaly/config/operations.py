"""Settings of operations: schedules, runners, notifications, drills and retention.

Addresses hold secrets, so none is written here: a target names an environment variable or a Prefect block
that holds it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, get_args
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from pynomaly.config.settings import Settings, Share
from pynomaly.config.spelling.units import Duration, check_cron

__all__ = ["EVENTS", "Drill", "Event", "Notify", "Retention", "Runner", "Schedule", "Target"]


Event = Literal[
    "alert",
    "degraded",
    "critical",
    "promote",
    "refuse",
    "rollback",
    "pending",
    "dead_man",
    "quality_block",
    "guarantee",
    "drill",
    "report",
]
EVENTS: tuple[Event, ...] = get_args(Event)
"""Events that a target can be notified of."""

KeepDuration = Annotated[Duration, Field(ge=timedelta(days=1), le=timedelta(days=36_500))]


class Schedule(Settings):
    """Cron schedules of the deployments; empty means no schedule."""

    timezone: str = Field("UTC", description="zone the schedules are read in")
    train: str = Field("", description="a training; empty: only on request")
    score: str = Field("5 * * * *", description="the windows that are due")
    stream: str = Field("0 * * * *", description="a worker of the stream, for an hour and a minute")
    monitor: str = Field("20 2 * * *", description="a verdict on the newest window")
    reconcile: str = Field(
        "*/15 * * * *", description="cleans up after dead processes, delivers messages, detects missed runs"
    )
    drill: str = Field("50 5 * * 1", description="scores known anomalies in a shadow copy")
    prune: str = Field("10 6 * * 0", description="reports or removes what is past its retention")
    dead_man: int = Field(
        3,
        ge=1,
        le=1000,
        description="runs of score or monitor that may be missed before somebody is notified",
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone; write one like 'UTC' or 'Europe/Berlin'")
        return value

    @field_validator("train", "score", "stream", "monitor", "reconcile", "drill", "prune")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        return check_cron(value)


class Runner(Settings):
    """Where work in parts runs, and how much of it in parallel."""

    kind: Literal["local", "dask"] = Field("local", description="local: this machine; dask: a cluster")
    address: str = Field(
        "",
        pattern=r"^([a-z]+://[^\s/]+)?$",
        description="dask: the scheduler, like tcp://10.0.0.5:8786; empty starts `workers` processes here",
    )
    workers: int = Field(
        2, ge=1, le=256, description="processes that score a table of 5 million rows or more together"
    )
    batch_rows: int = Field(
        100_000, ge=1000, description="rows in memory at once, a process; tables above are scored in parts"
    )

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _address_is_used(self) -> Runner:
        if self.address and self.kind == "local":
            raise ValueError(f"runner.address {self.address!r} is only for kind: dask")
        return self


class Target(Settings):
    """A receiver of notifications: an Apprise address in an environment variable, or a Prefect block."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="its name in the records")]
    url_env: str = Field(
        "", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$", description="environment variable with an Apprise URL"
    )
    block: str = Field("", pattern=r"^([a-z0-9-]+/[a-z0-9-]+)?$", description="Prefect block, type/name")
    on: tuple[Event, ...] = Field(EVENTS, min_length=1, description="events to notify of; all by default")

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, value: object) -> object:
        # In YAML 1.1 an unquoted `on` means true.
        if isinstance(value, dict) and True in value and "on" not in value:
            return {"on" if key is True else key: item for key, item in value.items()}
        return value

    @model_validator(mode="after")
    def _one_address(self) -> Target:
        if bool(self.url_env) == bool(self.block):
            raise ValueError(f"target {self.name!r}: give either url_env or block")
        return self


class Notify(Settings):
    """Who is notified of which events, and how often at most."""

    targets: tuple[Target, ...] = Field((), description="who is notified; empty: nobody")
    min_interval: Duration = Field(
        timedelta(0), description="shortest time between two messages of one kind to one target"
    )
    attempts: int = Field(3, ge=1, le=10, description="tries in a row before a message waits for reconcile")

    @field_validator("targets")
    @classmethod
    def _names_differ(cls, value: tuple[Target, ...]) -> tuple[Target, ...]:
        names = [target.name for target in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two targets are called {name!r}")
        return value


class Drill(Settings):
    """How the alerts are tested on a shadow copy of the data."""

    share: float = Field(0.05, gt=0, lt=0.5, description="share of the window's rows turned into anomalies")
    min_recall: Share = Field(0.2, description="smallest share of them that must alert")
    shift: float = Field(3.0, gt=0, description="drift injected into numbers, in robust deviations")


class Retention(Settings):
    """How long unused data are kept after the last write or decision about them.

    What champion, previous, challenger, shadow and waiting promotions need always stays.
    """

    newest: int = Field(3, ge=1, le=1000, description="newest versions that stay at any age")
    versions: KeepDuration = Field(
        timedelta(days=90), description="other model versions, with their reference rows"
    )
    runs: KeepDuration = Field(
        timedelta(days=90), description="MLflow runs of no version that stays, and traces of answered alerts"
    )
    scores: KeepDuration = Field(timedelta(days=400), description="score partitions, and those of a shadow")
    reports: KeepDuration = Field(timedelta(days=90), description="drift reports")
    quarantine: KeepDuration = Field(timedelta(days=90), description="quarantined rows")
    when_scheduled: Literal["report", "apply"] = Field(
        "report", description="whether the scheduled prune only reports what it would remove, or removes it"
    )
