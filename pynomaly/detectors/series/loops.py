"""Loops over windows of a series: each result depends on the values of its own window alone.

Each function has a compiled and a numpy form of the same operations in the same order, so both give the same
bits, as do any batch and any order of the windows. Distances are summed in float32, differences first: the
windows are centred before, so nothing cancels. Called by the members of `detectors.series`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.numerics.compiled import compile_loop, prefer_compiled
from pynomaly.detectors.numerics.exact import Array

__all__ = ["CELL_LIMIT", "cut_windows", "find_distances", "predict_values"]

CELL_LIMIT = 1e15  # larger cells of a window are clipped, so that squares and their sums stay finite

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

_SPOTS_AT_ONCE = 256  # bounds the memory of the numpy form


def cut_windows(values: Array, column: int, spots: Places, weights: Array, centred: bool) -> Floats:
    """Return the windows that end at `spots`, weighed; shape (s, length).

    Parameters
    ----------
    values : ndarray of shape (m, k)
    column : int
        Column of `values` that is read.
    spots : int array of shape (s,)
        Last place of each window; at least ``length - 1``.
    weights : ndarray of shape (length,)
        Factor of each cell, the oldest first.
    centred : bool
        Whether the mean, weighed by the squared factors, is subtracted first.
    """
    length = len(weights)
    squares = weights * weights / float((weights * weights).sum())
    windows = np.empty((len(spots), length))
    middle = np.zeros(len(spots))
    for place in range(length):
        windows[:, place] = values[spots - (length - 1 - place), column]
        if centred:
            middle += squares[place] * windows[:, place]
    windows -= middle[:, None]
    cut: Floats = (np.clip(windows, -CELL_LIMIT, CELL_LIMIT) * weights).astype(np.float32)
    return cut


def find_distances(
    values: Array, column: int, spots: Places, weights: Array, centred: bool, reference: Floats
) -> Array:
    """Return the distance of each window to the nearest reference window; shape (s,).

    Parameters
    ----------
    values, column, spots, weights, centred
        As for `cut_windows`.
    reference : float32 array of shape (length, r)
        Reference windows, weighed, one a column.
    """
    if prefer_compiled(3.0 * len(spots) * reference.size):
        squares = weights * weights / float((weights * weights).sum())
        nearest: Array = compile_loop(_distance_loop)(
            values, column, spots, weights, squares, centred, reference
        )
        return nearest
    distances = np.empty(len(spots))
    for start in range(0, len(spots), _SPOTS_AT_ONCE):
        some = spots[start : start + _SPOTS_AT_ONCE]
        windows = cut_windows(values, column, some, weights, centred)
        total = np.zeros((len(some), reference.shape[1]), dtype=np.float32)
        for place in range(len(weights)):
            gap = windows[:, place, None] - reference[place]
            gap *= gap
            total += gap
        distances[start : start + len(some)] = np.sqrt(total.min(axis=1).astype(np.float64))
    return distances


def predict_values(values: Array, column: int, spots: Places, lags: Places, weights: Array) -> Array:
    """Return what the differences before each spot predict for its value; shape (s,).

    Parameters
    ----------
    values, column, spots
        As for `cut_windows`; each spot is at least ``lags.max() + 1``.
    lags : int array of shape (p,)
        Steps back from the spot, from 1.
    weights : ndarray of shape (p,)
        Weight of the difference at each lag.
    """
    if prefer_compiled(3.0 * len(spots) * len(lags)):
        predicted: Array = compile_loop(_prediction_loop)(values, column, spots, lags, weights)
        return predicted
    total = np.zeros(len(spots))
    for lag, weight in zip(lags, weights, strict=True):
        total += weight * (values[spots - lag, column] - values[spots - lag - 1, column])
    expected: Array = values[spots - 1, column] + total
    return expected


def _prediction_loop(values, column, spots, lags, weights):  # type: ignore[no-untyped-def]  # numba types it
    predicted = np.empty(len(spots))
    for index in range(len(spots)):
        spot = spots[index]
        total = 0.0
        for place in range(len(lags)):
            at = spot - lags[place]
            total += weights[place] * (values[at, column] - values[at - 1, column])
        predicted[index] = values[spot - 1, column] + total
    return predicted


def _distance_loop(values, column, spots, weights, squares, centred, reference):  # type: ignore[no-untyped-def]  # numba types it
    length, count = reference.shape
    nearest = np.empty(len(spots))
    cells = np.empty((4, length), dtype=np.float32)
    totals = np.empty((4, count), dtype=np.float32)
    # Four windows at a time share each load of the reference; the sums of a window are its own.
    for begin in range(0, len(spots), 4):
        size = min(4, len(spots) - begin)
        for slot in range(4):
            first = spots[begin + min(slot, size - 1)] - (length - 1)
            middle = 0.0
            if centred:
                for place in range(length):
                    middle += squares[place] * values[first + place, column]
            for place in range(length):
                cell = min(max(values[first + place, column] - middle, -1e15), 1e15)
                cells[slot, place] = np.float32(cell * weights[place])
        total0, total1, total2, total3 = totals[0], totals[1], totals[2], totals[3]
        for point in range(count):
            total0[point] = np.float32(0.0)
            total1[point] = np.float32(0.0)
            total2[point] = np.float32(0.0)
            total3[point] = np.float32(0.0)
        for place in range(length):
            cell0, cell1, cell2, cell3 = cells[0, place], cells[1, place], cells[2, place], cells[3, place]
            row = reference[place]
            for point in range(count):
                other = row[point]
                gap0, gap1, gap2, gap3 = cell0 - other, cell1 - other, cell2 - other, cell3 - other
                total0[point] += gap0 * gap0
                total1[point] += gap1 * gap1
                total2[point] += gap2 * gap2
                total3[point] += gap3 * gap3
        for slot in range(size):
            best = totals[slot, 0]
            for point in range(1, count):
                best = min(best, totals[slot, point])
            nearest[begin + slot] = np.sqrt(np.float64(best))
    return nearest
