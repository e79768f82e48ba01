"""The pipeline's settings: every number that decides something, with its bounds, unit and default.

Defaults are the usual values of the field; no other package has hidden settings. Frozen, ``extra="forbid"``.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator

from pynomaly.config.data import Data, Quality, Windows
from pynomaly.config.governing import Comparison, Degradation, Drift, Promotion, Retraining, Search
from pynomaly.config.model import Alerts, Features, Training
from pynomaly.config.operating import (
    Drill,
    Feedback,
    Grouping,
    Notify,
    Reports,
    Retention,
    Serving,
    check_cron,
)
from pynomaly.config.settings import Settings

__all__ = ["Pipeline", "Records", "Runner", "Schedule"]


class Schedule(Settings):
    """Cron schedules of the deployments; empty means no schedule."""

    timezone: str = Field("UTC", description="zone the schedules are read in")
    train: str = Field("", description="a training; empty: only on request")
    score: str = Field("5 * * * *", description="the windows that are due")
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

    @field_validator("train", "score", "monitor", "reconcile", "drill", "prune")
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


class Records(Settings):
    """Where models, decisions and files are kept.

    Empty means the value of ``$PYNOMALY_TRACKING``, ``_LEDGER``, ``_ARTIFACTS``, ``_STORE`` or
    ``_EVIDENTLY``; without that, a place under the home folder. An address with a password belongs into the
    environment: this file is saved with every model that is trained from it.
    """

    tracking: str = Field("", description="MLflow tracking URI")
    ledger: str = Field("", description="SQLAlchemy URL of the ledger")
    artifacts: str = Field("", description="where MLflow keeps files when tracking is a database; s3:// too")
    store: str = Field("", description="folder or s3:// address for scores, quarantine and reports")
    evidently: str = Field("", description="address of Evidently's pages, or a workspace folder; empty: none")

    @field_validator("*")
    @classmethod
    def _no_password(cls, value: str) -> str:
        parts = urlsplit(value)
        keys = {key.lower() for key, text in parse_qsl(parts.query) if text}
        if parts.password or keys & {"password", "passwd", "pwd", "sslpassword"}:
            raise ValueError(
                "an address in this file holds no password, for the file is kept with every model; set "
                "PGPASSWORD, a file ~/.pgpass, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return value


class Pipeline(Settings):
    """A whole pipeline: what `configs/NAME.yaml` holds."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="name of pipeline and model")]
    description: str = Field("", description="what it watches, for people")
    data: Data
    windows: Windows = Windows()
    quality: Quality = Quality()
    features: Features = Features()
    training: Training
    alerts: Alerts = Alerts()
    grouping: Grouping = Grouping()
    feedback: Feedback = Feedback()
    comparison: Comparison = Comparison()
    drift: Drift = Drift()
    degradation: Degradation = Degradation()
    retraining: Retraining = Retraining()
    search: Search = Search()
    promotion: Promotion = Promotion()
    schedule: Schedule = Schedule()
    notify: Notify = Notify()
    drill: Drill = Drill()
    serving: Serving = Serving()
    reports: Reports = Reports()
    retention: Retention = Retention()
    runner: Runner = Runner()
    records: Records = Records()

    # The YAML's path, the state folder and the environment of the overlay: set by `load`, not in the YAML.
    origin: Path = Field(default=Path("."), exclude=True)
    home: Path = Field(default=Path(".pynomaly"), exclude=True)
    environment: str = Field(default="", exclude=True)

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking URI: from the settings, from the environment, or sqlite under home."""
        return self._find_address("tracking") or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger: from the settings, from the environment, or sqlite under home."""
        return self._find_address("ledger") or f"sqlite:///{self.home / 'ledger.db'}"

    @property
    def store_root(self) -> str:
        """Folder or address for scores, quarantine and reports."""
        return self._find_address("store") or str(self.home / "store")

    @property
    def artifact_root(self) -> str:
        """Where MLflow keeps files, unless a tracking server decides: from the settings, or under home."""
        return self._find_address("artifacts") or (self.home / "mlflow" / "artifacts").as_uri()

    @property
    def evidently(self) -> str:
        """Where Evidently shows drift reports too: address of its pages, a workspace folder, or empty."""
        return self._find_address("evidently")

    def _find_address(self, name: str) -> str:
        configured: str = getattr(self.records, name)
        return configured or os.environ.get(f"PYNOMALY_{name.upper()}", "")

    def reference_start(self, end: datetime) -> datetime:
        """Return the start of the reference window that ends at `end`."""
        return end - min(self.windows.reference, self.retraining.max_age)
