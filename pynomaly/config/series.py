"""Settings of what is read of a row's past."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator

from pynomaly.config.settings import Settings
from pynomaly.config.spelling.units import Duration, spell_duration

__all__ = ["PAST_FEATURES", "Series"]

PAST_FEATURES = ("change", "level", "spread")
"""Features that are added for each column of ``data.series``."""


class Series(Settings):
    """Time-series features, added while rows are read; none unless columns are named."""

    columns: tuple[str, ...] = Field(
        (), description="numeric columns to follow over time; empty adds nothing"
    )
    rows: int = Field(12, ge=1, le=1000, description="rows of the same entity to look back on")
    history: Duration = Field(
        timedelta(days=1), description="rows older than this do not count; read before each window"
    )

    past: int = Field(
        0, ge=0, le=2000, description="rows before a row that a detector may look back on; 0: none"
    )
    step: Duration | None = Field(
        None, description="usual time from one row of an entity to its next; none: rows as they come"
    )
    gap: int = Field(
        5, ge=0, le=100, description="missing steps that are filled by a line; after more a row has no past"
    )
    delay: Duration = Field(
        timedelta(0), description="time after a row that its score waits for, and reads rows of"
    )

    @property
    def oldest(self) -> timedelta:
        """How much older than a row the rows before it may be that a detector reads."""
        return self.history if self.step is None else self.past * self.step + self.step / 2

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are added."""
        return tuple(f"{name}:{feature}" for name in self.columns for feature in PAST_FEATURES)

    @model_validator(mode="after")
    def _whole(self) -> Series:
        if self.history <= timedelta(0):
            raise ValueError("data.series.history must be longer than nothing")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"data.series.columns names one twice: {list(self.columns)}")
        if self.step is not None and self.step <= timedelta(0):
            raise ValueError("data.series.step must be longer than nothing; null takes rows as they come")
        if self.delay and not self.past:
            raise ValueError(
                f"data.series.delay is {spell_duration(self.delay)} and data.series.past is 0: only rows "
                "with a past can wait for later rows; set data.series.past, for example to 300"
            )
        return self
