"""The pipeline's settings: every figure a decision rests on, with its bounds, unit and default.

Defaults are the domain's usual figures; no room hides one of its own. Frozen, ``extra="forbid"``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from pynomaly.config.units import Duration

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """Base of every settings block: frozen, and no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(Settings):
    """Where rows come from and what their columns mean."""

    source: Literal["csv", "parquet", "bundled"] = Field(description="kind of source")
    path: str | None = Field(None, description="file or folder; relative to the folder of this YAML")
    dataset: str | None = Field(None, description="name of a bundled table (source: bundled)")
    separator: str = Field(",", min_length=1, max_length=1, description="csv column separator")
    decimal: Literal[".", ","] = Field(".", description="csv decimal mark")
    time: str | None = Field(None, description="time column; none means the table is one window")
    timezone: str | None = Field(None, description="zone of times written without an offset, e.g. UTC")
    id: str | None = Field(None, description="column that names the entity (machine, account, host)")
    label: str | None = Field(None, description="column with 1 = anomaly, 0 = normal, empty = not known")
    label_delay: Duration = Field(timedelta(0), description="how long after its row a label becomes known")
    columns: tuple[str, ...] = Field((), description="feature columns; empty means all that remain")
    categorical: tuple[str, ...] = Field((), description="feature columns to read as categories")
    ignore: tuple[str, ...] = Field((), description="columns to leave out")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone; write one like 'UTC' or 'Europe/Berlin'")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Data:
        if self.source == "bundled" and not self.dataset:
            raise ValueError("source 'bundled' needs data.dataset")
        if self.source != "bundled" and not self.path:
            raise ValueError(f"source {self.source!r} needs data.path")
        return self

    @property
    def zone(self) -> ZoneInfo | None:
        """Zone of naive times, if one is declared."""
        return ZoneInfo(self.timezone) if self.timezone else None


class Windows(Settings):
    """Lengths of the windows ``[start, end)`` each flow works on, aligned to UTC (weeks to Monday)."""

    score: Duration = Field(timedelta(days=1), description="one partition of scores")
    monitor: Duration = Field(timedelta(days=7), description="what one verdict looks back on")
    reference: Duration = Field(timedelta(days=56), description="what a model is trained on")

    @model_validator(mode="after")
    def _whole(self) -> Windows:
        for name in ("score", "monitor", "reference"):
            if getattr(self, name) <= timedelta(0):
                raise ValueError(f"windows.{name} must be longer than nothing")
        if self.monitor % self.score:
            raise ValueError("windows.monitor must be a whole number of windows.score")
        return self


class Expectation(Settings):
    """One Great Expectations expectation: its class name and its arguments."""

    type: str = Field(description="for example ExpectColumnValuesToBeBetween")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="for example {column: a, min_value: 0}"
    )
    severity: Literal["warning", "error"] = Field(
        "error", description="error: rows that fail go to quarantine"
    )


class Quality(Settings):
    """What is checked before data are used. The guards themselves cannot be switched off."""

    max_missing: Share = Field(0.05, description="missing share of a column above which it warns")
    max_constant: Share = Field(
        0.95, description="share of one value above which a column counts as constant"
    )
    max_quarantine: Share = Field(0.05, description="share of bad rows above which the window is blocked")
    min_train_rows: int = Field(100, ge=10, description="fewest rows to train on")
    min_score_rows: int = Field(1, ge=1, description="fewest rows in a window to score")
    expectations: tuple[Expectation, ...] = Field((), description="checks of this pipeline's own")


class Candidate(Settings):
    """One detector to train."""

    detector: str = Field(description="name in the catalogue (`pynomaly detectors`)")
    params: dict[str, Any] = Field(
        default_factory=dict, description="its parameters; empty means its defaults"
    )


class Features(Settings):
    """Preprocessing that is fitted on the reference and travels inside the model."""

    missing: Literal["impute", "indicate", "reject"] = Field(
        "impute", description="fill with the median; fill and add an indicator; or refuse"
    )
    scaling: Literal["robust", "standard", "none"] = Field("robust", description="how numbers are scaled")
    rare: Share = Field(0.01, description="share of rows under which a category counts as rare")
    max_categories: int = Field(32, ge=2, description="most categories kept apart a column")
    calendar: bool = Field(False, description="add hour of day and day of week, as sine and cosine")


