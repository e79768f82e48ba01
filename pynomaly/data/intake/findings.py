"""What the reading of a table chose: small frozen records with their reasons.

A reading is made once by :func:`pynomaly.data.intake.read_table` and drives the drafted YAML, the table on
the screen and ``init --json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pynomaly.data.intake.context import Context

__all__ = ["ROLES", "Choice", "ColumnReading", "Reading", "Sureness", "TimeReading", "Unreadable"]

Sureness = Literal["sure", "likely", "doubtful"]

ROLES: dict[str, str] = {
    "time": "when a row happened",
    "entity": "whose row it is",
    "end": "an entity that a row leads from or to, described by its past",
    "label": "what is known afterwards: 1 anomaly, 0 normal",
    "truth": "known only afterwards, so it is left out",
    "number": "a numeric feature",
    "category": "a feature with few different values",
    "counter": "a number that only rises, read as its increase",
    "constant": "a feature with one value so far",
    "duplicate": "a feature with the same values as another so far",
    "identifier": "a name or number of the row or of a thing, left out",
    "text": "free text, left out",
    "empty": "no value in any row, left out",
}
"""Every role of a column, with what it means."""

FEATURE_ROLES = ("number", "category", "counter", "constant", "duplicate")
"""Roles of columns that a model reads."""


@dataclass(frozen=True)
class Choice:
    """One choice about the file as a whole.

    Attributes
    ----------
    setting : str
        Key under ``data`` that changes it.
    value : object
        What was chosen, as it stands in the YAML.
    why : str
    sure : {"sure", "likely", "doubtful"}
    otherwise : tuple of str
        What else it could be.
    """

    setting: str
    value: object
    why: str
    sure: Sureness = "sure"
    otherwise: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unreadable:
    """A cell that cannot be read, as it stands in the file; `line` counts from 1."""

    line: int
    column: str
    cell: str


@dataclass(frozen=True)
class TimeReading:
    """The time of the rows.

    Attributes
    ----------
    columns : tuple of str
        One column, or several that are joined.
    format : str
        ``iso``, a strptime format, or the unit of an epoch.
    zone : str or None
        Zone that is assumed for times without an offset; None if they have one.
    first, last : str
        ISO 8601, in UTC.
    otherwise : tuple of str
        Other formats under which every cell reads: day and month may be exchanged.
    """

    columns: tuple[str, ...]
    format: str
    zone: str | None
    first: str
    last: str
    otherwise: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColumnReading:
    """What one column is.

    Attributes
    ----------
    name, role : str
        The role is a key of :data:`ROLES`.
    why : str
    sure : {"sure", "likely", "doubtful"}
    example : str
        A cell as it stands in the file.
    unreadable : int
        Cells of the sample that are neither empty nor of the column's kind.
    cells : tuple of Unreadable
        The first three of them.
    otherwise : str
        The setting that would change the role.
    """

    name: str
    role: str
    why: str
    sure: Sureness = "sure"
    example: str = ""
    unreadable: int = 0
    cells: tuple[Unreadable, ...] = ()
    otherwise: str = ""

    @property
    def is_feature(self) -> bool:
        """Whether a model reads the column."""
        return self.role in FEATURE_ROLES


@dataclass(frozen=True)
class Reading:
    """How a table is read, with the reasons.

    Attributes
    ----------
    file, kind : str
        The path as given, and the kind of source.
    rows : int
        Rows of the table; estimated from its lines if the file is long.
    sampled : int
        Rows that were looked at.
    header_line : int or None
        Line of the header, counted from 1; None without one.
    choices : tuple of Choice
        Encoding, separator, marks and the like: what differs from the default, and what is doubtful.
    time : TimeReading or None
    label, id : str or None
    columns : tuple of ColumnReading
        Every column, in the order of the file.
    notes : tuple of str
        What else a reader should know: a totals row, a long table, a season, what was joined.
    problems : tuple of str
        Why the draft cannot train yet, and the setting to change; empty if it can.
    data : dict
        Settings under ``data``, without ``source`` and ``path``.
    blocks : dict
        Settings of the other blocks (windows, training ...), with their comments.
    context : Context
        What the rows show of time, and whether detectors look back.
    """

    file: str
    kind: str
    rows: int
    sampled: int
    header_line: int | None
    choices: tuple[Choice, ...]
    time: TimeReading | None
    label: str | None
    id: str | None
    columns: tuple[ColumnReading, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    blocks: Mapping[str, Mapping[str, tuple[Any, str]]] = field(default_factory=dict)
    context: Context = field(default_factory=Context)

    @property
    def left_out(self) -> tuple[ColumnReading, ...]:
        """Columns that are neither a feature nor time, entity or label."""
        return tuple(
            column
            for column in self.columns
            if not column.is_feature and column.role not in ("time", "entity", "label", "end")
        )
