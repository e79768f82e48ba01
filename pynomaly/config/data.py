"""Settings of the data: the source of rows, the windows, and the checks."""

from __future__ import annotations

import codecs
from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator, model_validator

from pynomaly.config.series import Graph, Series
from pynomaly.config.settings import NameIn, Settings, Share
from pynomaly.config.spelling.units import Duration, split_time_format

__all__ = ["SOURCE_KINDS", "Data", "Expectation", "Limits", "Long", "Quality", "Windows"]

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
    "excel": ("path",),
    "jsonl": ("path",),
    "feather": ("path",),
    "sql": ("connection", "query"),
    "bundled": ("dataset",),
    "stream": ("path",),
}
"""Every kind of source by name, with the keys under ``data`` that it needs.

Its rows are read by the module of that name in :mod:`pynomaly.data.sources`.
"""


class Limits(Settings):
    """Limits on what is read from a source; more is an error and is not read."""

    columns: int = Field(2000, ge=1, description="most columns of a table")
    cells: int = Field(
        1_000_000_000, ge=1000, description="most cells (rows times columns) read into memory at once"
    )
    line_kib: int = Field(1024, ge=1, description="longest line of text, in KiB")
    text_mib: int = Field(2048, ge=1, description="most text read, unpacked, in MiB")
    ratio: int = Field(200, ge=2, description="most unpacked bytes for each packed byte of a file")


class Long(Settings):
    """Columns of a long table, one row for each time, entity and quantity; it is read as a wide one."""

    name: str = Field(description="column with the name of the quantity")
    value: str = Field(description="column with its value")


