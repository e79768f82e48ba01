"""The report on the drift of one window: what each test gave, and the verdict.

Effect sizes are between 0 and 1. Written by :mod:`pynomaly.judging.drift.window_drift`, read by
everything that judges or shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pynomaly.judging.jsonable import to_jsonable
from pynomaly.model.sketch.seasons import LEVEL_NAMES

__all__ = ["BY_SEVERITY", "ColumnDrift", "DriftReport", "Kind", "Status"]

Status = Literal["ok", "warning", "drift", "insufficient_data"]
BY_SEVERITY: tuple[Status, ...] = ("insufficient_data", "ok", "warning", "drift")
Kind = Literal["numeric", "category", "missing", "score", "joint"]


@dataclass(frozen=True)
class ColumnDrift:
    """One test of one column.

    Attributes
    ----------
    name : str
        The column, ``score``, or ``(together)``.
    kind : {"numeric", "category", "missing", "score", "joint"}
        Kind of test: Kolmogorov-Smirnov distance of numbers or scores, total variation of categories,
        difference of missing shares, or reconstruction error along principal directions.
    status : {"ok", "warning", "drift", "insufficient_data"}
        ``drift`` where the effect is strong and the detector uses the column.
    effect : float
        That of the window by the test of its kind or, where it is larger, the Kolmogorov distance of its
        windows together (:attr:`CarriedShift.effect`), which the message then names. NaN without a test.
    p_value, corrected : float
        Of the window alone, `corrected` after Benjamini-Hochberg over the report; NaN without a test.
    message : str
    importance : float or None
        Share of the detector's ranking that depends on the column; None where it is not known.
    """

    name: str
    kind: Kind
    status: Status
    effect: float
    p_value: float
    corrected: float
    message: str
    importance: float | None = None

    @property
    def drifted(self) -> bool:
        """Whether the change is both significant and large enough."""
        return self.status in ("warning", "drift")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


@dataclass(frozen=True)
class DriftReport:
    """Drift of every column of a window against the reference.

    Attributes
    ----------
    status, columns_status : {"ok", "warning", "drift", "insufficient_data"}
        Status of the columns, with the joint test and without it. The score is judged separately: it can
        drift when no column does, and the reverse.
    columns : tuple of ColumnDrift
    score : ColumnDrift or None
        None when one of the sketches has no scores.
    share : float
        Share of columns that drifted by ``drift.effect`` or more, weighted by their importance.
    reasons : tuple of str
    joint : ColumnDrift or None
        Test of the joint distribution of number columns; None where the reference does not allow it.
    season : str
        Seasons of the reference that were compared: a level of :data:`pynomaly.model.sketch.seasons.LEVELS`.
    blocks : int
        Number of reference windows from which the noise was estimated; 0: rows were assumed independent.
    worth : float or None
        Number of independent windows that they are worth, the median over the columns; None where it is not
        known.
    levels : mapping of str to float
        Mean rank of the window's values among those of the reference, by column and for ``(score)``; they are
        kept for later windows, and in no dictionary.
    """

    status: Status
    columns: tuple[ColumnDrift, ...]
    score: ColumnDrift | None
    share: float
    reasons: tuple[str, ...]
    joint: ColumnDrift | None = None
    season: str = "none"
    blocks: int = 0
    columns_status: Status = "insufficient_data"
    worth: float | None = None
    levels: Mapping[str, float] = field(default_factory=dict)

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the drifted columns, without repetition."""
        return tuple(dict.fromkeys(column.name for column in self.columns if column.drifted))

    @property
    def basis(self) -> str:
        """Description of what the window was compared with."""
        if not self.blocks:
            return "compared with the whole reference, its rows taken for independent"
        width = f"tests as wide as {self.blocks} windows of the reference"
        if self.worth is not None and self.worth < 0.9 * self.blocks:
            width += f", worth {self.worth:.2g} independent ones"
        return f"compared with {LEVEL_NAMES[self.season]}; {width}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        content = dict(to_jsonable(self)) | {"basis": self.basis}
        return {name: value for name, value in content.items() if name != "levels"}
