"""How entities learn their level and scale from few rows: each borrows from the others. Pure.

An entity learns from its rows of the reference and borrows from the others where they are few. `n` is their
number as if they were independent: times ``(1 - r) / (1 + r)`` with `r` the correlation of neighbouring rows
within entities, since ten minutes of a day do not show the day.

* level: ``w * own + (1 - w) * pool`` with ``w = n / (n + k)``. ``k`` is the variance within an entity over
  the variance between the levels of entities (Bühlmann's credibility): entities that hardly overlap keep
  their own level from few rows, entities that hardly differ get the pool's, the level of all rows.
* scale: the same on logarithms, towards the usual scale within an entity. What is not known yet widens it:
  by one standard deviation of what the logarithm may still be, and by the error of the level. So an entity
  with few rows is judged wide, and seldom alerts, until its rows say how narrow it is.

A constant entity takes the usual scale within entities, or the pool's if that is smaller.

Called by :mod:`pynomaly.model.entities.scales`.

References
----------
Bühlmann (1967), Experience rating and credibility, ASTIN Bulletin 4(3).
Bayley, Hammersley (1946), The "effective" number of independent observations in an autocorrelated time
series, Supplement to the J. Royal Statistical Society 8(2).
Kendall (1954), Note on bias in the estimation of autocorrelation, Biometrika 41(3/4).
Efron, Morris (1975), Data analysis using Stein's estimator and its generalizations, J. American Statistical
Association 70(350).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_levels"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_BORROWED = 1000.0  # rows that the others stand for where entities do not differ
_IQR_OF_NORMAL = 1.3489795003921634
_MEDIAN_VARIANCE = np.pi / 2  # of the median of n normal values, times n
_LOG_SCALE_VARIANCE = 1.36  # of the logarithm of their quartile distance, times n
_LEAST_SHOWN = 1.25  # independent rows that any run stands for
_SHORT_RUN = 4.0  # rows of a run too short to correct for its length
_NEIGHBOUR_CLIP = 3.0  # scaled cells beyond do not move the correlation of neighbours further


def fit_levels(
    values: Floats, groups: Ints, count: int, pool: tuple[float, float], scaling: str
) -> tuple[Floats, Floats]:
    """Return level and scale of each group in one column.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Rows in time order, NaN for missing.
    groups : ndarray of shape (n,), int64
        Number of the group of each row, -1 for none.
    count : int
        Number of groups.
    pool : (float, float)
        Level and scale of all rows; a group without a value gets them.
    scaling : {"robust", "standard"}

    Returns
    -------
    levels, scales : ndarray of shape (count,)
        Finite, and scales above 0.
    """
    usable = ~np.isnan(values) & (groups >= 0)
    series, of_series = values[usable], groups[usable]
    order = _sort_within(series, of_series)
    cells, of = series[order], of_series[order]
    rows = np.bincount(of, minlength=count).astype(np.int64)
    has_rows = rows > 0
    if not has_rows.any():
        return np.full(count, pool[0]), np.full(count, pool[1])
    starts = np.concatenate([[0], np.cumsum(rows)[:-1]]).astype(np.int64)
    medians, low, high = (np.full(count, pool[0]) for _ in range(3))
    for share, quantiles in ((0.5, medians), (0.25, low), (0.75, high)):
        quantiles[has_rows] = _take_quantiles(cells, starts[has_rows], rows[has_rows], share)
    means, deviations = _take_moments(cells, of, rows, medians)
    noise = 8 * np.finfo(np.float64).eps * np.abs(medians)  # 0.1 repeated has a deviation of 1e-17
    centres, spreads = means, deviations
    if scaling == "robust":
        with np.errstate(over="ignore"):
            quartiles = (high - low) / _IQR_OF_NORMAL
        centres, spreads = medians, np.where(quartiles > noise, quartiles, deviations)
    varying = has_rows & np.isfinite(spreads) & (spreads > noise)
    usual = float(np.median(spreads[varying])) if varying.any() else pool[1]
    own = np.where(varying, spreads, min(usual, pool[1]))
    independent = np.maximum(rows * _measure_independence(series, of_series, centres, own), _LEAST_SHOWN)
    own = own / np.sqrt(1 - 1 / independent)  # the variance around a level that is measured, too
    with np.errstate(over="ignore", invalid="ignore"):
        borrowed = _find_borrowed_rows(centres[has_rows], independent[has_rows], usual)
        weights = independent / (independent + borrowed)
        levels = centres * weights + pool[0] * (1 - weights)
        scales = _shrink_scales(own, independent, varying, usual)
    usable_scales = has_rows & np.isfinite(scales) & (scales > 0)
    return (
        np.where(has_rows & np.isfinite(levels), levels, pool[0]),
        np.where(usable_scales, scales, pool[1]),
    )


def _measure_independence(series: Floats, of: Ints, centres: Floats, scales: Floats) -> float:
    """Return the share of rows that count as independent, from the correlation of neighbours, 0 to 1."""
    order = _sort_stably(of)
    groups = of[order]
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.nan_to_num((series[order] - centres[groups]) / scales[groups])
    scaled = np.clip(scaled, -_NEIGHBOUR_CLIP, _NEIGHBOUR_CLIP)
    together = groups[1:] == groups[:-1]
    before, after = scaled[:-1][together], scaled[1:][together]
    square = float(np.sqrt((before**2).sum() * (after**2).sum()))
    correlation = float((before * after).sum()) / square if square > 0 else 0.0
    rows = np.bincount(groups)
    length = float((rows * (rows - 1)).sum() / max(1, (rows - 1)[rows > 0].sum()))
    if length > _SHORT_RUN:  # a run's own level hides some of the correlation
        correlation = (length * correlation + 1) / (length - 3)
    correlation = min(max(correlation, 0.0), 1.0)
    return (1 - correlation) / (1 + correlation)


def _find_borrowed_rows(centres: Floats, rows: Floats, within: float) -> float:
    """Return how many rows the pool's level stands for: variance within over variance between entities."""
    if len(centres) < 2:
        return _MOST_BORROWED
    differences = float(np.var(centres / within, ddof=1))  # in scales, where chance gives 1 / rows
    excess = differences - _MEDIAN_VARIANCE * float(np.mean(1.0 / rows))
    if np.isnan(excess):
        return 0.0
    return min(1.0 / excess, _MOST_BORROWED) if excess > 0 else _MOST_BORROWED


