"""The facts that a ledger stores, as frozen dataclasses that check themselves before they are written.

Made by :mod:`pynomaly.steps`, written and read back by :class:`pynomaly.records.ledger.Ledger`.
Windows are named by their key (``20260105T000000Z--20260112T000000Z``), or ``all`` for a table without time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any, Protocol

from sqlalchemy import Row

from pynomaly.errors import RecordError, list_allowed
from pynomaly.records.ledger.evidence_base import DecisionEvidence
from pynomaly.records.ledger.outcomes import DECISION_KINDS, DECISION_OUTCOMES, matches_outcome
from pynomaly.records.ledger.training_detail import RegistrationResult, TrainedBaseline, TrainingFacts

__all__ = [
    "Decision",
    "HasKey",
    "ObservationRecord",
    "Partition",
    "TrainingRecord",
    "as_decision",
    "as_observation",
    "as_partition",
    "as_training",
    "parse_window_key",
    "to_json",
    "window_key",
]

_FORMER_KINDS = ("compare",)
"""Kinds that older versions of Pynomaly wrote: read, and no longer written."""


class HasKey(Protocol):
    """An object with a key, such as :class:`pynomaly.data.window.Window`."""

    @property
    def key(self) -> str:
        """Text that identifies the object and is safe in file names."""


@dataclass(frozen=True)
class Decision:
    """One decision, with its reasons and the evidence for them.

    Attributes
    ----------
    key : str
        Identifies the decision by its content; if a key is recorded twice, the first row stays.
    pipeline, subject, outcome : str
        Name of the pipeline, what the decision is about (``"quickstart v3"``), and its result.
    kind : str
        One of :data:`DECISION_KINDS`; an old ledger may have one that is no longer written.
    reasons : tuple of str
        Full sentences.
    evidence : mapping
        The numbers behind the reasons, stored as plain values and non-finite ones as None. Made from a
        class of :mod:`~pynomaly.records.ledger.decision_evidence`, which also reads it back.
    as_of : datetime
        The time that the decision refers to (the end of a window, the time of a schedule); aware.
    at : datetime or None
        When the decision was recorded; set by the ledger.
    actor : str
        Who made it: ``"pynomaly"`` or a person's name.
    previous, hash : str
        Hash of the decision before it, and its own hash (:mod:`~pynomaly.records.ledger.chain`); set by
        the ledger.
    seq : int or None
        Position in the ledger, counted from 1; set by the ledger.
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
        if self.kind not in DECISION_KINDS and not (self.kind in _FORMER_KINDS and self.previous):
            raise RecordError(
                f"unknown kind of decision {self.kind!r}; {list_allowed(self.kind, DECISION_KINDS)}"
            )
        if isinstance(self.evidence, DecisionEvidence):
            self._check_typed(self.evidence)
        object.__setattr__(self, "reasons", tuple(self.reasons))
        object.__setattr__(self, "evidence", to_json(dict(self.evidence)))

    def _check_typed(self, evidence: DecisionEvidence) -> None:
        """Raise RecordError if the evidence is that of another kind, or the outcome is not a known one."""
        if self.kind not in evidence.kinds:
            raise RecordError(
                f"a decision of kind {self.kind!r} with {type(evidence).__name__}, which belongs to "
                f"{' or '.join(evidence.kinds)}"
            )
        if not matches_outcome(self.kind, self.outcome):
            allowed = list_allowed(self.outcome, DECISION_OUTCOMES[self.kind])
            raise RecordError(f"unknown outcome {self.outcome!r} of a decision {self.kind!r}; {allowed}")

    @property
    def version(self) -> int | None:
        """The version that the decision is about; None if it is about none."""
        return self.evidence.get("version")

    @property
    def replaces(self) -> int | None:
        """The champion that the version takes the place of, or was compared with; None without one."""
        return self.evidence.get("replaces")

    @property
    def answered_key(self) -> str | None:
        """Key of the pending promotion that the decision ends, or None."""
        return self.evidence.get("pending")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        content: dict[str, Any] = to_json(asdict(self))
        return content


