"""A member that sees a series that stands still: a stuck sensor, a flat line.

A flat window may lie near a reference window, so the nearest windows miss it. Called by the ensemble.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from pynomaly.detectors.numerics.exact import Array
from pynomaly.detectors.past_rows import PastRows
from pynomaly.detectors.series.loops import Places
from pynomaly.detectors.series.members import FittedColumn, Kernel, Member, draw_evenly

__all__ = ["Stillness"]

_LENGTHS = (12, 24, 48, 96)  # steps of a window
_SAMPLES = 20_000
_LARGEST = 10.0  # a figure that no usual window reaches


class Stillness(Member):
    """How much less the value moved lately than ever before: the mean step of the last rows."""

    kind: ClassVar[str] = "still"

    @classmethod
    def fit(cls, fitted: FittedColumn, delay: int, rng: np.random.Generator) -> Self | None:
        """Fit the shortest window whose mean step was never near 0; None where the series rests at times."""
        for length in _LENGTHS:
            ends = draw_evenly(fitted.ends_after(length), _SAMPLES, rng)
            if len(ends) < 20 * length:
                return None
            steps = _measure_steps(fitted.values, fitted.column, ends, length)
            least = float(steps.min())
            if least > 0.1 * float(np.median(steps)):
                offsets = np.arange(min(length - 1, delay) + 1, dtype=np.int64)
                return cls.make(Kernel(offsets, np.ones(len(offsets))), length=length, least=least)
        return None

    @property
    def back(self) -> int:
        """All steps of the window."""
        return int(self.state["length"])

    def measure(self, rows: PastRows, column: int, spots: Places) -> Array:
        """Return how many times the least fitted step the mean step is missing, from 0 to 10."""
        least = float(self.state["least"])
        steps = _measure_steps(rows.values, column, spots, self.back)
        amounts: Array = np.maximum(least / np.maximum(steps, least / (_LARGEST + 1.0)) - 1.0, 0.0)
        return amounts

    @property
    def sees(self) -> str:
        """The movement of the last rows."""
        return f"too little movement over {self.back} rows"


def _measure_steps(values: Array, column: int, spots: Places, length: int) -> Array:
    """Return the mean size of the last `length` steps before and at each spot, shape (s,)."""
    total = np.zeros(len(spots))
    for back in range(length):
        total += np.abs(values[spots - back, column] - values[spots - back - 1, column])
    return total / length