class Data(Settings):
    """Where rows come from and what their columns mean."""

    source: Annotated[str, NameIn(SOURCE_KINDS)] = Field(description="kind of source")
    path: str | None = Field(None, description="file, folder or glob, relative to this YAML; or s3://")
    connection: str | None = Field(
        None, description="environment variable that holds the database URL (source: sql)"
    )
    query: str | None = Field(None, description="select with :start and :end of the window (source: sql)")
    dataset: str | None = Field(None, description="name of a bundled table (source: bundled)")
    sheet: str | None = Field(None, description="sheet of a workbook; none means the first (source: excel)")
    encoding: str = Field("utf-8", description="encoding of the text, a name that Python knows, like cp1252")
    separator: str = Field(
        ",", description="csv column separator: one character, or `blanks` for any number of them"
    )
    quote: str = Field('"', min_length=1, max_length=1, description="csv quotation mark")
    decimal: Literal[".", ","] = Field(".", description="csv decimal mark")
    thousands: Literal[",", ".", "'", " ", "_"] | None = Field(
        None, description="mark between the thousands of a number"
    )
    skip_rows: int = Field(
        0, ge=0, description="lines before the header, or before the first row without one"
    )
    comment: str | None = Field(None, min_length=1, description="a line that starts with it is left out")
    header: bool = Field(True, description="whether the first line holds the names of the columns")
    names: tuple[str, ...] = Field(
        (), description="names of the columns in order, instead of those in the header"
    )
    strip_names: bool = Field(False, description="whether blanks around the names of columns are left out")
    unit_rows: int = Field(0, ge=0, le=10, description="lines below the header that hold units, left out")
    missing_values: tuple[str, ...] = Field(
        (), description="cells that mean missing, beside the empty ones; numbers are compared as numbers"
    )
    missing_in: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="cells that mean missing in one column, by its name"
    )
    numbers: tuple[str, ...] = Field(
        (), description="columns of numbers with a unit, a currency or a percent sign, which is left out"
    )
    magnitudes: tuple[str, ...] = Field(
        (), description="columns of numbers that end in K, M, B or T: thousands, millions and so on"
    )
    time: str | None = Field(
        None, description="time column, or a list of columns to join; none means the table is one window"
    )
    time_columns: tuple[str, ...] = Field(
        (), description="columns that are joined by blanks to the time; set by a list in data.time"
    )
    time_format: str | None = Field(
        None, description="strptime format of the time, `*` at its end for any rest; none means ISO 8601"
    )
    epoch: Literal["s", "ms", "us", "ns", "excel"] | None = Field(
        None, description="unit of times that are numbers: since 1970, or days of a spreadsheet"
    )
    timezone: str | None = Field(None, description="zone of times written without an offset, e.g. UTC")
    id: str | None = Field(None, description="column that names the entity (machine, account, host)")
    label: str | None = Field(None, description="column with 1 = anomaly, 0 = normal, empty = not known")
    label_values: dict[str, Literal[0, 1] | None] = Field(
        default_factory=dict,
        description="what the label's words mean: 1 = anomaly, 0 = normal, null = unknown",
    )
    label_delay: Duration = Field(timedelta(0), description="how long after its row a label becomes known")
    incidents: str | None = Field(
        None, description="declared incidents, left out of training: a YAML list or .ics, beside this YAML"
    )
    columns: tuple[str, ...] = Field((), description="feature columns; empty means all that remain")
    categorical: tuple[str, ...] = Field((), description="feature columns to read as categories")
    ignore: tuple[str, ...] = Field((), description="columns to leave out")
    counters: tuple[str, ...] = Field(
        (),
        description="columns that only rise: each is read as its increase since the entity's row before",
    )
    long: Long | None = Field(None, description="the table has a row for each quantity: read it as wide")
    series: Series = Field(default_factory=Series, description="time-series features")
    graph: Graph | None = Field(None, description="rows are edges between entities: features of their past")
    limits: Limits = Field(default_factory=Limits, description="limits on what is read")

    @model_validator(mode="before")
    @classmethod
    def _join_time(cls, content: Any) -> Any:
        """Turn a list of time columns into their joined name and the columns it is made from."""
        if not isinstance(content, dict) or not isinstance(content.get("time"), list | tuple):
            return content
        columns = content["time"]
        if not columns or not all(isinstance(name, str) for name in columns):
            raise ValueError(f"data.time is {columns!r}; it names one column or lists several")
        return {**content, "time": " ".join(columns), "time_columns": tuple(columns)}

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
            codecs.getincrementaldecoder(value)
        except (LookupError, UnicodeError):
            raise ValueError(
                f"{value!r} is no encoding; write one like 'utf-8', 'cp1252' or 'utf-16'"
            ) from None
        return value

    @field_validator("separator")
    @classmethod
    def _one_character(cls, value: str) -> str:
        if value != "blanks" and len(value) != 1:
            raise ValueError(f"{value!r} is no separator; write one character, or 'blanks'")
        return value

    @field_validator("label_values", mode="before")
    @classmethod
    def _words_as_text(cls, value: Any) -> Any:
        """Turn the numbers and booleans that YAML makes of words into text again; `yes` is one of them."""
        if not isinstance(value, dict):
            return value
        words: dict[str, Any] = {}
        for word, meaning in value.items():
            words["" if word is None else str(word)] = meaning
        for word, spellings in ((True, ("yes", "on")), (False, ("no", "off"))):
            if any(key is word for key in value):
                words = {**dict.fromkeys(spellings, value[word]), **words}
        return words

    @field_validator("time_format")
    @classmethod
    def _readable_format(cls, value: str | None) -> str | None:
        if value is not None:
            split_time_format(value)
        return value

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
        if self.series.past and not self.time:
            raise ValueError("data.series.past needs data.time: a past has an order")
        if self.counters and not self.time:
            raise ValueError("data.counters needs data.time: an increase has an order")
        if self.graph and not self.time:
            raise ValueError("data.graph needs data.time: the past of an edge has an order")
        if self.graph and self.long:
            raise ValueError("data.graph and data.long are both set; a row is an edge or one quantity")
        if self.graph and self.label and self.label in (*self.graph.ends, self.graph.weight):
            raise ValueError(f"data.label is {self.label!r}, which data.graph reads as a part of the edge")
        if self.time_format and self.epoch:
            raise ValueError(
                "data.time_format and data.epoch are both set; a time is either text or a number"
            )
        if (self.time_format or self.epoch or self.time_columns) and not self.time:
            raise ValueError("data.time_format and data.epoch need data.time")
        if self.epoch and len(self.time_columns) > 1:
            raise ValueError(
                f"data.epoch needs one time column, and data.time joins {list(self.time_columns)}"
            )
        if self.source == "sql" and (self.time_format or self.time_columns or self.epoch == "excel"):
            raise ValueError(
                "source 'sql' compares times with :start and :end, so data.time is one column of times or of "
                "epoch numbers (s, ms, us, ns); convert or join others in data.query"
            )
        if self.long and not self.time:
            raise ValueError("data.long needs data.time: it joins the rows of one time")
        if self.long and self.id in (self.long.name, self.long.value):
            raise ValueError(
                f"data.id is {self.id!r}, which data.long makes columns of; leave data.id out, or name the "
                "column of the machine"
            )
        if self.label_values and not self.label:
            raise ValueError("data.label_values needs data.label")
        if self.incidents and not self.time:
            raise ValueError("data.incidents needs data.time: an incident is a span of time")
        if self.connection and not self.connection.isidentifier():
            raise ValueError("data.connection names an environment variable, like PLANT_DB, and is no URL")
        if self.query and self.time and not all(mark in self.query for mark in (":start", ":end")):
            raise ValueError("data.query must take the window as :start and :end, as data.time is set")
        return self

    @property
    def lookback(self) -> timedelta:
        """How long before a window rows are read, because features of its rows depend on them."""
        return max(self.own_lookback, self.graph.history if self.graph else timedelta(0))

    @property
    def own_lookback(self) -> timedelta:
        """How much of that a row reads of its own entity."""
        features = self.series.history * (bool(self.series.columns) + bool(self.counters))
        if not self.series.past:
            return features
        beside_gaps = (2 * self.series.gap + 1) * (self.series.step or timedelta(0))  # to fill from
        return max(features, self.series.oldest + beside_gaps)

    @property
    def past_names(self) -> tuple[str, ...]:
        """Names of the columns that are added from the past of a row."""
        return self.series.names + (self.graph.names if self.graph else ())

    def drop_lookback(self) -> Data:
        """Return the settings that read each row as it stands, without its past."""
        return self.model_copy(update={"series": Series(), "counters": (), "graph": None})

    @property
    def needs_other_rows(self) -> bool:
        """Whether what is read of a row depends on other rows, so that a table cannot be read in parts."""
        return bool(self.lookback) or self.long is not None

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
    may_be_empty: tuple[str, ...] = Field(
        (), description="columns that may be without any value in a window that is scored"
    )
    max_constant: Share = Field(
        0.95, description="share of one value above which a column counts as constant"
    )
    max_quarantine: Share = Field(0.05, description="share of bad rows above which the window is blocked")
    min_train_rows: int = Field(100, ge=10, description="fewest rows to train on")
    min_score_rows: int = Field(1, ge=1, description="fewest rows in a window to score")
    expectations: tuple[Expectation, ...] = Field((), description="checks of this pipeline's own")
