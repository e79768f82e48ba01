"""The facts a ledger keeps, as frozen values; each knows what it is before it is written.

Made by :mod:`pynomaly.steps`, written and read back by :class:`pynomaly.records.ledger.Ledger`.
Windows are named by their key (``20260105T000000Z--20260112T000000Z``), or ``all`` for a table without time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any, Protocol

from pynomaly.errors import RecordError, allowed

__all__ = ["KINDS", "Decision", "Keyed", "Observed", "Partition", "Training", "bounds", "key_of", "plain"]

KINDS = (
    "bake",
    "compare",
    "degradation",
    "drill",
    "expired",
    "pending",
    "policy",
    "promote",
    "prune",
    "quality",
    "refuse",
    "register",
    "reject",
    "retrain",
    "rollback",
    "score",
    "search",
    "silence",
    "train",
)


class Keyed(Protocol):
    """Anything that names itself by a key, as :class:`pynomaly.data.window.Window` does."""

    @property
    def key(self) -> str:
        """Text that names it, safe in file names."""


@dataclass(frozen=True)
class Decision:
    """One thing that was decided, with its reasons and what they rest on.

    Attributes
    ----------
    key : str
        Names the decision by content; recording a key twice keeps the first.
    pipeline, subject, outcome : str
        Whose, about what (``"quickstart v3"``), and what came out.
    kind : str
        One of :data:`KINDS`.
    reasons : tuple of str
        Full sentences.
    evidence : mapping
        The numbers behind the reasons; non-finite ones are kept as None.
    as_of : datetime
        The moment it speaks about (the end of a window, the time of a schedule); aware.
    at : datetime or None
        When it was recorded; set by the ledger.
    actor : str
        Who decided: ``"pynomaly"`` or a person's name.
    previous, hash : str
        Hash of the decision before it, and its own (:mod:`~pynomaly.records.ledger.chain`); set by the
        ledger.
    seq : int or None
        Place in the ledger, counting from 1; set by the ledger.
    """

    key: str
    pipeline: str
    kind: str
    subject: str
    outcome: str
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any]
    as_of: datetime
    at: datetime | None = None
    actor: str = "pynomaly"
    previous: str = ""
    hash: str = ""
    seq: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RecordError(f"unknown kind of decision {self.kind!r}; {allowed(self.kind, KINDS)}")
        object.__setattr__(self, "reasons", tuple(self.reasons))
        object.__setattr__(self, "evidence", plain(dict(self.evidence)))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        content: dict[str, Any] = plain(asdict(self))
        return content


@dataclass(frozen=True)
class Partition:
    """One scored window: the file that holds its scores, and what they came from.

    Attributes
    ----------
    window : str
        Key of the window, or ``"all"``.
    version : int
        Model version that scored.
    path, sha256 : str
        Score file and its hash.
    data_hash : str
        Hash of the rows that were scored.
    rows, alerts, quarantined : int
        Rows scored, rows alerted, rows left out.
    scored_at : datetime
        Aware.
    start, end : datetime or None
        Edges of the window; filled in from its key when left out, None for ``"all"``.
    """

    pipeline: str
    window: str
    version: int
    path: str
    sha256: str
    data_hash: str
    rows: int
    alerts: int
    quarantined: int
    scored_at: datetime
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        edges = bounds(self.window)
        if edges is not None and self.start is None and self.end is None:
            object.__setattr__(self, "start", edges[0])
            object.__setattr__(self, "end", edges[1])

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        content: dict[str, Any] = plain(asdict(self))
        return content


@dataclass(frozen=True)
class Observed:
    """What monitoring saw in one window under one model version, and the report people read.

    Attributes
    ----------
    version : int
        Model version that was watched; 0 when none was.
    observation : mapping
        ``Observation.to_dict()``.
    report : str
        Path or address of the page, or "".
    """

    pipeline: str
    window: str
    version: int
    observation: Mapping[str, Any]
    report: str
    at: datetime

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        content: dict[str, Any] = plain(asdict(self))
        return content


@dataclass(frozen=True)
class Training:
    """One training: what it learned from, and what came of it.

    Attributes
    ----------
    key : str
        Content key of the training.
    version : int or None
        Registered version; None when none was registered.
    outcome : str
        For example ``"promoted"``, ``"rejected"``, ``"failed"``.
    detail : mapping
        JSON-able facts.
    """

    key: str
    pipeline: str
    as_of: datetime
    data_hash: str
    version: int | None
    outcome: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        content: dict[str, Any] = plain(asdict(self))
        return content


def key_of(window: Keyed | str) -> str:
    """Key of a window given as itself or by its key."""
    return window if isinstance(window, str) else window.key


def bounds(key: str) -> tuple[datetime, datetime] | None:
    """Start and end of the window a key names; None for ``"all"``.

    Raises
    ------
    RecordError
        If the key is neither.
    """
    if key == "all":
        return None
    start, separator, end = key.partition("--")
    try:
        moments = tuple(datetime.fromisoformat(part) for part in (start, end))
    except ValueError as error:
        raise RecordError(_not_a_key(key)) from error
    if not separator or any(moment.tzinfo is None for moment in moments):
        raise RecordError(_not_a_key(key))
    return moments[0].astimezone(UTC), moments[1].astimezone(UTC)


def _not_a_key(key: str) -> str:
    return f"{key!r} names no window; write it like '20260105T000000Z--20260112T000000Z', or 'all'"


def plain(value: Any) -> Any:
    """Turn `value` into what JSON can hold: no NumPy types, non-finite numbers as None.

    Raises
    ------
    RecordError
        If it holds something that has no plain form.
    """
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [plain(item) for item in items]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return plain(value.tolist())
    raise RecordError(f"a {type(value).__name__} cannot be kept in the ledger: {value!r}")
