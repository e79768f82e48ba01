"""From spots to rows: the power mean of the spots around each row that the row may read.

Spots are measured once for all rows that share them. Each row's sum runs over the offsets of the kernel in
one order, so batch, order and neighbours change no bit; the compiled form does the operations of the numpy
form. Rows that lie far apart are moved together first, so memory does not grow with the gaps between them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.numerics.compiled import compile_loop, prefer_compiled
from pynomaly.detectors.numerics.exact import Array, row_sum
from pynomaly.detectors.past_rows import PastRows
from pynomaly.detectors.series.loops import Places

__all__ = ["average_spots"]


def average_spots(
    rows: PastRows, back: int, offsets: Places, shares: Array, measure: Callable[[Places], Array]
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Return each row's power mean of the spots it may read, and whether there is one; both of shape (n,).

    The exponent is 1.5: between the mean, which drowns a short event, and the largest, which has no middle.

    Parameters
    ----------
    rows : PastRows
        In the order of their places.
    back : int
        How many values before a spot `measure` reads: all of them must be within what the row may read.
    offsets : int array of shape (q,)
        Spots around a row; rising.
    shares : ndarray of shape (q,)
        Their weights, above 0. Those that a row cannot read give theirs to the others.
    measure : callable
        Returns the amounts of spots, 0 or more.
    """
    reach = int(offsets[-1] - offsets[0]) + 1
    excess = np.maximum(np.diff(rows.places, prepend=rows.places[0]) - reach, 0)
    near = rows.places - np.cumsum(excess) - rows.places[0]  # far gaps cut to `reach`
    low = int(offsets[0])
    spots = np.full(int(near[-1]) + reach, -1, dtype=np.int64)
    arrays = rows.places, near, rows.before - back, rows.after, offsets
    compiled = prefer_compiled(20.0 * len(rows) * len(offsets))
    if compiled:
        compile_loop(_mark_loop)(*arrays, low, spots)
    else:
        _mark_spots(*arrays, low, spots)
    powers = np.zeros(len(spots))
    is_spot = spots >= 0
    if is_spot.any():
        amounts = measure(spots[is_spot])
        powers[is_spot] = amounts * np.sqrt(amounts)
    total, weight = np.zeros(len(rows)), np.zeros(len(rows))
    if compiled:
        compile_loop(_sum_loop)(*arrays[1:], low, shares, powers, total, weight)
    else:
        _sum_spots(*arrays[1:], low, shares, powers, total, weight)
    readable = weight > 0
    means = np.where(readable, total / np.where(readable, weight, 1.0), 0.0)
    roots = np.cbrt(means)
    return roots * roots, readable


_ROWS_AT_ONCE = 512  # bounds the memory of the numpy forms


def _mark_spots(
    places: Places, near: Places, before: Places, after: Places, offsets: Places, low: int, spots: Places
) -> None:
    """Write the place of each spot that some row may read into `spots`."""
    for start in range(0, len(near), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        may = (offsets >= -before[part, None]) & (offsets <= after[part, None])
        spots[(near[part, None] + (offsets - low))[may]] = (places[part, None] + offsets)[may]


def _sum_spots(
    near: Places, before: Places, after: Places, offsets: Places, low: int, shares: Array,
    powers: Array, total: Array, weight: Array,
) -> None:  # fmt: skip
    """Write the weighed sum of each row's spots and the sum of their weights."""
    for start in range(0, len(near), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        may = (offsets >= -before[part, None]) & (offsets <= after[part, None])
        total[part] = row_sum(np.where(may, shares * powers[near[part, None] + (offsets - low)], 0.0))
        weight[part] = row_sum(np.where(may, shares, 0.0))


def _mark_loop(places, near, before, after, offsets, low, spots):  # type: ignore[no-untyped-def]  # numba types it
    for row in range(len(near)):
        for offset in offsets:
            if offset >= -before[row] and offset <= after[row]:
                spots[near[row] + offset - low] = places[row] + offset


def _sum_loop(near, before, after, offsets, low, shares, powers, total, weight):  # type: ignore[no-untyped-def]  # numba types it
    for row in range(len(near)):
        row_total = 0.0
        row_weight = 0.0
        for index in range(len(offsets)):
            offset = offsets[index]
            if offset >= -before[row] and offset <= after[row]:
                row_total += shares[index] * powers[near[row] + offset - low]
                row_weight += shares[index]
        total[row] = row_total
        weight[row] = row_weight
