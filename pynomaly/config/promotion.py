"""Settings of a promotion: how challenger and champion are compared, and who may change the champion."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pynomaly.config.settings import Settings
from pynomaly.config.spelling.units import Duration

__all__ = ["Comparison", "Promotion"]


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


class Promotion(Settings):
    """Who may change the champion. The gate itself cannot be switched off."""

    mode: Literal["automatic", "approval", "never"] = Field(
        "automatic", description="what a superior verdict does"
    )
    approvals: int = Field(
        1, ge=1, le=5, description="people who must approve; from 2 on each is signed in at a provider"
    )
    expires: Duration = Field(
        timedelta(days=7), gt=timedelta(0), description="a promotion that waits longer than this is refused"
    )
    diff_days: int = Field(14, ge=1, le=366, description="newest days scored by both models for comparison")
    shadow: bool = Field(False, description="score new windows with the waiting version too, without alerts")
    bake: int = Field(3, ge=1, le=100, description="windows after a promotion in which it may be rolled back")
    by_hand: Literal["check", "honour", "refuse"] = Field(
        "check",
        description="alias champion set in the registry: the gate decides, accepted with a warning, set back",
    )
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

    @model_validator(mode="after")
    def _leave_a_way(self) -> Promotion:
        if self.mode == "never" and self.by_hand == "refuse":
            raise ValueError(
                "promotion.mode never and promotion.by_hand refuse leave no way to a new champion; "
                "set one of them otherwise"
            )
        return self

    @model_validator(mode="after")
    def _leave_no_way_around(self) -> Promotion:
        if self.approvals > 1 and (self.mode, self.by_hand) != ("approval", "refuse"):
            raise ValueError(
                f"promotion.approvals {self.approvals} with promotion.mode {self.mode} and promotion.by_hand "
                f"{self.by_hand}: without several people a version could become champion; set mode: approval "
                f"and by_hand: refuse"
            )
        return self
