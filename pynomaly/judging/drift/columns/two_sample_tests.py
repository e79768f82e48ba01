"""Two-sample tests on sketches: an effect size between 0 and 1, and a p-value. Called by drift.

The tests assume independent rows; in time series rows are dependent, and the p-values are too small.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pynomaly.model.sketch.sketch import CategorySketch, NumericSketch

__all__ = ["kolmogorov_smirnov", "share_difference", "total_variation"]

Array = npt.NDArray[np.float64]

# Cochran's rule: chi-square needs about 5 expected rows in each cell.
_MIN_EXPECTED = 5.0


def kolmogorov_smirnov(first: NumericSketch, second: NumericSketch) -> tuple[float, float]:
    """Return the Kolmogorov-Smirnov distance of two sketches, and its asymptotic p-value.

    The distance is exact where both sketches are exact (257 values or fewer); otherwise it is a lower bound
    from the stored quantiles: at most 1/128 below the exact distance and never above it.

    Returns
    -------
    distance, p_value : float
    """
    from scipy.stats import kstwo

    points = np.union1d(np.asarray(first.values), np.asarray(second.values))
    distance = 0.0
    for strict in (False, True):
        low, high = first.bounds(points, strict=strict)
        other_low, other_high = second.bounds(points, strict=strict)
        distance = max(distance, float(np.max(np.maximum(low - other_high, other_low - high))))
    effective = first.n * second.n / (first.n + second.n)
    return distance, float(np.clip(kstwo.sf(distance, max(1, round(effective))), 0.0, 1.0))


def total_variation(first: CategorySketch, second: CategorySketch) -> tuple[float, float]:
    """Return the total variation distance of two samples of categories, and the chi-square p-value.

    Rare categories are pooled until the smaller sample has 5 expected rows in each cell; cells depend only on
    the totals of both samples, which preserves the test's level. Samples of one distribution also differ: the
    expected difference for these sizes is subtracted in quadrature, so that many categories alone give no
    effect. Beyond 256 categories, hash buckets are compared: a change inside a bucket is not detected.

    Returns
    -------
    distance, p_value : float
        0 and 1 when a single cell remains.
    """
    from scipy.special import chdtrc

    counts = _pool_cells(first, second)
    if counts.shape[1] < 2:
        return 0.0, 1.0
    sizes, pooled = counts.sum(axis=1, keepdims=True), counts.sum(axis=0)
    expected = sizes * pooled / pooled.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    p_value = float(chdtrc(counts.shape[1] - 1, statistic))
    shares, overall = counts / sizes, pooled / pooled.sum()
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    # Mean absolute value of a normal deviation is sqrt(2 / pi) of its standard deviation.
    noise = float(np.sqrt(2 / math.pi * overall * (1 - overall) * (1 / sizes).sum()).sum() / 2)
    return math.sqrt(max(0.0, distance**2 - noise**2)), p_value


def share_difference(hits: int, rows: int, other_hits: int, other_rows: int) -> tuple[float, float]:
    """Return the absolute difference of two shares, and the two-sided p-value of the proportions z-test."""
    pooled = (hits + other_hits) / (rows + other_rows)
    variance = pooled * (1 - pooled) * (1 / rows + 1 / other_rows)
    difference = abs(hits / rows - other_hits / other_rows)
    if variance == 0:
        return 0.0, 1.0
    return difference, math.erfc(difference / math.sqrt(2 * variance))


def _pool_cells(first: CategorySketch, second: CategorySketch) -> Array:
    """Return counts of shape (2, cells) with rare categories pooled, chosen by the totals of both samples."""
    if first.hashed or second.hashed:
        both = zip(first.buckets(), second.buckets(), strict=True)
        pairs = sorted((pair for pair in both if sum(pair)), key=sum)
    else:
        names = sorted(set(first.counts) | set(second.counts))
        pairs = sorted(((first.counts.get(name, 0), second.counts.get(name, 0)) for name in names), key=sum)
    smaller = min(first.n, second.n) / (first.n + second.n)
    cells: list[Array] = []
    pool = np.zeros(2)
    for pair in pairs:
        pool = pool + pair
        if pool.sum() * smaller >= _MIN_EXPECTED:
            cells.append(pool)
            pool = np.zeros(2)
    if pool.sum():
        cells = [cells[0] + pool, *cells[1:]] if cells else [pool]
    return np.stack(cells, axis=1)
