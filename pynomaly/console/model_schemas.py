"""What the API answers about models: one version over time, two versions side by side."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from pynomaly.console.schemas import DecisionSummary, Shown

__all__ = ["CalibrationLevel", "ComparedFact", "LineageStep", "ModelDetail", "VersionWindow"]
__all__ += ["VersionComparison"]


class CalibrationLevel(Shown):
    """Share of normal held-out rows whose p-value is at most `asked`; as much is expected."""

    asked: float
    observed: float
    low: float
    high: float


class VersionWindow(Shown):
    """What monitoring measured of one window under the version; effects are from 0 to 1."""

    window: str
    seq: int = Field(description="of the decision")
    state: str
    start: datetime | None
    rows: int
    observed: float | None = Field(description="share of rows that alert")
    low: float | None = Field(description="95 % interval of it, for independent rows")
    high: float | None
    expected: float | None = Field(description="share that was promised")
    data: float | None = Field(description="effect in the column that moved most")
    features: float | None = Field(description="effect in all columns together")
    scores: float | None = Field(description="effect in the scores")
    drifted: tuple[str, ...]


class LineageStep(Shown):
    """One step of how a version came to be, and what became of it; the oldest first."""

    kind: Literal["data", "run", "parent", "decision", "successor"]
    title: str
    text: str
    at: datetime | None
    seq: int | None = Field(description="of the decision that it is, or was")
    version: int | None = Field(description="the other version that it is about")
    run: str = Field("", description="id of the run in MLflow")


class ModelDetail(Shown):
    """One version: how it is calibrated, how its windows moved, where it comes from."""

    pipeline: str
    version: int
    champion: bool
    detector: str
    calibration: tuple[CalibrationLevel, ...]
    calibration_rows: int
    windows: tuple[VersionWindow, ...] = Field(description="the oldest first")
    notice: float = Field(description="smallest effect that warns (drift.notice)")
    strong: float = Field(description="effect that is drift by itself (drift.strong_effect)")
    lineage: tuple[LineageStep, ...]
    notes: tuple[str, ...]


class ComparedFact(Shown):
    """One fact of both versions; null where it is not on record."""

    name: str
    first: str | None
    second: str | None
    differs: bool


class VersionComparison(Shown):
    """Two versions side by side."""

    pipeline: str
    first: int
    second: int
    facts: tuple[ComparedFact, ...]
    gained: tuple[str, ...] = Field(description="columns that only the second reads")
    lost: tuple[str, ...] = Field(description="columns that only the first reads")
    decisions: tuple[DecisionSummary, ...] = Field(description="about both of them, the newest first")
    notes: tuple[str, ...]
