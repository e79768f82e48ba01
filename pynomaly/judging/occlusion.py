"""Which columns a score rests on: each is set to its usual value in turn, and the score falls or does not.

Faithful to the detector, whatever it is, because the detector itself is asked (Zeiler and Fergus 2014,
section 4.2, call it occlusion). It looks at one column at a time: where two columns say the same, hiding one
of them changes little, and neither is named. One call of the detector with as many rows as columns; columns
beyond :data:`MOST_COLUMNS` are left out, those nearest to usual first. For single rows, never for tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.judging.plain import plain
from pynomaly.model.sketch import NumericSketch, Sketch

__all__ = ["MOST_COLUMNS", "Occluded", "occlude"]

MOST_COLUMNS = 256


@dataclass(frozen=True)
class Occluded:
    """One column's part in one row's score.

    Attributes
    ----------
    column : str
    value, usual : float, str or None
        What the row holds, and the reference's median or most frequent category; None is missing.
    fall : float
        Score of the row less its score with the usual value, in the detector's own unit; above 0.
    """

    column: str
    value: float | str | None
    usual: float | str | None
    fall: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(plain(self))


def occlude(
    row: pd.DataFrame, reference: Sketch, score: Callable[[pd.DataFrame], NDArray[np.float64]], most: int = 3
) -> tuple[Occluded, ...]:
    """Columns of `row` without which it would score lower, the largest fall first.

    Parameters
    ----------
    row : DataFrame of shape (1, >= d)
        Conformed: numbers float64, categories text; further columns (a time) are left as they are.
    reference : Sketch
        Of the rows the model learned from.
    score : callable
        Rows of the shape of `row` to their scores.
    most : int
        Columns to name.

    Returns
    -------
    tuple of Occluded
        At most `most`; empty where no single column lowers the score.
    """
    names = _furthest(row, reference)
    if not names:
        return ()
    table = pd.concat([row] * (len(names) + 1), ignore_index=True)
    usual = {name: _usual(reference, name) for name in names}
    for place, name in enumerate(names, start=1):
        column = table[name].to_numpy(copy=True)
        column[place] = np.nan if usual[name] is None and name in reference.numeric else usual[name]
        table[name] = column
    scores = np.asarray(score(table), dtype=np.float64)
    falls = scores[0] - scores[1:]
    # Rounding is no fall: a detector gives equal scores up to the last bits.
    floor = 1e-9 * max(1.0, abs(float(scores[0])))
    order = [int(place) for place in np.argsort(-falls, kind="stable") if falls[place] > floor]
    return tuple(
        Occluded(
            names[place], _plain(row[names[place]].iloc[0]), _plain(usual[names[place]]), float(falls[place])
        )
        for place in order[:most]
    )


def _usual(reference: Sketch, name: str) -> float | str | None:
    if name in reference.numeric:
        median = reference.numeric[name].quantile(0.5)
        return median if math.isfinite(median) else None
    counts = reference.categorical[name].counts
    return next(iter(counts), None)


def _furthest(row: pd.DataFrame, reference: Sketch) -> list[str]:
    """The columns to try, in their own order; of too many, those furthest from usual in ranks."""
    names = [str(name) for name in row if name in reference.numeric or name in reference.categorical]
    if len(names) <= MOST_COLUMNS:
        return names
    rarest = sorted(names, key=lambda name: -_distance(row[name].iloc[0], name, reference))
    kept = set(rarest[:MOST_COLUMNS])
    return [name for name in names if name in kept]


def _distance(value: Any, name: str, reference: Sketch) -> float:
    """How far from the middle of the reference: 0 is the median, 0.5 is outside."""
    if name not in reference.numeric:
        column = reference.categorical[name]
        return 0.5 * (1 - column.counts.get(str(value), 0) / column.n) if column.n else 0.0
    sketch: NumericSketch = reference.numeric[name]
    if not sketch.n or not math.isfinite(value):
        return 0.5
    low, high = sketch.bounds(np.asarray([value], dtype=np.float64))
    return abs(float(low[0] + high[0]) / 2 - 0.5)


def _plain(value: Any) -> float | str | None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, str) else float(value)
