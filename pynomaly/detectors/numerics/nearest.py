"""Exact search of nearest rows without a tree, for many columns, where a tree reads most rows anyway.

A matrix product gives every distance approximately, with a known bound on its error. Only rows that could be
among the nearest by that bound are measured term by term. The last bits of the product (BLAS) change with the
batch, but it decides only which rows are *not* measured: distances and places come from the exact sums, and
are the same alone, in any batch and with any BLAS. Of equal distances the earlier row counts as nearer.
Score O(m d) a row for m fitted rows, mostly in the product. Called by `neighbours` and `sampled`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.numerics.compiled import compile_loop, prefer_compiled
from pynomaly.detectors.numerics.exact import Array

__all__ = ["WIDEST_FOR_TREE", "NearestRows"]

WIDEST_FOR_TREE = 16
"""More columns than this are searched without a tree."""

_LANES = 4  # partial sums of a distance, added at the end in a fixed order
_LARGEST = 1e15  # larger cells are searched in float64, because their squares overflow float32
_ROWS, _POINTS = 256, 2048  # shape of a tile of products that stays in cache


class NearestRows:
    """Index of fixed rows that returns the k nearest of them for any query rows.

    Parameters
    ----------
    rows : array of shape (m, d)
        Finite cells, clipped as detectors clip their input.
    """

    def __init__(self, rows: Array) -> None:
        self.rows = rows
        self._middle = rows.mean(axis=0)
        centred = rows - self._middle
        self._kind: Any = np.float32 if np.abs(centred).max() < _LARGEST else np.float64
        self._squares = _squared_lengths(centred)
        self._points = np.ascontiguousarray(centred.astype(self._kind))

    def query(self, X: Array, k: int) -> tuple[Array, npt.NDArray[np.int64]]:
        """Return distances and places of the k nearest rows, nearest first; shapes (n, k)."""
        distances, places = np.empty((len(X), k)), np.empty((len(X), k), dtype=np.int64)
        centred = X - self._middle
        within = np.abs(centred).max(axis=1) < _LARGEST
        search = (
            self._search_compiled
            if prefer_compiled(len(X) * (5.0 * self.rows.size + 5e4))
            else self._search_numpy
        )
        for at in range(0, len(X), _ROWS):
            part = slice(at, at + _ROWS)
            squared, nearest = search(X[part], centred[part], within[part], k)
            distances[part], places[part] = np.sqrt(squared), nearest
        return distances, places

    def _error_bound(self, kind: Any) -> float:
        """Return the bound of the product's error for any BLAS, as a share of both squared lengths."""
        return float((self.rows.shape[1] + 16) * np.finfo(kind).eps)

    def _search_compiled(
        self, X: Array, centred: Array, within: Any, k: int
    ) -> tuple[Array, npt.NDArray[np.int64]]:
        share = self._error_bound(self._kind)
        squared = np.full((len(X), k), np.inf)
        places = np.full((len(X), k), -1, dtype=np.int64)
        narrow = np.where(within[:, None], centred, 0.0).astype(self._kind)
        half = 0.5 * (1 - share) * _squared_lengths(centred)
        if self._kind is np.float32:
            half[~within] = -np.inf  # rows beyond float32 are measured against every fitted row
        halves = 0.5 * (1 - share) * self._squares
        scan = compile_loop(_scan_loop)
        for at in range(0, len(self.rows), _POINTS):
            end = at + _POINTS
            products = narrow @ self._points[at:end].T
            scan(products, half, halves[at:end], X, self.rows[at:end], at, squared, places)
        return squared, places

    def _search_numpy(
        self, X: Array, centred: Array, within: Any, k: int
    ) -> tuple[Array, npt.NDArray[np.int64]]:
        share = self._error_bound(self._kind)
        squared, places = np.empty((len(X), k)), np.empty((len(X), k), dtype=np.int64)
        for row, (x, shift) in enumerate(zip(X, centred, strict=True)):
            near = np.arange(len(self.rows))
            if within[row] or self._kind is np.float64:
                product = self._points @ shift.astype(self._kind)
                least = (1 - share) * (self._squares + float(shift @ shift)) - 2.0 * product - _SLACK
                likely = np.argpartition(least, k - 1)[:k]
                near = np.flatnonzero(least <= _lane_distances(self.rows[likely], x).max())
            exact = _lane_distances(self.rows[near], x)
            first = np.argsort(exact, kind="stable")[:k]
            squared[row], places[row] = exact[first], near[first]
        return squared, places


_SLACK = 1e-30  # cells too small for float32 become 0 in the product


def _squared_lengths(rows: Array) -> Array:
    squares: Array = np.einsum("ij,ij->i", rows, rows)
    return squares


def _lane_distances(rows: Array, x: Array) -> Array:
    """Return squared distances of rows (m, d) from x (d,), added in the order of the compiled loop."""
    lanes = np.zeros((_LANES, len(rows)))
    for column in range(rows.shape[1]):
        gap = rows[:, column] - x[column]
        lanes[column % _LANES] += gap * gap
    squared: Array = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
    return squared


def _scan_loop(products, half, halves, X, rows, first, squared, places):  # type: ignore[no-untyped-def]  # numba types it
    d, k = X.shape[1], squared.shape[1]
    for row in range(len(X)):
        best, where = squared[row], places[row]
        limit = half[row] - 0.5 * best[k - 1] - 0.5e-30
        for point in range(len(rows)):
            if products[row, point] < halves[point] + limit:
                continue  # further than the k-th nearest so far by more than the product's error
            a = b = c = e = 0.0
            for column in range(0, d - 3, 4):
                gap = rows[point, column] - X[row, column]
                a += gap * gap
                gap = rows[point, column + 1] - X[row, column + 1]
                b += gap * gap
                gap = rows[point, column + 2] - X[row, column + 2]
                c += gap * gap
                gap = rows[point, column + 3] - X[row, column + 3]
                e += gap * gap
            for column in range(d - d % 4, d):
                gap = rows[point, column] - X[row, column]
                if column % 4 == 0:
                    a += gap * gap
                elif column % 4 == 1:
                    b += gap * gap
                else:
                    c += gap * gap
            exact = (a + b) + (c + e)
            if exact < best[k - 1]:
                place = k - 1
                while place > 0 and best[place - 1] > exact:
                    best[place] = best[place - 1]
                    where[place] = where[place - 1]
                    place -= 1
                best[place] = exact
                where[place] = first + point
                limit = half[row] - 0.5 * best[k - 1] - 0.5e-30