class Training(Settings):
    """What is trained and on which rows."""

    candidates: tuple[Candidate, ...] = Field(min_length=1, description="first one is the baseline")
    seed: int = Field(42, ge=0, lt=2**32)
    start: AwareDatetime | None = Field(
        None, description="first training starts its reference here, if given"
    )
    holdout: float = Field(0.3, gt=0, lt=0.9, description="newest share of the reference, kept for comparing")
    calibration: float = Field(0.3, gt=0, lt=0.9, description="share of the other rows, kept for p-values")
    calibrate: Literal["auto", "split", "cross"] = Field(
        "auto", description="on those rows; on out-of-fold scores of all; auto: out-of-fold under 100 rows"
    )
    tail: Literal["pareto", "none"] = Field(
        "pareto", description="p-values above every held-out score: a fitted tail, or 1 / (n + 1)"
    )
    max_rows: int = Field(50_000, ge=100, description="rows to fit on; more are sampled by seed, and said so")
    timeout: Duration = Field(timedelta(minutes=10), description="hard limit of one fit")

    @field_validator("candidates", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return tuple({"detector": item} if isinstance(item, str) else item for item in value)
        return value


class Alerts(Settings):
    """Which p-values become alerts; can change without a refit."""

    policy: Literal["budget", "cost", "fdr", "quantile"] = Field(
        "quantile", description="how p-values become alerts"
    )
    per_day: float = Field(20.0, gt=0, description="alerts a day in normal operation (policy: budget)")
    quantile: float = Field(0.01, gt=0, lt=0.5, description="share of normal rows alerted (policy: quantile)")
    fdr: float = Field(
        0.1, gt=0, lt=0.5, description="share of false alerts among a scoring window's alerts (policy: fdr)"
    )
    extrapolate: bool = Field(
        False,
        description="fdr trusts p-values of the fitted tail: single rows can alert, without its guarantee",
    )
    cost_missed: float = Field(10.0, gt=0, description="cost of a missed anomaly (policy: cost)")
    cost_false_alarm: float = Field(1.0, gt=0, description="cost of a false alarm (policy: cost)")
    prevalence: float = Field(
        0.01, gt=0, lt=0.5, description="assumed share of anomalies (policy: cost; fdr for a row alone)"
    )


class Comparison(Settings):
    """How two models are compared on the same rows."""

    metric: Literal["average_precision", "roc_auc"] = "average_precision"
    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of every interval")
    resamples: int = Field(1000, ge=200, description="bootstrap resamples")
    min_positives: int = Field(20, ge=2, description="fewer labelled anomalies than this is inconclusive")
    min_blocks: int = Field(
        5, ge=2, description="anomalies in fewer blocks of dependent rows are inconclusive"
    )
    min_improvement: float = Field(0.02, ge=0, description="smallest difference worth a promotion")
    margin: float = Field(0.02, gt=0, description="largest loss that still counts as not worse")
    one_class: Literal["refuse", "inject"] = Field(
        "refuse", description="a reference whose labels are all alike: stop, or judge by injected anomalies"
    )
    injected_share: float = Field(
        0.05, gt=0, lt=0.5, description="share of rows turned into anomalies without labels"
    )


class Drift(Settings):
    """When a window counts as drifted from the reference."""

    alpha: float = Field(
        0.01, gt=0, lt=0.5, description="level after Benjamini-Hochberg over the columns; of exchangeability"
    )
    effect: Share = Field(0.1, description="smallest effect size that warns (0 to 1)")
    strong_effect: Share = Field(0.3, description="effect size of one column that counts as drift by itself")
    share: Share = Field(0.3, description="share of drifted columns that counts as drift")
    min_rows: int = Field(100, ge=10, description="fewer rows a side than this is insufficient_data")
    report_rows: int = Field(2000, ge=100, description="rows a side that the HTML report samples")

    @model_validator(mode="after")
    def _ordered(self) -> Drift:
        if self.strong_effect < self.effect:
            raise ValueError("drift.strong_effect must not be below drift.effect")
        return self


class Degradation(Settings):
    """When windows that look bad become a verdict."""

    windows: int = Field(5, ge=1, description="how many recent windows are looked at")
    violated: int = Field(2, ge=1, description="how many of them must be bad, the newest among them")
    min_rows: int = Field(100, ge=10, description="fewer scored rows than this is insufficient_data")
    min_positives: int = Field(
        20, ge=2, description="fewer labelled anomalies than this: performance is not judged"
    )
    minor: Share = Field(0.05, description="relative drop of performance: alert")
    moderate: Share = Field(0.10, description="relative drop: watch")
    major: Share = Field(0.15, description="relative drop: retrain")
    critical: Share = Field(0.25, description="relative drop: page a person")
    alert_rate_factor: float = Field(
        3.0, gt=1, description="alert rate this many times the expected one is bad"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of the test of the alert rate")

    @model_validator(mode="after")
    def _ladder(self) -> Degradation:
        steps = (self.minor, self.moderate, self.major, self.critical)
        if list(steps) != sorted(steps):
            raise ValueError("degradation.minor, moderate, major, critical must not decrease")
        if self.violated > self.windows:
            raise ValueError("degradation.violated must not exceed degradation.windows")
        return self


class Retraining(Settings):
    """When a retraining may run."""

    cooldown: Duration = Field(timedelta(hours=24), description="shortest time between two trainings")
    min_rows: int = Field(1000, ge=100, description="fewest usable rows in the new reference")
    max_age: Duration = Field(timedelta(days=90), description="oldest row of a new reference")
    max_attempts: int = Field(3, ge=1, description="rejected challengers in a row before a person must ask")
    backoff: Duration = Field(
        timedelta(days=3), description="wait after a rejected challenger, doubled each time"
    )


class Promotion(Settings):
    """Who may change the champion. The gate itself cannot be switched off."""

    mode: Literal["automatic", "never"] = Field("automatic", description="what a superior verdict does")
    max_latency_ms: float = Field(100.0, gt=0, description="one warm row, in a clean process")


class Schedule(Settings):
    """Cron schedules of the deployments; empty means no schedule."""

    timezone: str = "UTC"
    train: str = ""
    score: str = "5 * * * *"
    monitor: str = "20 2 * * *"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone; write one like 'UTC' or 'Europe/Berlin'")
        return value


class Records(Settings):
    """Where models, decisions and files are kept; empty means under the home folder."""

    tracking: str = Field("", description="MLflow tracking URI")
    ledger: str = Field("", description="SQLAlchemy URL of the ledger")
    store: str = Field("", description="folder for scores, quarantine and reports")


class Pipeline(Settings):
    """A whole pipeline: what `configs/NAME.yaml` holds."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="name of pipeline and model")]
    description: str = ""
    data: Data
    windows: Windows = Windows()
    quality: Quality = Quality()
    features: Features = Features()
    training: Training
    alerts: Alerts = Alerts()
    comparison: Comparison = Comparison()
    drift: Drift = Drift()
    degradation: Degradation = Degradation()
    retraining: Retraining = Retraining()
    promotion: Promotion = Promotion()
    schedule: Schedule = Schedule()
    records: Records = Records()

    # Where the YAML was read from and where state lives: set by `load`, never written in the YAML.
    origin: Path = Field(default=Path("."), exclude=True)
    home: Path = Field(default=Path(".pynomaly"), exclude=True)

    @property
    def tracking_uri(self) -> str:
        """MLflow tracking URI: the configured one, or sqlite under home."""
        return self.records.tracking or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger: the configured one, or sqlite under home."""
        return self.records.ledger or f"sqlite:///{self.home / 'ledger.db'}"

    @property
    def store_root(self) -> Path:
        """Folder for scores, quarantine and reports."""
        return Path(self.records.store) if self.records.store else self.home / "store"

    def reference_start(self, end: datetime) -> datetime:
        """Start of the reference window that ends at `end`."""
        return end - min(self.windows.reference, self.retraining.max_age)
