"""What an explanation consists of: the columns of a row, their parts, and what their past had one expect.

Built by :mod:`pynomaly.model.explanation.explain`; shown by pages, the command line and the server.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pynomaly.detectors.attributions import ExplanationMethod

__all__ = ["Explanation", "PastReason", "Reason"]


@dataclass(frozen=True)
class PastReason:
    """What the strongest member of a detector that looks back sees in one column of one row.

    Attributes
    ----------
    member : str
        What it compares, in words.
    ratio : float
        How many times the usual amount it measures: nine of ten rows of the reference stay below 1.
    until : str
        Time of the last value that it compares: the row's, unless an earlier or later value weighs more.
    nearest : str or None
        Time of the last value of the nearest window of the reference; None where no windows are compared.
    """

    member: str
    ratio: float
    until: str
    nearest: str | None = None

    def __str__(self) -> str:
        nearest = f", nearest to the reference's of {self.nearest[:19]}" if self.nearest else ""
        return f"{self.member} up to {self.until[:19]}: {self.ratio:.3g} times the usual{nearest}"


@dataclass(frozen=True)
class Reason:
    """One column's part of one row's score.

    Attributes
    ----------
    column : str
    source : str
        The measured column behind it: ``temp`` of ``temp:change``, else the column itself.
    value, usual : float, str or None
        Value in the row, and value expected from the rest of the row; None is missing.
    part : float
        Contribution of the column to the score, in the detector's own unit; may be negative.
    fall : float
        Score of the row minus its score with the expected value in this column.
    share : float
        Weight of the column (the larger of the two) among all positive weights; from 0 to 1.
    low, high : float or None
        Between them lie about 95 % of the rows of the same entity: its level, less and plus two scales. None
        where the entity has no baseline of its own.
    past : PastReason or None
        What the strongest member of a detector that looks back sees in the column; None for other detectors.
        What it expects is then `usual`, if it expects a value.
    """

    column: str
    source: str
    value: float | str | None
    usual: float | str | None
    part: float
    fall: float
    share: float
    low: float | None = None
    high: float | None = None
    past: PastReason | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Explanation:
    """Explanation of the score of one row.

    Attributes
    ----------
    method : str
        How the score was divided: the detector's own paths, terms or members; occlusion, shap or lime.
    score, base : float
        The score of the row, and its remainder without the parts of the columns.
    parts : dict of str to float
        Part of every column, named or not; negative where a column makes the row look normal.
    reasons : tuple of Reason
        The columns that raise the score most, the strongest first.
    additive : bool
        Whether parts and base sum to the score; base is then the score of an entirely expected row.
    left_out : int
        Number of columns that were not tried.
    """

    method: ExplanationMethod
    score: float
    base: float
    parts: dict[str, float]
    reasons: tuple[Reason, ...]
    additive: bool
    left_out: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"reasons": [reason.to_dict() for reason in self.reasons]}
