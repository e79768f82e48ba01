"""The reference's own windows, and how many independent ones they are worth.

A window of a slow column repeats what the window before said. The level is the mean rank of rows among all
rows of the reference in the same cell of the week, over short pieces of its time; how long neighbouring
pieces stay alike is measured there, and bounded on the safe side. Called by
:mod:`pynomaly.model.sketch.baseline`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.model.dependence.autocorrelation import MIN_SERIES_ROWS, measure_persistence
from pynomaly.model.sketch.seasons import MIN_CELL_ROWS

__all__ = ["ReferenceWindows", "rank_bins"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ENOUGH_WINDOWS = 8
MAX_PIECES, PIECE_MOMENTS = 512, 4
CHANCE = 0.05
"""Chance that independent pieces are taken for dependent; a longer wander only weakens a verdict."""


@dataclass(frozen=True, eq=False)
class ReferenceWindows:
    """The reference cut into windows, as long as a later one where eight of those fit.

    Attributes
    ----------
    places : list of int array
        Places of the rows of each window, in order of time.
    block, length : int
        Seconds of these windows, and of a later one, which may be longer.
    piece : int array of shape (n,)
        Short piece of time that each row is of, from 0: at most 512, with as many moments each. Hours without
        rows are in none.
    thin : float
        Rows of a later window, in as much time, for each row of these windows.
    """

    places: list[Ints]
    block: int
    length: int
    piece: Ints
    thin: float = 1.0

    @classmethod
    def split(cls, times: pd.Series[Any], length: pd.Timedelta, thin: float = 1.0) -> ReferenceWindows:
        """Cut rows by their `times`, Series of shape (n,), without incomplete windows."""
        seconds = pd.DatetimeIndex(times).tz_convert("UTC").as_unit("s").asi8 - 345_600  # a Monday
        span = int(seconds.max() - seconds.min()) + 1
        whole = int(length.total_seconds())
        shorter = [whole, *(part for part in (86_400, 21_600, 3_600) if part < whole), max(1, span // 16)]
        size = next((part for part in shorter if span // part >= ENOUGH_WINDOWS), shorter[-1])
        number = seconds // size
        order = np.argsort(number, kind="stable")
        windows = np.split(order, np.flatnonzero(np.diff(number[order])) + 1)
        fewest_rows = np.median([window.size for window in windows]) / 2
        kept = [window for window in windows if window.size >= fewest_rows]
        moments, moment = np.unique(seconds, return_inverse=True)
        count = int(np.clip(moments.size // PIECE_MOMENTS, 1, MAX_PIECES))
        return cls(kept, size, whole, (moment * count // moments.size).astype(np.int64), thin)

    @property
    def span(self) -> float:
        """Seconds of all windows together."""
        return float(len(self.places) * self.block)

    def count_independent(self, values: Array, least: float = 0.0) -> tuple[float, float]:
        """Return how many independent windows the windows are worth, and how long their level wanders.

        Parameters
        ----------
        values : array of shape (n,)
            Of each row; NaN counts for nothing.
        least : float
            Seconds for which the level wanders at least.

        Returns
        -------
        worth, wander : float
            0 and infinity where the reference is too short to show how long its level wanders, as fewer than
            8 pieces are. `wander` is an upper bound (one-sided 95 %) of the autocorrelation time of the
            level, in seconds.
        """
        present = np.isfinite(values)
        rows = np.bincount(self.piece[present])
        sums = np.bincount(self.piece[present], values[present])
        levels = sums[rows > 0] / rows[rows > 0]
        if levels.size < MIN_SERIES_ROWS:
            return 0.0, math.inf
        pieces = measure_persistence(levels, np.zeros(levels.size, dtype=np.int64), chance=CHANCE).upper
        wander = max(least, pieces * self.span / levels.size)
        return self.span / max(self.block, wander), wander

    def lengthen(self, wander: float) -> float:
        """Return how much larger the excess over independent rows may be in a later window than in these.

        Rows of a longer window are more, and alike for as long as the level wanders.

        Parameters
        ----------
        wander : float
            Upper bound of the autocorrelation time of the level, in seconds.
        """
        return self.thin * min(max(1.0, self.length / self.block), max(1.0, wander / self.block))


def rank_bins(counts: Ints) -> Array:
    """Return the mean rank of each bin among the rows of its cell, from -1/2 to 1/2; missing cells are NaN.

    Parameters
    ----------
    counts : int array of shape (cells, bins + 1)
        Rows of the reference; the last bin counts missing cells. Cells with few rows are ranked among all.
    """
    present = counts[:, :-1].astype(np.float64)
    few = present.sum(axis=1) < MIN_CELL_ROWS
    present[few] = present.sum(axis=0)
    size = np.maximum(1.0, present.sum(axis=1, keepdims=True))
    ranks = (np.cumsum(present, axis=1) - present / 2) / size - 0.5
    return np.concatenate([ranks, np.full((len(ranks), 1), np.nan)], axis=1)
