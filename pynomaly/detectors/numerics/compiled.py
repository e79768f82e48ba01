"""Loops compiled by Numba, for batches where most of numpy's time goes into passes over memory.

Each loop returns the same bits as its numpy equivalent: same operations, same order, no reassociation. So
the choice between them changes no score. The loops release the interpreter lock, so threads run in parallel.
Numba is not loaded at import or for a few rows, but after a process has done about as much work in numpy as
loading Numba costs. The code is compiled once and cached on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "WORK_BEFORE_COMPILING",
    "compile_loop",
    "expect_much_work",
    "prefer_compiled",
    "sum_bin_rarity",
    "sum_place_rarity",
    "walk_forest",
]

WORK_BEFORE_COMPILING = 2e8
"""Elementary operations in numpy (about a nanosecond or two each) after which Numba is worth loading."""

_work_counted = [0.0]


def prefer_compiled(work: float) -> bool:
    """Return whether to use the compiled loop for this many elementary operations; counts them if not."""
    if _work_counted[0] >= WORK_BEFORE_COMPILING:
        return True
    _work_counted[0] += work
    return _work_counted[0] >= WORK_BEFORE_COMPILING


def expect_much_work() -> None:
    """Let the compiled loops be used from now on, in a process that will score for long."""
    _work_counted[0] = WORK_BEFORE_COMPILING


@cache
def compile_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop, or load it from the disk cache; it releases the lock; floating point is strict."""
    from numba import njit

    try:
        loop: Callable[..., Any] = njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no writable cache folder: each process compiles the code again
        loop = njit(nogil=True)(function)
    return loop


def walk_forest(
    rows: npt.NDArray[np.float64],
    starts: npt.NDArray[np.uint32],
    child: npt.NDArray[np.uint32],
    feature: npt.NDArray[np.uint32],
    threshold: npt.NDArray[np.float32],
    depth: npt.NDArray[np.float64],
    levels: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Return the sum over the trees of the depth of each row's leaf; shape (n,).

    Parameters
    ----------
    rows : array of shape (n, d)
        Cells are rounded to float32, and clipped to its range, before they are compared with a threshold.
    starts : int array of shape (trees,)
        Root of each tree.
    child, feature, threshold, depth : arrays of shape (nodes,)
        As :class:`~pynomaly.detectors.methods.forest.IsolationForest` lays them out.
    levels : int
        Steps from a root to the deepest leaf.
    """
    total: npt.NDArray[np.float64] = compile_loop(_walk_loop)(
        rows, starts, child, feature, threshold, depth, int(levels)
    )
    return total


def sum_place_rarity(
    rows: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    starts: npt.NDArray[np.int64],
    rarity: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return the sum over the columns of the rarity of each cell's place; shape (n,).

    Parameters
    ----------
    rows : array of shape (n, d)
    values : array of shape (m,)
        Distinct values of each column in rising order, one column after the other.
    starts : int array of shape (d + 1,)
        Where each column begins in `values`.
    rarity : array of shape (2 m + d,)
        Rarity of each column's gaps and values, alternating.
    """
    total: npt.NDArray[np.float64] = compile_loop(_search_loop)(rows, values, starts, rarity)
    return total


def sum_bin_rarity(
    rows: npt.NDArray[np.float64],
    edges: npt.NDArray[np.float64],
    below: npt.NDArray[np.float64],
    above: npt.NDArray[np.float64],
    rarity: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return the sum over the columns of the rarity of each cell's bin; shape (n,).

    Parameters
    ----------
    rows : array of shape (n, d)
    edges : array of shape (d, bins + 1)
        Rising; a cell on an edge is in the bin to its right.
    below, above : arrays of shape (d,)
        How far outside its edges a column's outermost bins reach.
    rarity : array of shape (d, bins + 1)
        Rarity of each bin, and in the last place that of cells further out.
    """
    total: npt.NDArray[np.float64] = compile_loop(_bin_loop)(rows, edges, below, above, rarity)
    return total


def _bin_loop(rows, edges, below, above, rarity):  # type: ignore[no-untyped-def]  # numba types it
    n, width = rows.shape
    bins = edges.shape[1] - 1
    total = np.zeros(n)
    per = np.empty(width)  # bins a unit: gives a first guess of the bin, which the edges correct
    for column in range(width):
        span = edges[column, bins] - edges[column, 0]
        per[column] = bins / span if span > 0.0 else 0.0
    for row in range(n):
        row_total = 0.0
        for column in range(width):
            cell, edge = rows[row, column], edges[column]
            if cell < edge[0]:
                place = bins if edge[0] - cell > below[column] else 0
            elif cell >= edge[bins]:
                place = bins if cell - edge[bins] > above[column] else bins - 1
            else:
                place = min(bins - 1, int((cell - edge[0]) * per[column]))
                while cell < edge[place]:
                    place -= 1
                while cell >= edge[place + 1]:
                    place += 1
            row_total += rarity[column, place]
        total[row] = row_total
    return total


def _walk_loop(rows, starts, child, feature, threshold, depth, levels):  # type: ignore[no-untyped-def]  # numba types it
    n, width = rows.shape
    total = np.zeros(n)
    largest = np.float64(np.finfo(np.float32).max)
    # A block of rows takes each step of one tree together, then goes to the next tree: tree and rows stay
    # in the nearest cache, and the steps of different rows do not wait for each other.
    block = max(32, min(256, 6144 // width))
    node = np.empty(block, dtype=np.uint32)  # unsigned, because a signed index is tested for its sign
    flat = np.empty(block * width, dtype=np.float32)
    for begin in range(0, n, block):
        count = min(block, n - begin)
        for row in range(count):
            for column in range(width):
                cell = min(max(rows[begin + row, column], -largest), largest)
                flat[row * width + column] = np.float32(cell)
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


def _search_loop(rows, values, starts, rarity):  # type: ignore[no-untyped-def]  # numba types it
    n, width = rows.shape
    total = np.zeros(n)
    for column in range(width):
        start, size = starts[column], starts[column + 1] - starts[column]
        different = values[start : start + size]
        places = rarity[2 * start + column : 2 * (start + size) + column + 1]
        for row in range(n):
            cell = rows[row, column]
            # First value that is not below the cell, by branch-free bisection (no mispredicted branch).
            low, length = np.uint64(0), np.uint64(size)
            while length > np.uint64(1):
                half = length >> np.uint64(1)
                low += half * np.uint64(different[low + half - np.uint64(1)] < cell)
                length -= half
            low += np.uint64(different[low] < cell)
            on = np.uint64(low < np.uint64(size) and different[low] == cell)
            total[row] += places[np.uint64(2) * low + on]
    return total
