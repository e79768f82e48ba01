"""How much larger a window's statistic comes out than independent rows would give: mean, tail, certainty.

The statistics are those of the reference's own windows, each against the rest of it. They are evidence of
what a later window may come to only as far as the windows are independent of each other, and a later window
lies farther from the reference than its own windows do, which shaped it. Both enter on the safe side. Called
by :mod:`pynomaly.model.sketch.baseline`; read by :mod:`pynomaly.judging.drift.columns.seasonal_tests`.

References
----------
Rao, Scott: The analysis of categorical data from complex sample surveys, JASA 1981 (test statistics divided
by a design effect).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["MIN_WORTH", "DesignEffect"]

MIN_WINDOWS = 4
MIN_WORTH = 5.0
"""Fewest independent windows of a reference that say how far apart windows lie."""

_WANDERING_VARIANCE = 2.0
"""Relative variance of the statistic of a level that wanders: a squared normal number."""


@dataclass(frozen=True)
class DesignEffect:
    """Mean and tail of a test statistic over the reference's own windows, relative to independent rows.

    Attributes
    ----------
    ratio : float
        Mean of the statistic of a later window; independent rows give 1.
    dof : float
        Degrees of freedom of the estimated ratio; infinite where it was not estimated.
    shape : float
        Degrees of freedom of one window's statistic, as a scaled chi-square.
    worth : float
        Number of independent windows that the estimate rests on; infinite where it was not estimated.
    """

    ratio: float = 1.0
    dof: float = math.inf
    shape: float = 1.0
    worth: float = math.inf

    @classmethod
    def of(cls, statistics: list[float], usual: float, worth: float = math.inf) -> DesignEffect:
        """Estimate from one statistic a window.

        Parameters
        ----------
        statistics : list of float
        usual : float
            Variance of the statistic for independent rows, whose mean is 1.
        worth : float
            Number of independent windows that these are worth; by default all.
        """
        finite = np.array([value for value in statistics if math.isfinite(value)])
        if finite.size < MIN_WINDOWS or not finite.any():
            return cls(shape=2.0 / usual)
        count, mean = min(float(finite.size), worth), float(finite.mean())
        if count < MIN_WORTH:
            return cls(max(mean, 1.0), 1.0, 0.5, count)
        # The reference follows its own windows, the more the fewer it holds: from a later window it is
        # farther away by twice its error. Where windows are independent, the statistic has that already.
        hidden = 1 / count - 1 / finite.size
        outside = mean * (1 + hidden) / (1 - hidden)
        certain = mean / (1 + 2 * math.sqrt(usual / count))
        wandering = max(0.0, 1 - 1 / certain)  # share of the mean that is no chance of independent rows
        tail = usual + (_WANDERING_VARIANCE - usual) * wandering
        relative = max(tail, float(finite.var(ddof=1)) / mean**2)
        dof = 2.0 * (count - 1) * finite.size / (finite.size - 1) / relative
        return cls(max(outside, 1.0), dof, max(2.0 / relative, 0.5), count)  # never narrower than independent

    @property
    def is_short(self) -> bool:
        """Whether the reference holds too few independent windows for a verdict."""
        return self.worth < MIN_WORTH

    def limit_shape(self, shape: float) -> DesignEffect:
        """Lower the shape to `shape`: the few windows of one column do not show a lighter tail reliably."""
        if self.shape <= shape or not math.isfinite(self.dof):
            return self
        return replace(self, dof=self.dof * shape / self.shape, shape=shape)

    def scale_rows(self, factor: float) -> DesignEffect:
        """Return the noise for windows with `factor` times as many rows and the same dependence."""
        return self if self.ratio <= 1 else replace(self, ratio=1 + (self.ratio - 1) * factor)

    def to_list(self) -> list[float | None]:
        """Plain values."""
        return [self.ratio, _write_finite(self.dof), self.shape, _write_finite(self.worth)]

    @classmethod
    def from_list(cls, content: list[float | None]) -> DesignEffect:
        """Read what :meth:`to_list` wrote; earlier editions lack the last value."""
        ratio, dof, shape, worth = (*content, None)[:4]
        return cls(float(ratio or 0.0), _read_finite(dof), float(shape or 1.0), _read_finite(worth))


def _write_finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _read_finite(value: float | None) -> float:
    return math.inf if value is None else float(value)
