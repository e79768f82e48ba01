"""Text cells to values: each column gets a profile, and stays unread where it cannot be read.

The marks of a file are decided by all its columns together, because one file has one way to write numbers.
Called by ``reading``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["NUMBER_KINDS", "Profile"]

NUMBER_KINDS = ("point", "point3", "comma", "comma3", "commas", "points", "spaced")


@dataclass
class Profile:
    """What the cells of one column are.

    Attributes
    ----------
    name : str
    cells : Series of str
        As they stand in the file.
    counts : Counter
        How often each different cell occurs, without the empty ones.
    kinds : dict
        How many cells look like what (:func:`pynomaly.data.intake.cells.spelling.classify_cell`).
    numbers : ndarray of shape (n,)
        The numbers; NaN where the cell is none.
    is_number : bool
        Whether most of its cells are numbers.
    style : str
        ``plain``, ``marked`` (a unit, a currency, a percent sign) or ``magnitude`` (K, M, B).
    missing : tuple of str
        Cells that mean missing and need a setting.
    sentinels : tuple of str
        Numbers that mean missing.
    unreadable : int
        Cells of a column of numbers that are neither a number nor missing.
    """

    name: str
    cells: pd.Series[Any]
    counts: Counter[str]
    kinds: dict[str, int]
    numbers: np.ndarray[Any, np.dtype[np.float64]]
    is_number: bool = False
    style: str = "plain"
    missing: tuple[str, ...] = ()
    sentinels: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = field(default_factory=tuple)

    @property
    def distinct(self) -> int:
        """How many different cells it has, without the empty ones."""
        return len(self.counts)

    @property
    def filled(self) -> int:
        """How many cells are neither empty nor a mark of a missing value."""
        return sum(count for cell, count in self.counts.items() if cell not in self.missing)

    @property
    def present(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The numbers, without missing values and sentinels."""
        values: np.ndarray[Any, np.dtype[np.float64]] = self.numbers[np.isfinite(self.numbers)]
        return values

    @property
    def is_whole(self) -> bool:
        """Whether all its numbers are whole."""
        values = self.present
        return bool(len(values)) and bool((values == np.round(values)).all())

    @property
    def example(self) -> str:
        """The first cell that is neither empty nor a mark of a missing value."""
        marks = {*self.missing, *self.sentinels}
        return next((cell for cell in self.counts if cell not in marks), "")
