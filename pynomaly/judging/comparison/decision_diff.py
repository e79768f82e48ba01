"""Compare the alerts of champion and challenger on the same rows: what a promotion would change.

Pure: called by :mod:`pynomaly.steps.promotion.decision_diff` with rows that both models have scored; read by
the person who approves a promotion. It does not judge which model is better;
:mod:`pynomaly.judging.comparison.compare` does. Rates are alerting rows a day, or in the whole table where
there is no time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.errors import DataError
from pynomaly.judging.jsonable import to_jsonable
from pynomaly.model.explanation.reasons import Reason

__all__ = ["EXAMPLES", "DecisionDiff", "DiffExample", "ExplainRow", "diff_decisions"]

EXAMPLES = 10

Side = Literal["gained", "lost"]
ExplainRow = Callable[[int, Side], tuple[Reason, ...]]
"""Maps ``(place, side)`` to the columns that explain the alerting model's score of that row."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DiffExample:
    """One row on which the two models disagree.

    Attributes
    ----------
    side : {"gained", "lost"}
        ``gained``: only the challenger alerts; ``lost``: only the champion does.
    row : int
        Position among the compared rows, from 0.
    where : mapping
        Time and entity, where the table has them.
    champion_p, challenger_p : float
    because : tuple of Reason
        Columns that explain the score of the model that alerts.
    """

    side: Side
    row: int
    where: Mapping[str, Any]
    champion_p: float
    challenger_p: float
    because: tuple[Reason, ...]


@dataclass(frozen=True)
class DecisionDiff:
    """Champion and challenger on the same rows.

    Attributes
    ----------
    rows : int
    days : float or None
        Time span of the rows; None for a table without time, whose rates then count all its rows.
    gained, lost, same : int
        Alerts of the challenger alone, of the champion alone, of both.
    champion_per_day, challenger_per_day : float
    rank_agreement : float or None
        Spearman's correlation of the scores (1: same order); None where a model gives all rows one score.
    examples : tuple of DiffExample
        At most ten; on each side, those with the largest difference of p-values first.
    reasons : tuple of str
        The figures in sentences.
    """

    champion: str
    challenger: str
    window: str
    rows: int
    days: float | None
    gained: int
    lost: int
    same: int
    champion_per_day: float
    challenger_per_day: float
    rank_agreement: float | None
    examples: tuple[DiffExample, ...]
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def diff_decisions(
    champion: pd.DataFrame,
    challenger: pd.DataFrame,
    *,
    names: tuple[str, str],
    window: str,
    days: float | None,
    where: pd.DataFrame,
    explain: ExplainRow,
    notes: tuple[str, ...] = (),
) -> DecisionDiff:
    """Compare the alerts of two models on the same rows.

    Parameters
    ----------
    champion, challenger : DataFrame of shape (n, >= 3)
        ``score``, ``p_value`` and ``is_anomaly`` of the same rows in the same order.
    names : tuple of str
        Names of champion and challenger.
    window : str
        Name of the compared rows.
    days : float or None
        Time span of the rows.
    where : DataFrame of shape (n, k)
        Time and entity of each row, where the table has them.
    explain : callable
        Called only for the examples: at most ten rows.
    notes : tuple of str
        Further sentences for the reasons, for example on rows that were left out.

    Raises
    ------
    DataError
        If there are no rows, or the two are not of the same rows.
    """
    rows = len(champion)
    if not rows or len(challenger) != rows or len(where) != rows:
        raise DataError(
            f"{rows} rows of the champion, {len(challenger)} of the challenger; allowed: the same, 1 or more"
        )
    before = champion["is_anomaly"].to_numpy(dtype=bool)
    after = challenger["is_anomaly"].to_numpy(dtype=bool)
    gained, lost = after & ~before, before & ~after
    span = days if days else 1.0
    per_day = (before.sum() / span, after.sum() / span)
    agreement = _correlate_ranks(
        champion["score"].to_numpy(np.float64), challenger["score"].to_numpy(np.float64)
    )
    old, new = champion["p_value"].to_numpy(np.float64), challenger["p_value"].to_numpy(np.float64)
    examples = tuple(
        DiffExample(
            side, place, _locate_row(where, place), float(old[place]), float(new[place]), explain(place, side)
        )
        for side, place in _select_examples(gained, lost, old, new)
    )
    unit = "a day" if days else "in all rows"
    sentences = (
        f"{rows} rows: {int(gained.sum())} alerts gained, {int(lost.sum())} lost, "
        f"{int((before & after).sum())} the same",
        f"alerting rows {unit}: {per_day[0]:.3g} -> {per_day[1]:.3g} ({per_day[1] - per_day[0]:+.3g})",
        "the order of scores cannot be compared: one model gives all rows the same"
        if agreement is None
        else f"the order of scores agrees to {agreement:.3f} (Spearman)",
        *notes,
    )
    return DecisionDiff(
        champion=names[0],
        challenger=names[1],
        window=window,
        rows=rows,
        days=days,
        gained=int(gained.sum()),
        lost=int(lost.sum()),
        same=int((before & after).sum()),
        champion_per_day=float(per_day[0]),
        challenger_per_day=float(per_day[1]),
        rank_agreement=agreement,
        examples=examples,
        reasons=sentences,
    )


def _select_examples(
    gained: npt.NDArray[np.bool_], lost: npt.NDArray[np.bool_], old: Array, new: Array
) -> list[tuple[Side, int]]:
    """Return the rows whose p-values differ most, half from each side, or more where the other has fewer."""
    log_ratio = np.abs(np.log(np.maximum(old, 1e-300)) - np.log(np.maximum(new, 1e-300)))

    def rank_places(mask: npt.NDArray[np.bool_]) -> list[int]:
        places = np.flatnonzero(mask)
        return [int(place) for place in places[np.argsort(-log_ratio[places], kind="stable")]]

    first, second = rank_places(gained), rank_places(lost)
    half = EXAMPLES // 2
    n_lost = min(len(second), max(half, EXAMPLES - len(first)))
    n_gained = min(len(first), EXAMPLES - n_lost)
    return [("gained", place) for place in first[:n_gained]] + [("lost", place) for place in second[:n_lost]]


def _locate_row(where: pd.DataFrame, place: int) -> dict[str, Any]:
    row = where.iloc[place]
    return {str(name): _format_cell(row[name]) for name in where.columns}


def _format_cell(value: Any) -> Any:
    return value.isoformat() if isinstance(value, pd.Timestamp) else str(value)


def _correlate_ranks(first: Array, second: Array) -> float | None:
    """Return the correlation of average ranks; None where one side is constant."""
    from scipy.stats import rankdata

    a, b = rankdata(first), rankdata(second)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(np.clip((a @ b) / scale, -1, 1)) if scale > 0 else None