def _shrink_scales(own: Floats, rows: Floats, varying: NDArray[np.bool_], usual: float) -> Floats:
    """Return scales shrunk to the usual one, and widened by what is not known; array of shape (k,)."""
    logs = np.log(own[varying])
    between = 0.0
    if len(logs) > 1:
        chance = _LOG_SCALE_VARIANCE * float(np.mean(1.0 / rows[varying]))
        between = max(0.0, float(np.var(logs, ddof=1)) - chance)
    borrowed = min(_LOG_SCALE_VARIANCE / between, _MOST_BORROWED) if between > 0 else _MOST_BORROWED
    weights = rows / (rows + borrowed)
    logs = weights * np.log(own) + (1 - weights) * np.log(usual) + np.sqrt((1 - weights) * between)
    return np.asarray(np.exp(logs) * np.sqrt(1 + _MEDIAN_VARIANCE / rows), dtype=np.float64)


def _sort_within(values: Floats, groups: Ints) -> Ints:
    """Return the order by group, and by value within each; as `np.lexsort`, several times as fast."""
    order = np.argsort(values)
    return np.asarray(order[_sort_stably(groups[order])], dtype=np.int64)


def _sort_stably(groups: Ints) -> Ints:
    """Return the stable order of numbers from 0 to 2**32, sixteen bits at a time: a radix sort."""
    order = np.argsort((groups & 0xFFFF).astype(np.uint16), kind="stable")
    if len(groups) and groups.max() > 0xFFFF:
        order = order[np.argsort((groups[order] >> 16).astype(np.uint16), kind="stable")]
    return np.asarray(order, dtype=np.int64)


def _take_quantiles(cells: Floats, starts: Ints, rows: Ints, share: float) -> Floats:
    """Return a quantile of each run of sorted cells, linear between neighbours."""
    places = (rows - 1) * share
    low = np.floor(places).astype(np.int64)
    below, above = cells[starts + low], cells[starts + np.minimum(low + 1, rows - 1)]
    part = places - low
    return np.asarray(below * (1 - part) + above * part, dtype=np.float64)


def _take_moments(cells: Floats, of: Ints, rows: Ints, medians: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each group; of one without rows, its given median and 0."""
    counts = np.maximum(rows, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        offsets = cells - medians[of]  # around the median, so that large levels lose no digits
        shifts = np.bincount(of, offsets, minlength=len(rows)) / counts
        deviations = np.sqrt(np.bincount(of, (offsets - shifts[of]) ** 2, minlength=len(rows)) / counts)
    means = medians + shifts
    return np.where(np.isfinite(means), means, medians), deviations
