"""Rare and never-seen values, column by column.

Works on codes, flags and categories: the rarer a value was among the fitted rows, the more anomalous it is,
and a value never seen is most anomalous. In the features of a bundle, the indicator columns of a category
(also the one for unseen categories) are such columns. Fails where all single values are usual and only their
combination is odd. Fit O(n d log n), score O(d log values) a row; the unit of a column does not matter.

A column of many different values is not treated as a list of categories, because nearly every new row would
hold a value never seen. It is cut into bins of equal width, and a value outside all bins counts as never
seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors.attributions import ExplanationMethod
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.exact import Array, row_sum
from pynomaly.detectors.parameters import IntegerParameter, NumberParameter, Parameter

__all__ = ["RareValues"]

_ROWS_A_VALUE = 5  # a column with fewer rows a value on average is binned, not listed


class RareValues(Detector):
    """Sum over the columns of minus the log share of the cell's value; `smoothing` is added to every count.

    Values are compared exactly. A column is a list of values if it held at most `max_values` different ones,
    five rows or more to each on average; otherwise it gets `n_bins` bins.

    References
    ----------
    Das, Schneider: Detecting anomalous records in categorical datasets. KDD 2007 (the case of single
    attributes).
    """

    name: ClassVar[str] = "rare"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "max_values": IntegerParameter(100, 2, 10_000),
        "n_bins": IntegerParameter(20, 2, 1000),
        "smoothing": NumberParameter(0.5, 0, 10, open_low=True),
    }

    explains: ClassVar[ExplanationMethod] = "terms"

    def _fit(self, X: Array) -> State:
        values, rarity, starts, kinds = [], [], [0], []
        for column in X.T:
            grid, counts = np.unique(column, return_counts=True)
            listed = len(grid) <= self.params["max_values"] and len(grid) * _ROWS_A_VALUE <= len(X)
            if not listed and grid[-1] > grid[0]:
                grid = np.linspace(grid[0], grid[-1], self.params["n_bins"] + 1)  # edges
                places = np.clip(np.searchsorted(grid, column, side="right") - 1, 0, len(grid) - 2)
                counts = np.append(np.bincount(places, minlength=len(grid) - 1), 0)  # the last is unused
            extra = self.params["smoothing"]
            total = len(X) + extra * (len(counts) + 1)
            values.append(grid)
            rarity.append(np.append(-np.log((counts + extra) / total), -np.log(extra / total)))
            starts.append(starts[-1] + len(grid))
            kinds.append(listed or grid[-1] == grid[0])
        return {
            "values": np.concatenate(values),
            "rarity": np.concatenate(rarity),  # each column has one more entry, for values never seen
            "starts": np.array(starts),
            "listed": np.array(kinds),
        }

    def _score(self, X: Array) -> Array:
        return row_sum(self._cell_rarity(X))

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        expected = self._cell_rarity(usual)
        return self._cell_rarity(x) - expected, row_sum(expected)

    def _cell_rarity(self, X: Array) -> Array:
        """Return the rarity of each cell, shape (n, d)."""
        state = self.state
        starts = state["starts"]
        scores = np.empty_like(X)
        for place in range(X.shape[1]):
            start, end = int(starts[place]), int(starts[place + 1])
            grid, cells = state["values"][start:end], np.ascontiguousarray(X[:, place])
            rarity = state["rarity"][start + place : end + place + 1]
            if state["listed"][place]:
                index = np.minimum(np.searchsorted(grid, cells), len(grid) - 1)
                known = grid[index] == cells
            else:
                index = np.clip(np.searchsorted(grid, cells, side="right") - 1, 0, len(grid) - 2)
                known = (cells >= grid[0]) & (cells <= grid[-1])
            scores[:, place] = rarity[np.where(known, index, len(grid))]
        return scores
