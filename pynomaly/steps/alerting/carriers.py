"""Find the columns that contribute most to a row's score; alerts get their reasons only from here.

Called by :mod:`pynomaly.steps.alerting.raise_alerts` and for rows of a stream. The explanation method may
change: callers see only columns, values and shares.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.judging.alerts.alert import Carrier
from pynomaly.model.bundle import Bundle
from pynomaly.model.sketch.sketch import Sketch

__all__ = ["choose_explained_rows", "find_carriers"]


def choose_explained_rows(scores: pd.DataFrame, most: int) -> npt.NDArray[np.int64]:
    """Return positions in `scores` of the `most` alerting rows with the smallest p-values, ascending."""
    rows = np.flatnonzero(scores["is_anomaly"].to_numpy(dtype=bool))
    p_values = scores["p_value"].to_numpy()
    return np.sort(rows[np.argsort(p_values[rows], kind="stable")][:most])


def find_carriers(bundle: Bundle, rows: pd.DataFrame, most: int = 3) -> list[tuple[Carrier, ...]]:
    """Return for each row of a DataFrame of shape (n, >= d) the columns that carry its score.

    Returns
    -------
    list of tuple of Carrier
        At most `most` a row, the strongest first; none where no column does. A row has the same in any
        batch. Cost: see :meth:`Bundle.explain`; many rows at once cost half of what they cost one by one.
    """
    return [
        tuple(
            Carrier(
                reason.column,
                reason.value,
                reason.usual,
                reason.share,
                _tail_share(bundle.sketch, reason.column, reason.value),
                str(reason.past or ""),
            )
            for reason in explanation.reasons
        )
        for explanation in bundle.explain(rows, most)
    ]


def _tail_share(sketch: Sketch, name: str, value: Any) -> float | None:
    """Return the two-sided share of the reference at least as extreme as `value`; a category's own share."""
    if name not in sketch.numeric and name not in sketch.categorical:
        return None  # the time column, under features.calendar
    if name in sketch.categorical:
        column = sketch.categorical[name]
        return column.counts.get(str(value), 0) / column.n if column.n else None
    numbers = sketch.numeric[name]
    if not numbers.n or value is None or not math.isfinite(float(value)):
        return None
    point = np.asarray([value], dtype=np.float64)
    through, below = numbers.bounds(point)[1][0], numbers.bounds(point, strict=True)[0][0]
    return float(min(1.0, 2.0 * min(through, 1.0 - below)))
