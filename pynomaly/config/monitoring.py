"""Settings of monitoring: when a window counts as drifted, and when windows become a verdict."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, get_args

from pydantic import Field, model_validator

from pynomaly.config.settings import Settings, Share
from pynomaly.config.spelling.units import Duration

__all__ = ["GUARANTEES", "Account", "Degradation", "Drift", "GuaranteeName"]


class Drift(Settings):
    """When a window counts as drifted from the reference."""

    alpha: float = Field(
        0.001,
        gt=0,
        lt=0.5,
        description="chance of a false alarm, each time: of a window's columns after Benjamini-Hochberg, of "
        "its scores, of a check of agreement, and of all that adds up in a champion's first 366 windows",
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
    def _require_order(self) -> Drift:
        if not self.notice <= self.effect <= self.strong_effect:
            raise ValueError("drift.notice, effect, strong_effect must not decrease")
        return self


GuaranteeName = Literal["exchangeability", "alert_rate", "bake", "incidents"]
GUARANTEES: tuple[GuaranteeName, ...] = get_args(GuaranteeName)
"""What a champion promises, each with its share of the account."""


class Account(Settings):
    """One chance of a false withdrawal in the whole life of a champion, shared by what it promises."""

    alpha: float = Field(
        0.02,
        gt=0,
        lt=0.5,
        description="chance that any promise is said to be broken in a champion's life, while all hold",
    )
    exchangeability: Share = Field(0.05, description="share of it: p-values hold")
    alert_rate: Share = Field(0.2, description="share of it: normal rows alert no more than expected")
    bake: Share = Field(0.5, description="share of it: no worse than the version before, as it bakes")
    incidents: Share = Field(0.25, description="share of it: incidents are caught as often as before")

    @model_validator(mode="after")
    def _within_budget(self) -> Account:
        shares: dict[str, float] = {name: getattr(self, name) for name in GUARANTEES}
        if sum(shares.values()) > 1 + 1e-9 or min(shares.values()) <= 0:
            spelled = ", ".join(f"{name} {share:g}" for name, share in shares.items())
            raise ValueError(
                f"shares of account.alpha must be above 0 and add up to 1 at most, got {spelled}"
            )
        return self

    def split_alpha(self) -> dict[GuaranteeName, float]:
        """Return the chance of a false withdrawal of each promise."""
        return {name: self.alpha * getattr(self, name) for name in GUARANTEES}


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
        timedelta(days=7),
        description="how often the checks without labels run (refit, injected anomalies); also in a bad "
        "window where they decide between a recalibration and a retraining",
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
