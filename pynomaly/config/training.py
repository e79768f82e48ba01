"""Settings of a training: what is fitted on which rows, how candidates are searched, when it may run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, Field, field_validator, model_validator

from pynomaly.config.settings import Settings, Share
from pynomaly.config.spelling.units import Duration

__all__ = ["Candidate", "Features", "Retraining", "Search", "Training"]


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
    entities: Literal["pooled", "own"] = Field(
        "pooled", description="scale numbers over all rows, or by each entity's own level and scale (data.id)"
    )

    @model_validator(mode="after")
    def _scaled(self) -> Features:
        if self.entities == "own" and self.scaling == "none":
            raise ValueError(
                "features.entities: own scales numbers, and features.scaling is none; allowed with it: "
                "robust or standard"
            )
        return self


class Training(Settings):
    """What is trained and on which rows."""

    candidates: tuple[Candidate, ...] = Field(min_length=1, description="first one is the baseline")
    seed: int = Field(42, ge=0, lt=2**32, description="seed of everything random in a training")
    start: AwareDatetime | None = Field(
        None, description="first training starts its reference here, if given"
    )
    holdout: float = Field(0.3, gt=0, lt=0.9, description="newest share of the reference, kept for comparing")
    calibration: float = Field(0.3, gt=0, lt=0.9, description="share of the other rows, kept for p-values")
    calibrate: Literal["auto", "split", "cross"] = Field(
        "auto",
        description="on those rows; on out-of-fold scores of all; auto: where those are too few to alert",
    )
    calibrate_by: Literal["all", "entity"] = Field(
        "all",
        description="count p-values among the rows of all, or of the entity or of similar ones (data.id)",
    )
    tail: Literal["pareto", "none"] = Field(
        "pareto", description="p-values above every held-out score: a fitted tail, or 1 / (n + 1)"
    )
    known_anomalies: Literal["rerank", "leave_out"] = Field(
        "rerank",
        description="labelled anomalies of the training rows: rerank scores with them if that ranks better",
    )
    exclude_alerts: float | None = Field(
        0.001,
        gt=0,
        lt=0.5,
        description="training leaves out rows with a champion p-value of at most this; null: none",
    )
    exclude_alerts_cap: float = Field(
        0.05,
        gt=0,
        lt=0.5,
        description="if a larger share of rows would be left out, it is a change of regime, and none is",
    )
    read_rows: int = Field(
        1_000_000,
        ge=1000,
        le=100_000_000,
        description="most rows of the reference in memory; a larger source is sampled in one pass",
    )
    sampling: Literal["reservoir", "time"] = Field(
        "reservoir",
        description="sample with every row equally likely, or equally many rows of each 64th in time",
    )
    max_rows: int = Field(
        50_000, ge=100, description="most rows to fit on; more are sampled by seed, with a note"
    )
    timeout: Duration | None = Field(
        timedelta(minutes=10),
        description="hard limit of one fit, in a process of its own; null: none, and no such process",
    )

    @property
    def fit_seconds(self) -> float | None:
        """The limit of one fit in seconds; None if there is none."""
        return self.timeout.total_seconds() if self.timeout else None

    @field_validator("candidates", mode="before")
    @classmethod
    def _names(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return tuple({"detector": item} if isinstance(item, str) else item for item in value)
        return value


class Search(Settings):
    """How detectors and parameters are searched, and when."""

    when: Literal["degraded", "asked"] = Field(
        "degraded", description="also when an event of degraded performance retrains, or by command alone"
    )
    budget: Duration = Field(
        timedelta(minutes=10), gt=timedelta(), le=timedelta(days=1), description="wall time of the trials"
    )
    trials: int = Field(40, ge=2, le=1000, description="most trials, the default among them")
    detectors: tuple[str, ...] = Field(
        (),
        description="names to search among; empty means all but neural and quadratic ones",
    )


class Retraining(Settings):
    """When a retraining may run."""

    cooldown: Duration = Field(timedelta(hours=24), description="shortest time between two trainings")
    min_rows: int = Field(300, ge=100, description="fewest usable rows in the new reference")
    settled: Duration = Field(
        timedelta(days=28),
        gt=timedelta(0),
        description="a lasting change: learned alone without labels, and a tie replaces the champion",
    )
    max_age: Duration = Field(timedelta(days=90), description="oldest row of a new reference")
    max_attempts: int = Field(
        3, ge=1, le=20, description="rejected challengers in a row up to which the back-off doubles"
    )
    backoff: Duration = Field(
        timedelta(days=3), description="wait after a rejected challenger, doubled up to max_attempts"
    )
    forget: Duration = Field(
        timedelta(days=90),
        gt=timedelta(0),
        description="a challenger rejected, expired or taken back longer ago than this no longer counts",
    )
