"""Settings of operations: schedules, runners, reports, drills and retention."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from pynomaly.config.settings import Settings, Share
from pynomaly.config.spelling.units import Duration, check_cron

__all__ = ["Drill", "Reports", "Retention", "Runner", "Schedule"]

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
    quarantine: KeepDuration = Field(
        timedelta(days=90), description="quarantined rows, and dead letters of a stream"
    )
    when_scheduled: Literal["report", "apply"] = Field(
        "report", description="whether the scheduled prune only reports what it would remove, or removes it"
    )
