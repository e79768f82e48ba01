"""Settings of operations: alerts, notifications, drills, serving, reports and retention.

Addresses hold secrets, so none is written here: a target names an environment variable or a Prefect block
that holds it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal, get_args

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator, model_validator

from pynomaly.config.settings import Settings, Share
from pynomaly.config.units import Duration

__all__ = [
    "EVENTS",
    "Drill",
    "Event",
    "Feedback",
    "Grouping",
    "Notify",
    "Reports",
    "Retention",
    "Serving",
    "Target",
    "check_cron",
]

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
    "drill",
    "report",
]
EVENTS: tuple[Event, ...] = get_args(Event)
"""Events that a target can be notified of."""


def check_cron(value: str) -> str:
    """Return a cron schedule after a check of its syntax; empty means none."""
    try:
        if value:
            CronSim(value, datetime(2026, 1, 1))
    except CronSimError as error:
        raise ValueError(f"it is no cron schedule ({error}); write one like '5 * * * *'") from error
    return value


class Grouping(Settings):
    """How rows that alert are grouped into alerts for a person; changes no score and no row."""

    gap: Duration = Field(
        timedelta(hours=6), description="rows of one entity at most this far apart are one alert"
    )
    by_cause: bool = Field(True, description="rows explained by other columns form another alert")
    needed: int = Field(1, ge=1, le=1000, description="rows that must alert ...")
    of: int = Field(1, ge=1, le=1000, description="... among so many newest rows of the entity")
    planned: str | None = Field(
        None, description="planned work, a YAML list or .ics beside this YAML: alerts in it stay quiet"
    )
    mute: Duration = Field(
        timedelta(days=7),
        description="after a false alarm, similar alerts of the same entity stay quiet this long",
    )
    flapping: int = Field(
        5, ge=1, description="similar alerts of an entity within `flapping_within` that ..."
    )
    flapping_within: Duration = Field(timedelta(days=1), description="... make the next one flapping: quiet")
    collective: int = Field(3, ge=2, description="an alert of at least this many rows is collective")
    explained: int = Field(200, ge=0, description="most rows a window for which columns are explained")

    @model_validator(mode="after")
    def _enough(self) -> Grouping:
        if self.needed > self.of:
            raise ValueError(f"needed ({self.needed}) must not be more than of ({self.of})")
        return self


class Feedback(Settings):
    """Limits on the effect of people's answers on a training."""

    per_author: int = Field(200, ge=0, description="newest labels of one author that a training uses")
    traces: int = Field(
        0,
        ge=0,
        le=1000,
        description="most open alerts shown as traces in MLflow at once, gravest first; 0: none",
    )


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


class Serving(Settings):
    """How the champion scores rows over HTTP."""

    refresh: Duration = Field(
        timedelta(seconds=15), description="how often the registry is asked who is champion"
    )
    max_rows: int = Field(10_000, ge=1, le=1_000_000, description="most rows in one request")
    max_megabytes: float = Field(32.0, gt=0, le=1024, description="largest body of a request")

    @field_validator("refresh")
    @classmethod
    def _not_at_once(cls, value: timedelta) -> timedelta:
        if value < timedelta(seconds=1):
            raise ValueError("at least 1s: the registry is asked this often")
        return value


class Reports(Settings):
    """HTML reports for people, and when they are sent."""

    templates: str = Field("", description="folder of Jinja templates that replace ours; empty: none")
    schedule: str = Field("", description="cron of the report that is sent to targets; empty: none")
    windows: int = Field(
        30, ge=1, le=1000, description="windows before the one reported that its timeline shows"
    )

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        return check_cron(value)


KeepDuration = Annotated[Duration, Field(ge=timedelta(days=1), le=timedelta(days=36_500))]


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
