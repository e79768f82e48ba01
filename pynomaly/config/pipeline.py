"""The pipeline's settings: every number that decides something, with its bounds, unit and default.

Defaults are the usual values of the field; no other package has hidden settings. Frozen, ``extra="forbid"``.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from pynomaly.config.alerting import Alerts, Feedback, Grouping
from pynomaly.config.data import Data, Quality, Windows
from pynomaly.config.delivery import AnySink
from pynomaly.config.monitoring import Account, Degradation, Drift
from pynomaly.config.notices import Console, Notify
from pynomaly.config.operations import Drill, Reports, Retention, Runner, Schedule
from pynomaly.config.promotion import Comparison, Promotion
from pynomaly.config.serving import Serving
from pynomaly.config.settings import Settings, refuse_password
from pynomaly.config.spelling.environment import read_variable
from pynomaly.config.spelling.units import parse_duration
from pynomaly.config.streaming import Stream
from pynomaly.config.training import Features, Retraining, Search, Training

__all__ = ["Pipeline", "Records"]


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
        return refuse_password(value)


class Pipeline(Settings):
    """A whole pipeline: what `configs/NAME.yaml` holds."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="name of pipeline and model")]
    description: str = Field("", description="what it watches, for people")
    data: Data
    stream: Stream = Stream()
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
    account: Account = Account()
    retraining: Retraining = Retraining()
    search: Search = Search()
    promotion: Promotion = Promotion()
    schedule: Schedule = Schedule()
    notify: Notify = Notify()
    console: Console = Console()
    sinks: tuple[AnySink, ...] = Field(
        (), description="where scores, alerts and decisions go, besides the store"
    )
    drill: Drill = Drill()
    serving: Serving = Serving()
    reports: Reports = Reports()
    retention: Retention = Retention()
    runner: Runner = Runner()
    records: Records = Records()

    @model_validator(mode="before")
    @classmethod
    def _read_delay(cls, content: Any) -> Any:
        """Read ``scoring.delay``, another spelling of ``data.series.delay``; a whole number counts steps."""
        if not isinstance(content, dict) or "scoring" not in content:
            return content
        scoring, rest = content["scoring"], {key: content[key] for key in content if key != "scoring"}
        if (
            not isinstance(scoring, dict)
            or list(scoring) != ["delay"]
            or not isinstance(rest.get("data"), dict)
        ):
            raise ValueError(f"scoring is {scoring!r}; allowed: {{delay: 30m}}, or data.series.delay")
        series = dict(rest["data"].get("series") or {})
        if series.get("delay") not in (None, scoring["delay"]):
            raise ValueError("scoring.delay and data.series.delay are both set; they are the same setting")
        delay = scoring["delay"]
        if isinstance(delay, int) and not isinstance(delay, bool):
            if not series.get("step"):
                raise ValueError(f"scoring.delay is {delay} rows, which needs data.series.step; or write 30m")
            delay = delay * parse_duration(series["step"])
        return {**rest, "data": {**rest["data"], "series": {**series, "delay": delay}}}

    @field_validator("sinks")
    @classmethod
    def _sinks_differ(cls, value: tuple[AnySink, ...]) -> tuple[AnySink, ...]:
        names = [sink.name for sink in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sinks are called {name!r}")
        return value

    @model_validator(mode="after")
    def _name_entities(self) -> Pipeline:
        """Refuse what is measured by entity where no column names one."""
        by_entity = {
            "features.entities: own": self.features.entities == "own",
            "training.calibrate_by: entity": self.training.calibrate_by == "entity",
        }
        for setting, is_set in by_entity.items():
            if is_set and self.data.id is None:
                raise ValueError(f"{setting} needs the column that says whose row it is; name it in data.id")
        return self

    @model_validator(mode="after")
    def _keep_rows(self) -> Pipeline:
        """Refuse messages that would be kept nowhere, and a table that no message can be a row of."""
        if self.stream.broker and self.data.source != "stream":
            raise ValueError(
                f"stream.broker is {self.stream.broker!r} and data.source {self.data.source!r}; its "
                "rows are kept under data.path by data.source: stream"
            )
        if self.data.source != "stream":
            if self.serving.record:
                raise ValueError(
                    f"serving.record needs data.source: stream, and it is {self.data.source!r}: rows that "
                    "are served are no rows of that source"
                )
            return self
        if self.data.time is None:
            raise ValueError("data.source: stream needs data.time: rows belong to the window of their time")
        if self.data.long:
            raise ValueError(
                "data.long cannot be read from a stream; send one message with all columns of a row"
            )
        if self.stream.format == "csv" and not self.data.names:
            raise ValueError("stream.format: csv needs data.names, the columns of a line in order")
        return self

    @model_validator(mode="after")
    def _hold_windows(self) -> Pipeline:
        """Refuse a rate of false alerts over a stream without times, or over less than a window."""
        if self.alerts.policy != "fdr" or self.alerts.fdr_over != "stream":
            return self
        if self.data.time is None:
            raise ValueError("alerts.fdr_over: stream needs times; name data.time, or use window")
        if self.alerts.fdr_period < self.windows.score:
            raise ValueError(
                f"alerts.fdr_period ({self.alerts.fdr_period}) must be at least windows.score "
                f"({self.windows.score})"
            )
        return self

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
        return configured or read_variable(f"PYNOMALY_{name.upper()}")

    def reference_start(self, end: datetime) -> datetime:
        """Return the start of the reference window that ends at `end`."""
        return end - min(self.windows.reference, self.retraining.max_age)
