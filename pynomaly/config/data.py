"""Settings of the data: the source of rows, the windows, and the checks."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator, model_validator

from pynomaly.config.settings import NameIn, Settings, Share
from pynomaly.config.units import Duration

__all__ = ["SOURCE_KINDS", "Data", "Expectation", "Limits", "Quality", "Series", "Windows"]

SCORE_COLUMNS = (
    "row",
    "score",
    "p_value",
    "severity",
    "is_anomaly",
    "extrapolated",
    "rarity",
    "model_version",
)
"""Columns of a table of scores; columns copied into it from the source must have other names."""

SOURCE_KINDS: dict[str, tuple[str, ...]] = {
    "csv": ("path",),
    "parquet": ("path",),
    "sql": ("connection", "query"),
    "bundled": ("dataset",),
}
"""Every kind of source by name, with the keys under ``data`` that it needs.

Its rows are read by the module of that name in :mod:`pynomaly.data.sources`.
"""

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
        return self


class Limits(Settings):
    """Limits on what is read from a source; more is an error and is not read."""

    columns: int = Field(2000, ge=1, description="most columns of a table")
    cells: int = Field(
        1_000_000_000, ge=1000, description="most cells (rows times columns) read into memory at once"
    )
    line_kib: int = Field(1024, ge=1, description="longest line of text, in KiB")
    text_mib: int = Field(2048, ge=1, description="most text read, unpacked, in MiB")
    ratio: int = Field(200, ge=2, description="most unpacked bytes for each packed byte of a file")


class Data(Settings):
    """Where rows come from and what their columns mean."""

    source: Annotated[str, NameIn(SOURCE_KINDS)] = Field(description="kind of source")
    path: str | None = Field(None, description="file or folder, relative to this YAML; or s3://")
    connection: str | None = Field(
        None, description="environment variable that holds the database URL (source: sql)"
    )
    query: str | None = Field(None, description="select with :start and :end of the window (source: sql)")
    dataset: str | None = Field(None, description="name of a bundled table (source: bundled)")
    separator: str = Field(",", min_length=1, max_length=1, description="csv column separator")
    decimal: Literal[".", ","] = Field(".", description="csv decimal mark")
    time: str | None = Field(None, description="time column; none means the table is one window")
    timezone: str | None = Field(None, description="zone of times written without an offset, e.g. UTC")
    id: str | None = Field(None, description="column that names the entity (machine, account, host)")
    label: str | None = Field(None, description="column with 1 = anomaly, 0 = normal, empty = not known")
    label_delay: Duration = Field(timedelta(0), description="how long after its row a label becomes known")
    incidents: str | None = Field(
        None, description="declared incidents, left out of training: a YAML list or .ics, beside this YAML"
    )
    columns: tuple[str, ...] = Field((), description="feature columns; empty means all that remain")
    categorical: tuple[str, ...] = Field((), description="feature columns to read as categories")
    ignore: tuple[str, ...] = Field((), description="columns to leave out")
    series: Series = Field(default_factory=Series, description="time-series features")
    limits: Limits = Field(default_factory=Limits, description="limits on what is read")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone; write one like 'UTC' or 'Europe/Berlin'")
        return value

    @model_validator(mode="after")
    def _not_a_score(self) -> Data:
        for role, name in (("time", self.time), ("id", self.id)):
            if name in SCORE_COLUMNS:
                raise ValueError(
                    f"data.{role} is {name!r}, a column that scores have of their own; rename it there"
                )
        return self

    @model_validator(mode="after")
    def _one_place(self) -> Data:
        needed = SOURCE_KINDS[self.source]
        if not all(getattr(self, key) for key in needed):
            raise ValueError(f"source {self.source!r} needs {' and '.join(f'data.{key}' for key in needed)}")
        if self.series.columns and not self.time:
            raise ValueError("data.series.columns needs data.time: a past has an order")
        if self.incidents and not self.time:
            raise ValueError("data.incidents needs data.time: an incident is a span of time")
        if self.connection and not self.connection.isidentifier():
            raise ValueError("data.connection names an environment variable, like PLANT_DB, and is no URL")
        if self.query and self.time and not all(mark in self.query for mark in (":start", ":end")):
            raise ValueError("data.query must take the window as :start and :end, as data.time is set")
        return self

    @property
    def zone(self) -> ZoneInfo | None:
        """Zone of naive times, if one is declared."""
        return ZoneInfo(self.timezone) if self.timezone else None


class Windows(Settings):
    """Lengths of the windows ``[start, end)`` of each flow, aligned to UTC (weeks to Monday)."""

    score: Duration = Field(timedelta(days=1), description="length of one partition of scores")
    monitor: Duration = Field(timedelta(days=7), description="time that one verdict looks back on")
    reference: Duration = Field(timedelta(days=56), description="time that a model is trained on")

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
    """Limits of the checks before data are used. The guards cannot be switched off."""

    max_missing: Share = Field(0.05, description="missing share of a column above which it warns")
    max_constant: Share = Field(
        0.95, description="share of one value above which a column counts as constant"
    )
    max_quarantine: Share = Field(0.05, description="share of bad rows above which the window is blocked")
    min_train_rows: int = Field(100, ge=10, description="fewest rows to train on")
    min_score_rows: int = Field(1, ge=1, description="fewest rows in a window to score")
    expectations: tuple[Expectation, ...] = Field((), description="checks of this pipeline's own")
