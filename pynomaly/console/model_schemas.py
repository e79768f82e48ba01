"""What the API answers about models: two versions side by side."""

from __future__ import annotations

from pydantic import Field

from pynomaly.console.schemas import DecisionSummary, Shown

__all__ = ["ComparedFact", "VersionComparison"]


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
