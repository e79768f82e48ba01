"""Members that compare windows of a column with windows of the reference.

Called by the detectors of `detectors.series`.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from pynomaly.detectors.numerics.exact import Array
from pynomaly.detectors.past_rows import PastRows
from pynomaly.detectors.series.loops import Floats, Places, cut_windows, find_distances
from pynomaly.detectors.series.members import (
    SMALLEST,
    USUAL_SHARE,
    FittedColumn,
    Kernel,
    Member,
    draw_evenly,
    to_ratios,
)

__all__ = ["LevelWindows", "NearestWindows"]

_QUERIES = 512  # windows from which the usual amount is measured


class NearestWindows(Member):
    """Distance of the window that ends at a spot to the nearest of the reference's windows."""

    kind: ClassVar[str] = "nearest"
    reads_held: ClassVar[bool] = True

    @classmethod
    def fit(
        cls,
        fitted: FittedColumn,
        weights: Array,
        centred: bool,
        kernel: Kernel,
        count: int,
        rng: np.random.Generator,
    ) -> Self:
        """Draw at most `count` reference windows, and measure the usual distance on others.

        Windows that overlap one of the reference do not meet it when the usual distance is measured.
        """
        length = len(weights)
        ends = fitted.ends_after(length - 1)
        drawn = draw_evenly(ends, count, rng)
        reference = np.ascontiguousarray(cut_windows(fitted.values, fitted.column, drawn, weights, centred).T)
        queries = draw_evenly(ends, _QUERIES, rng)
        windows = cut_windows(fitted.values, fitted.column, queries, weights, centred)
        distances = _find_others(windows, queries, reference, drawn, length)
        smallest = SMALLEST * fitted.measure_spread() * float(np.sqrt((weights * weights).sum()))
        return cls.make(
            kernel,
            moments=fitted.moments[np.searchsorted(fitted.ends, drawn)],
            weights=weights,
            centred=centred,
            reference=reference,
            usual=max(float(np.quantile(distances, USUAL_SHARE)), smallest),
        )

    @property
    def back(self) -> int:
        """All of the window but its last cell."""
        return len(self.state["weights"]) - 1

    def measure(self, rows: PastRows, column: int, spots: Places) -> Array:
        """Return the distance to the nearest reference window."""
        state = self.state
        centred = bool(state["centred"])
        return to_ratios(
            find_distances(rows.values, column, spots, state["weights"], centred, state["reference"]),
            state["usual"],
        )

    @property
    def sees(self) -> str:
        """The course of so many rows."""
        return f"the {'course' if self.state['centred'] else 'level'} of {self.back + 1} rows"

    def compare(self, rows: PastRows, column: int, place: int, spot: int) -> tuple[float | None, int | None]:
        """Return what the nearest reference window has at this place of the window, and the time it ends."""
        weights, reference = self.state["weights"], self.state["reference"]
        centred, spots = bool(self.state["centred"]), np.array([spot], dtype=np.int64)
        (window,) = cut_windows(rows.values, column, spots, weights, centred)
        gaps = (reference - window[:, None]).astype(np.float64)
        nearest = int((gaps * gaps).sum(axis=0).argmin())
        moments, at = self.state.get("moments"), self.back - (spot - place)
        ends = None if moments is None else int(moments[nearest])  # models of before keep no times
        if not 0 <= at <= self.back:
            return None, ends
        # The window's own mean stays: what it was compared with is a course, not a level.
        middle = rows.values[place, column] - float(window[at]) / weights[at] if centred else 0.0
        return float(reference[at, nearest] / weights[at] + middle), ends


class LevelWindows(NearestWindows):
    """Distance of the window, level included, to the nearest of the reference, where the level stays."""

    kind: ClassVar[str] = "levels"

    @classmethod
    def fit_level(
        cls, fitted: FittedColumn, length: int, kernel: Kernel, count: int, rng: np.random.Generator
    ) -> Self | None:
        """Fit, if each half of the fitted rows has the levels of the other; None if the level moves.

        The usual amount is twice the distance between the halves: a level says less than a shape.
        """
        ends, weights = fitted.ends_after(length - 1), np.ones(length)
        half = len(ends) // 2
        if half < 3 * length:
            return None
        member = cls.fit(fitted, weights, False, kernel, count, rng)
        apart = 0.0
        for there, here in ((ends[:half], ends[half + length :]), (ends[half + length :], ends[:half])):
            reference = cut_windows(
                fitted.values, fitted.column, draw_evenly(there, _QUERIES // 2, rng), weights, False
            )
            queries = draw_evenly(here, _QUERIES // 2, rng)
            distances = find_distances(
                fitted.values, fitted.column, queries, weights, False, np.ascontiguousarray(reference.T)
            )
            apart = max(apart, float(np.quantile(distances, USUAL_SHARE)))
        usual = float(member.state["usual"])
        if apart > 1.1 * max(usual, 0.02 * fitted.measure_spread() * np.sqrt(length)):
            return None
        return cls(member.state | {"usual": np.asarray(2.0 * max(usual, apart))})


def _find_others(windows: Floats, queries: Places, reference: Floats, drawn: Places, apart: int) -> Array:
    """Return each window's distance to the nearest reference window that does not overlap it."""
    distances = []
    for window, query in zip(windows, queries, strict=True):
        far = np.abs(drawn - query) >= apart
        if far.any():
            gaps = (reference[:, far] - window[:, None]).astype(np.float64)
            distances.append(float(np.sqrt((gaps * gaps).sum(axis=0).min())))
    return np.array(distances) if distances else np.zeros(1)
