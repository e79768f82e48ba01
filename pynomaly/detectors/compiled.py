"""Loops compiled by Numba, for batches where numpy's passes over memory are what takes the time.

Compiled at first use (a second or two, kept on disk after that), never at import, and without the lock, so
that threads run side by side. Each gives the very bits of its numpy twin: same operations, same order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LEAST_ROWS", "look_up", "walk_forest"]

LEAST_ROWS = 4096
"""Below this, a batch is done in numpy before a compiled loop would be loaded."""


def walk_forest(
    rows: npt.NDArray[np.float32],
    starts: npt.NDArray[np.uint32],
    child: npt.NDArray[np.uint32],
    feature: npt.NDArray[np.uint32],
    threshold: npt.NDArray[np.float32],
    depth: npt.NDArray[np.float64],
    levels: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Sum of the depths of each row's leaves, tree by tree; shape (n,).

    Parameters
    ----------
    rows : float32 array of shape (n, d)
    starts : int array of shape (trees,)
        Root of each tree.
    child, feature, threshold, depth : arrays of shape (nodes,)
        As :class:`~pynomaly.detectors.forest.IsolationForest` lays them out.
    levels : int
        Steps from a root to the deepest leaf.
    """
    total: npt.NDArray[np.float64] = _compiled(_walk)(
        rows, starts, child, feature, threshold, depth, int(levels)
    )
    return total


def look_up(
    rows: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    starts: npt.NDArray[np.int64],
    rarity: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Sum over the columns of the rarity of each cell's place; shape (n,).

    Parameters
    ----------
    rows : array of shape (n, d)
    values : array of shape (m,)
        Different values of each column, rising, one column after the other.
    starts : int array of shape (d + 1,)
        Where each column begins in `values`.
    rarity : array of shape (2 m + d,)
        Of each column's gaps and values, in turn.
    """
    total: npt.NDArray[np.float64] = _compiled(_search)(rows, values, starts, rarity)
    return total


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    from numba import njit

    try:
        compiled: Callable[..., Any] = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # nowhere to keep the compiled code: it is made anew in each process
        compiled = njit(nogil=True)(function)
    return compiled


def _walk(rows, starts, child, feature, threshold, depth, levels):  # type: ignore[no-untyped-def]  # numba types it
    n, width = rows.shape
    total = np.zeros(n)
    node = np.empty(256, dtype=np.uint32)  # unsigned: a signed index would be tested for its sign
    # A block of rows meets one tree after the other, and takes each step together: tree and rows stay in
    # the nearest cache, and no row's step waits for another's.
    for begin in range(0, n, 256):
        count = min(256, n - begin)
        flat = rows[begin : begin + count].ravel()
        for start in starts:
            node[:count] = start
            for _ in range(levels):
                base = np.uint32(0)
                for row in range(count):
                    at = node[row]
                    node[row] = child[at] + np.uint32(flat[base + feature[at]] > threshold[at])
                    base += np.uint32(width)
            for row in range(count):
                total[begin + row] += depth[node[row]]
    return total


def _search(rows, values, starts, rarity):  # type: ignore[no-untyped-def]  # numba types it
    n, width = rows.shape
    total = np.zeros(n)
    for column in range(width):
        start, size = starts[column], starts[column + 1] - starts[column]
        different = values[start : start + size]
        places = rarity[2 * start + column : 2 * (start + size) + column + 1]
        for row in range(n):
            cell = rows[row, column]
            # First value that is not below the cell, halving without a branch to guess wrong.
            low, length = np.uint64(0), np.uint64(size)
            while length > np.uint64(1):
                half = length >> np.uint64(1)
                low += half * np.uint64(different[low + half - np.uint64(1)] < cell)
                length -= half
            low += np.uint64(different[low] < cell)
            on = np.uint64(low < np.uint64(size) and different[low] == cell)
            total[row] += places[np.uint64(2) * low + on]
    return total
