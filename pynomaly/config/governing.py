"""Settings of the verdicts: comparison, drift, degradation, retraining, promotion."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pynomaly.config.settings import Settings, Share
from pynomaly.config.units import Duration

__all__ = ["Comparison", "Degradation", "Drift", "Promotion", "Retraining", "Search"]


class Comparison(Settings):
    """How two models are compared on the same rows."""

    metric: Literal["average_precision", "roc_auc", "recall_at_budget", "saved_cost"] = Field(
        "average_precision", description="metric that decides; the other three are only reported"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="level of every interval")
    resamples: int = Field(2000, ge=200, description="bootstrap resamples")
    min_positives: int = Field(20, ge=2, description="fewer labelled anomalies than this is inconclusive")
    min_blocks: int = Field(
        5, ge=2, description="anomalies in fewer blocks of dependent rows are inconclusive"
    )
    min_improvement: float = Field(0.02, ge=0, description="smallest difference worth a promotion")
    margin: float = Field(0.02, gt=0, description="largest loss that still counts as not worse")
    folds: int = Field(
        0, ge=0, le=20, description="candidates must also win when refitted on this many folds; 0: no refits"
    )
    repeats: int = Field(3, ge=1, le=100, description="how often the folds are drawn again")
    one_class: Literal["refuse", "inject"] = Field(
        "refuse",
        description="if all labels of the reference are equal: stop, or compare by injected anomalies",
    )
    injected_share: float = Field(
        0.05, gt=0, lt=0.5, description="without labels: share of rows turned into anomalies"
    )
    injected_sizes: tuple[Annotated[float, Field(gt=0, le=10)], ...] = Field(
        (0.5, 1.0, 2.0),
        min_length=1,
        description="sizes of injected anomalies, as multiples of the usual size",
    )

    @model_validator(mode="after")
    def _two_folds(self) -> Comparison:
        if self.folds == 1:
            raise ValueError("comparison.folds must be 0, or 2 and more")
        return self


class Drift(Settings):
    """When a window counts as drifted from the reference."""

    alpha: float = Field(
        0.001,
        gt=0,
        lt=0.5,
        description="chance of a false alarm a window, after Benjamini-Hochberg; also for exchangeability",
    )
    notice: Share = Field(0.03, description="smallest effect size that warns (0 to 1)")
    effect: Share = Field(0.1, description="smallest effect size that counts towards the share")
    strong_effect: Share = Field(0.3, description="effect size of one column that counts as drift by itself")
    share: Share = Field(0.3, description="share of drifted columns, by importance, that counts as drift")
    ignored: Share = Field(
        0.2, description="a column below this part of an even share of the detector's ranking only warns"
    )
    seasons: int = Field(2, ge=2, description="weeks (days) of the reference needed to compare by season")
    min_rows: int = Field(100, ge=10, description="fewer rows than this on either side is insufficient_data")
    report_rows: int = Field(2000, ge=100, description="rows of each side that the HTML report samples")

    @model_validator(mode="after")
    def _ordered(self) -> Drift:
        if not self.notice <= self.effect <= self.strong_effect:
            raise ValueError("drift.notice, effect, strong_effect must not decrease")
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
    check_every: Duration = Field(
        timedelta(days=7), description="how often the checks without labels run (refit, injected anomalies)"
    )
    check_rows: int = Field(1000, ge=100, le=100_000, description="rows of a window these checks draw")
    disagreement: Share = Field(
        0.3, description="loss of rank agreement with a fresh refit that is bad; a third of it warns"
    )

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


class Promotion(Settings):
    """Who may change the champion. The gate itself cannot be switched off."""

    mode: Literal["automatic", "approval", "never"] = Field(
        "automatic", description="what a superior verdict does"
    )
    expires: Duration = Field(
        timedelta(days=7), gt=timedelta(0), description="a promotion that waits longer than this is refused"
    )
    diff_days: int = Field(14, ge=1, le=366, description="newest days scored by both models for comparison")
    shadow: bool = Field(False, description="score new windows with the waiting version too, without alerts")
    bake: int = Field(3, ge=1, le=100, description="windows after a promotion in which it may be rolled back")
    incidents: int = Field(
        20,
        ge=1,
        le=1000,
        description="newest past incidents that a challenger must not miss if the champion did not",
    )
    max_latency_ms: float = Field(100.0, gt=0, description="one warm row, in a clean process")
    max_memory_mb: float = Field(
        4096.0, gt=0, description="peak memory of a clean process that scores 4096 rows"
    )