@dataclass(frozen=True)
class Partition:
    """One scored window: the file with its scores, the model version and the data.

    Attributes
    ----------
    window : str
        Key of the window, or ``"all"``.
    version : int
        Model version that scored.
    path, sha256 : str
        Score file, relative to the store's root, and its hash. Older versions of Pynomaly wrote the whole
        path: ``Store.locate_file`` reads both.
    data_hash : str
        Hash of the rows that were scored.
    rows, alerts, quarantined : int
        Rows scored, rows alerted, rows left out.
    scored_at : datetime
        Aware.
    start, end : datetime or None
        Bounds of the window; taken from its key when left out, None for ``"all"``.
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
        edges = parse_window_key(self.window)
        if edges is not None and self.start is None and self.end is None:
            object.__setattr__(self, "start", edges[0])
            object.__setattr__(self, "end", edges[1])

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        content: dict[str, Any] = to_json(asdict(self))
        return content


@dataclass(frozen=True)
class ObservationRecord:
    """The observation that monitoring made of one window under one model version, and its report.

    Attributes
    ----------
    version : int
        Model version that was monitored; 0 without one.
    observation : mapping
        ``Observation.to_dict()``.
    report : str
        Report page, relative to the store's root, or ""; older versions of Pynomaly wrote the whole path.
    """

    pipeline: str
    window: str
    version: int
    observation: Mapping[str, Any]
    report: str
    at: datetime

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        content: dict[str, Any] = to_json(asdict(self))
        return content


@dataclass(frozen=True)
class TrainingRecord:
    """One training: its data and its outcome.

    Attributes
    ----------
    key : str
        Content key of the training.
    version : int or None
        Registered version; None if none was registered.
    outcome : str
        ``"registered"`` until it is decided about, then the kind of the decision (``"promote"``,
        ``"refuse"``, ``"pending"`` ...), or ``"abandoned"``.
    detail : mapping
        Further facts as they are stored; read them through :attr:`facts`.
    """

    key: str
    pipeline: str
    as_of: datetime
    data_hash: str
    version: int | None
    outcome: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None

    @property
    def facts(self) -> TrainingFacts:
        """The stored facts, typed; RecordError if what was registered is incomplete."""
        return TrainingFacts.from_dict(self.detail)

    @property
    def registered(self) -> RegistrationResult | None:
        """What the training registered, or None."""
        return self.facts.registered

    @property
    def baseline(self) -> TrainedBaseline:
        """What later windows are compared with; empty if nothing was registered."""
        facts = self.facts
        if facts.registered is None:
            return TrainedBaseline()
        return replace(facts.registered.baseline, judged=facts.judged)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        content: dict[str, Any] = to_json(asdict(self))
        return content


def window_key(window: HasKey | str) -> str:
    """Return the key of a window; a key is returned as it is."""
    return window if isinstance(window, str) else window.key


def parse_window_key(key: str) -> tuple[datetime, datetime] | None:
    """Return start and end, in UTC, of the window that a key names; None for ``"all"``.

    Raises
    ------
    RecordError
        If the key is neither a window nor ``"all"``.
    """
    if key == "all":
        return None
    start, separator, end = key.partition("--")
    try:
        moments = tuple(datetime.fromisoformat(part) for part in (start, end))
    except ValueError as error:
        raise RecordError(_describe_bad_key(key)) from error
    if not separator or any(moment.tzinfo is None for moment in moments):
        raise RecordError(_describe_bad_key(key))
    return moments[0].astimezone(UTC), moments[1].astimezone(UTC)


def _describe_bad_key(key: str) -> str:
    return f"{key!r} names no window; write it like '20260105T000000Z--20260112T000000Z', or 'all'"


def to_json(value: Any) -> Any:
    """Convert `value` to types that JSON can hold: no NumPy types, non-finite numbers as None.

    Raises
    ------
    RecordError
        If it contains a value that JSON cannot hold.
    """
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [to_json(item) for item in items]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, PurePath):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return to_json(value.tolist())
    raise RecordError(f"a {type(value).__name__} cannot be kept in the ledger: {value!r}")


def as_decision(row: Row[Any]) -> Decision:
    """Convert a row of the table ``decisions``."""
    content = dict(row._mapping)
    return Decision(**{**content, "reasons": tuple(content["reasons"])})


def as_partition(row: Row[Any]) -> Partition:
    """Convert a row of the table ``partitions``."""
    return Partition(**dict(row._mapping))


def as_observation(row: Row[Any]) -> ObservationRecord:
    """Convert a row of the table ``observations``."""
    content = dict(row._mapping)
    return ObservationRecord(
        **{name: value for name, value in content.items() if name not in ("start", "end")}
    )


def as_training(row: Row[Any]) -> TrainingRecord:
    """Convert a row of the table ``trainings``."""
    content = dict(row._mapping)
    content.pop("seq")
    return TrainingRecord(**content)
