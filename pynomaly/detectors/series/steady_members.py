"""Members that know what is usual at a time of the season, or which values there are; they read one row.

Called by the detectors of `detectors.series`.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from pynomaly.config.spelling.units import spell_duration
from pynomaly.detectors.numerics.exact import Array
from pynomaly.detectors.past_rows import PastRows
from pynomaly.detectors.series.loops import Places
from pynomaly.detectors.series.members import (
    SMALLEST,
    USUAL_SHARE,
    ExpectingMember,
    FittedColumn,
    Kernel,
    Member,
)

__all__ = ["FEW_VALUES", "SeasonalProfile", "SeenValues"]

FEW_VALUES = 2
"""A column with at most so many different values has states, not a course."""

_DAY = 86_400_000_000  # microseconds
_MOST_PHASES = 288  # a day in steps of five minutes
_UNSEEN = 3.0  # figure of a value that was never there, before its distance adds to it


class SeenValues(Member):
    """Whether the value is one of the few that the column had: of a flag, or of a column that never moved."""

    kind: ClassVar[str] = "seen"

    @classmethod
    def fit(cls, fitted: FittedColumn) -> Self:
        """Keep the different values, at most two."""
        return cls.make(Kernel.single(), values=np.unique(fitted.cells)[:FEW_VALUES])

    @property
    def back(self) -> int:
        """No value: the row alone."""
        return 0

    def measure(self, rows: PastRows, column: int, spots: Places) -> Array:
        """Return 0 for a value that was there, else 3 and slowly more the farther it is from one."""
        gaps = np.abs(rows.values[spots, column][:, None] - self.state["values"]).min(axis=1)
        amounts: Array = np.where(gaps > 0, _UNSEEN + np.log1p(gaps), 0.0)
        return amounts

    @property
    def sees(self) -> str:
        """The value itself."""
        return "a value that was never there"

    def compare(self, rows: PastRows, column: int, place: int, spot: int) -> tuple[float | None, int | None]:
        """Return the nearest value that was there."""
        values = self.state["values"]
        return float(values[np.abs(values - rows.values[place, column]).argmin()]), None


class SeasonalProfile(ExpectingMember):
    """How far the value is from the level at this phase of the period, in the spread at this phase."""

    kind: ClassVar[str] = "profile"

    @classmethod
    def fit(cls, fitted: FittedColumn, period: int, kernel: Kernel, least_gain: float) -> Self | None:
        """Fit the period that predicts best: the measured one, a day or a week; None if it gains too little.

        A period's error is measured on the half of the rows on which its levels were not fitted.

        Parameters
        ----------
        fitted : FittedColumn
        period : int
            Measured period, in rows.
        kernel : Kernel
        least_gain : float
            Share of the error of the plain median that the profile must take away.
        """
        cells, moments = fitted.cells, fitted.moments
        gaps = np.diff(moments)
        step = int(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 1
        span = int(moments.max() - moments.min()) + step
        half = len(cells) // 2
        plain = _measure_errors(cells, np.zeros(len(cells), dtype=np.int64), 1, half)
        best, best_error = None, (1.0 - least_gain) * float(np.mean(plain))
        for length in dict.fromkeys((period * step, _DAY, 7 * _DAY)):
            count = int(min(_MOST_PHASES, length // step))
            if count < 2 or span < 3 * length:
                continue
            errors = _measure_errors(cells, find_phases(moments, length, count), count, half)
            if float(np.mean(errors)) < best_error:
                best, best_error = (length, count, errors), float(np.mean(errors))
        if best is None:
            return None
        length, count, errors = best
        phases = find_phases(moments, length, count)
        level = _fit_levels(cells, phases, count)
        far = np.abs(cells - level[phases])
        usual = max(float(np.quantile(errors, USUAL_SHARE)), SMALLEST * fitted.measure_spread())
        spread = np.array(
            [np.quantile(far[phases == phase], USUAL_SHARE) if (phases == phase).any() else usual
             for phase in range(count)]
        )  # fmt: skip
        counts = np.bincount(phases, minlength=count)
        spread = (counts * spread + 20 * usual) / (counts + 20)  # few rows of a phase: nearer to that of all
        return cls.make(kernel, length=length, level=level, spread=np.maximum(spread, usual / 4))

    @property
    def back(self) -> int:
        """No value: the row and its time alone."""
        return 0

    def hold(self, values: Array, moments: Places) -> Array:
        """Return values (m,) within the usual spread about the level of their phase."""
        level, spread = self.state["level"], self.state["spread"]
        phases = find_phases(moments, int(self.state["length"]), len(level))
        held: Array = np.clip(values, level[phases] - spread[phases], level[phases] + spread[phases])
        return held

    @property
    def sees(self) -> str:
        """The value at its time."""
        length = int(self.state["length"])
        period = {_DAY: "the day", 7 * _DAY: "the week"}.get(length)
        if period is None:
            period = f"a period of {spell_duration(timedelta(microseconds=length))}"
        return f"the value at this time of {period}"

    def expect(self, rows: PastRows, column: int, spots: Places) -> tuple[Array, npt.ArrayLike]:
        """Return the levels of the phases, and their spreads."""
        level, spread = self.state["level"], self.state["spread"]
        phases = find_phases(rows.moments[spots], int(self.state["length"]), len(level))
        return level[phases], spread[phases]


def find_phases(moments: npt.NDArray[np.int64], length: int, count: int) -> Places:
    """Return which of `count` equal parts of a period of `length` microseconds each moment is in."""
    phases: Places = moments % length * count // length
    return phases


def _fit_levels(cells: Array, phases: Places, count: int) -> Array:
    """Return the median of each phase, shape (count,); a phase without rows has the median of all."""
    order = np.argsort(phases, kind="stable")
    edges = np.searchsorted(phases[order], np.arange(count + 1))
    middle = float(np.median(cells))
    parts = [cells[order[start:end]] for start, end in pairwise(edges)]
    return np.array([float(np.median(part)) if len(part) else middle for part in parts])


def _measure_errors(cells: Array, phases: Places, count: int, half: int) -> Array:
    """Return each row's distance from the level of its phase, fitted on the other half of the rows."""
    early, late = slice(0, half), slice(half, None)
    errors: Array = np.concatenate(
        [
            np.abs(cells[early] - _fit_levels(cells[late], phases[late], count)[phases[early]]),
            np.abs(cells[late] - _fit_levels(cells[early], phases[early], count)[phases[late]]),
        ]
    )
    return errors
