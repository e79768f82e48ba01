"""Nearest rows among wide ones, exactly, without a tree: on many columns a tree reads most rows anyway.

A product of matrices gives every distance about right, with a known bound on its error; only rows that could
be among the nearest by that bound are measured term by term. The product is BLAS's and its last bits move
with the batch, but it decides only what is *not* worth measuring: distances and places come from the exact
sums, and are the same alone, in any batch and with any BLAS. Of equal distances the earlier row counts as
nearer. Score O(m d) a row for m fitted rows, most of it in the product. Called by
`neighbours` and `sampled`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.compiled import compiled, ready
from pynomaly.detectors.exact import Array

__all__ = ["WIDE", "NearestRows"]

WIDE = 16
"""More columns than this are searched without a tree."""

_LANES = 4  # partial sums of a distance, added up in the end: a fixed order of their own
_LARGEST = 1e15  # cells beyond this are searched in float64: their squares leave float32
_ROWS, _POINTS = 256, 2048  # a tile of products that stays in cache


class NearestRows:
    """The k nearest of fixed rows, for any number of others.

    Parameters
    ----------
    rows : array of shape (m, d)
        Finite, within `cells.LIMIT`.
    """

    def __init__(self, rows: Array) -> None:
        self.rows = rows
        self._middle = rows.mean(axis=0)
        moved = rows - self._middle
        self._kind: Any = np.float32 if np.abs(moved).max() < _LARGEST else np.float64
        self._squares = _squares(moved)
        self._points = np.ascontiguousarray(moved.astype(self._kind))

    def query(self, X: Array, k: int) -> tuple[Array, npt.NDArray[np.int64]]:
        """Distances and places of the k nearest, nearest first; shapes (n, k)."""
        distances, places = np.empty((len(X), k)), np.empty((len(X), k), dtype=np.int64)
        moved = X - self._middle
        within = np.abs(moved).max(axis=1) < _LARGEST
        search = self._search if ready(len(X) * (5.0 * self.rows.size + 5e4)) else self._search_slowly
        for at in range(0, len(X), _ROWS):
            part = slice(at, at + _ROWS)
            squared, found = search(X[part], moved[part], within[part], k)
            distances[part], places[part] = np.sqrt(squared), found
        return distances, places

    def _share(self, kind: Any) -> float:
        """Bound of the product's error, in shares of both squared lengths, whatever order BLAS adds in."""
        return float((self.rows.shape[1] + 16) * np.finfo(kind).eps)

    def _search(self, X: Array, moved: Array, within: Any, k: int) -> tuple[Array, npt.NDArray[np.int64]]:
        share = self._share(self._kind)
        squared = np.full((len(X), k), np.inf)
        places = np.full((len(X), k), -1, dtype=np.int64)
        narrow = np.where(within[:, None], moved, 0.0).astype(self._kind)
        half = 0.5 * (1 - share) * _squares(moved)
        if self._kind is np.float32:
            half[~within] = -np.inf  # what float32 cannot hold is measured against every row
        halves = 0.5 * (1 - share) * self._squares
        scan = compiled(_scan)
        for at in range(0, len(self.rows), _POINTS):
            end = at + _POINTS
            products = narrow @ self._points[at:end].T
            scan(products, half, halves[at:end], X, self.rows[at:end], at, squared, places)
        return squared, places

    def _search_slowly(
        self, X: Array, moved: Array, within: Any, k: int
    ) -> tuple[Array, npt.NDArray[np.int64]]:
        share = self._share(self._kind)
        squared, places = np.empty((len(X), k)), np.empty((len(X), k), dtype=np.int64)
        for row, (x, shift) in enumerate(zip(X, moved, strict=True)):
            near = np.arange(len(self.rows))
            if within[row] or self._kind is np.float64:
                product = self._points @ shift.astype(self._kind)
                least = (1 - share) * (self._squares + float(shift @ shift)) - 2.0 * product - _SLACK
                likely = np.argpartition(least, k - 1)[:k]
                near = np.flatnonzero(least <= _apart(self.rows[likely], x).max())
            apart = _apart(self.rows[near], x)
            first = np.argsort(apart, kind="stable")[:k]
            squared[row], places[row] = apart[first], near[first]
        return squared, places


_SLACK = 1e-30  # cells too small for float32 vanish in the product


def _squares(rows: Array) -> Array:
    squares: Array = np.einsum("ij,ij->i", rows, rows)
    return squares


def _apart(rows: Array, x: Array) -> Array:
    """Squared distances of rows (m, d) from x (d,), in the order of `_scan`."""
    lanes = np.zeros((_LANES, len(rows)))
    for column in range(rows.shape[1]):
        gap = rows[:, column] - x[column]
        lanes[column % _LANES] += gap * gap
    apart: Array = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
    return apart


def _scan(products, half, halves, X, rows, first, squared, places):  # type: ignore[no-untyped-def]  # numba types it
    d, k = X.shape[1], squared.shape[1]
    for row in range(len(X)):
        best, where = squared[row], places[row]
        limit = half[row] - 0.5 * best[k - 1] - 0.5e-30
        for point in range(len(rows)):
            if products[row, point] < halves[point] + limit:
                continue  # further than the k-th nearest so far, by more than the product can err
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
            apart = (a + b) + (c + e)
            if apart < best[k - 1]:
                place = k - 1
                while place > 0 and best[place - 1] > apart:
                    best[place] = best[place - 1]
                    where[place] = where[place - 1]
                    place -= 1
                best[place] = apart
                where[place] = first + point
                limit = half[row] - 0.5 * best[k - 1] - 0.5e-30
