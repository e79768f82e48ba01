"""Cells of the week: which cell a row lies in, and how fine the cells can be for given rows.

Hours of the week count from Monday 00:00 UTC. A level can be used if nearly all rows lie in cells that have
enough rows, in enough different weeks (days, for hours of the day). Called by
:mod:`pynomaly.model.sketch.baseline` and by the comparison of sketches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "HOURS_PER_WEEK",
    "LEVELS",
    "LEVEL_NAMES",
    "MIN_CELL_ROWS",
    "count_per_cell",
    "finest_level",
    "hours_of_week",
]

Ints = npt.NDArray[np.int64]

HOURS_PER_WEEK = 168
MIN_CELL_ROWS = 20
"""Fewest rows for a cell to be compared by itself."""

LEVELS: dict[str, tuple[int, Callable[[Ints], Ints]]] = {
    "hour_of_week": (168, lambda hours: hours),
    "quarter_of_week": (28, lambda hours: hours // 6),
    "day_of_week": (7, lambda hours: hours // 24),
    "hour_of_day": (24, lambda hours: hours % 24),
    "none": (1, lambda hours: np.zeros_like(hours)),
}
"""By level, the number of cells and a function from hour of the week to cell; finest first."""

LEVEL_NAMES = {
    "hour_of_week": "the same hours of the week",
    "quarter_of_week": "the same six-hour parts of the week",
    "day_of_week": "the same days of the week",
    "hour_of_day": "the same hours of the day",
    "none": "the whole reference",
}

_MIN_COVERED_SHARE = 0.95


def hours_of_week(times: pd.Series[Any]) -> Ints:
    """Return the hour of the week of each aware time, int array of shape (n,); 0 is Monday 00:00 UTC."""
    clock = pd.DatetimeIndex(times).tz_convert("UTC")
    return np.asarray(clock.dayofweek * 24 + clock.hour, dtype=np.int64)


def count_per_cell(counts: npt.ArrayLike, level: str) -> Ints:
    """Return the rows in each cell of `level`, given `counts` of rows in the 168 hours of the week."""
    cells, cell_of = LEVELS[level]
    return np.bincount(
        cell_of(np.arange(HOURS_PER_WEEK)), weights=np.asarray(counts), minlength=cells
    ).astype(np.int64)


def finest_level(times: pd.Series[Any], seasons: int, most: int) -> str:
    """Return the finest level that `times` support.

    Parameters
    ----------
    times : Series of shape (n,)
        Aware times of the rows.
    seasons : int
        Number of different weeks (days) in which a cell must have been seen.
    most : int
        Largest number of cells; it bounds the size.
    """
    hours = hours_of_week(times)
    days = pd.DatetimeIndex(times).tz_convert("UTC").as_unit("s").asi8 // 86_400
    for level, (cells, cell_of) in LEVELS.items():
        if level == "none":
            break
        if cells > most:
            continue
        cell = cell_of(hours)
        period = days if level == "hour_of_day" else (days + 3) // 7  # 1970-01-01 was a Thursday
        cells_of_periods = np.unique(np.stack([cell, period]), axis=1)[0]
        enough = (np.bincount(cells_of_periods, minlength=cells) >= seasons) & (
            np.bincount(cell, minlength=cells) >= MIN_CELL_ROWS
        )
        if enough[cell].mean() >= _MIN_COVERED_SHARE:
            return level
    return "none"
