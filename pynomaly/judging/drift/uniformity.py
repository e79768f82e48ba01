"""Compare p-values of normal rows with the uniform distribution: a share t of them should be at most t.

For readers of a report; no decision depends on it (for a window,
:mod:`pynomaly.judging.drift.exchangeability` decides). Intervals assume independent rows; for a time series
the true intervals are wider.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.judging.jsonable import to_jsonable

__all__ = ["BINS", "P_VALUE_LEVELS", "LevelShare", "Uniformity", "count_interval", "measure_uniformity"]

P_VALUE_LEVELS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
BINS = 20
"""Number of equal parts of [0, 1] in which p-values are counted."""


@dataclass(frozen=True)
class LevelShare:
    """Share of p-values that are at most `level`, with its Clopper-Pearson interval."""

    level: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Uniformity:
    """Distribution of a set of p-values.

    Attributes
    ----------
    rows : int
        Number of p-values; those that are not finite are left out.
    levels : tuple of LevelShare
        One for each of :data:`P_VALUE_LEVELS`; empty without rows.
    counts : tuple of int
        Rows in each of :data:`BINS` equal parts, the smallest p-values first.
    distance : float or None
        Largest distance of the distribution function from the diagonal (Kolmogorov's); None without rows.
    confidence : float
        Confidence level of the intervals.
    """

    rows: int
    levels: tuple[LevelShare, ...]
    counts: tuple[int, ...]
    distance: float | None
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def measure_uniformity(p_values: npt.ArrayLike, confidence: float = 0.95) -> Uniformity:
    """Compare p-values of normal rows with the uniform distribution.

    Parameters
    ----------
    p_values : array of shape (n,)
        From 0 to 1.
    confidence : float
    """
    array = np.asarray(p_values, dtype=np.float64).ravel()
    p = np.sort(array[np.isfinite(array)])
    n = len(p)
    counts = tuple(int(count) for count in np.histogram(p, bins=BINS, range=(0.0, 1.0))[0])
    if not n:
        return Uniformity(0, (), counts, None, confidence)
    levels = []
    for level in P_VALUE_LEVELS:
        k = int(np.searchsorted(p, level, side="right"))
        levels.append(LevelShare(level, k / n, *count_interval(k, n, confidence)))
    above = np.arange(1, n + 1) / n - p
    below = p - np.arange(n) / n
    return Uniformity(n, tuple(levels), counts, float(max(above.max(), below.max())), confidence)


def count_interval(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of the share behind `k` of `n` independent rows; from 0 to 1 without rows.

    References
    ----------
    Clopper, Pearson: The use of confidence or fiducial limits illustrated in the case of the binomial,
    Biometrika 26, 1934.
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return low, high
