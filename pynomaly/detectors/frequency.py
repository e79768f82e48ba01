"""Rare and never-seen values, column by column.

Works on codes, flags and categories: a value of each column is as anomalous as it was rare among the fitted
rows, and one that was never there most of all. On the features a bundle makes, a category's indicators are
such columns, the one for unseen categories among them. Fails where single values are all usual and only
their combination is odd. Fit O(n d log n), score O(d log values) a row; the unit of a column does not matter.

A column of many different values is no list of categories: a new row would hold a value never seen in every
one. It is cut into bins of equal width, and what lies outside of them counts as never seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.exact import Array, row_sum
from pynomaly.detectors.parameters import Number, Parameter, Whole
from pynomaly.detectors.parts import How

__all__ = ["Rare"]

_ROWS_A_VALUE = 5  # fewer on average, and the values are measured rather than listed


class Rare(Detector):
    """Sum over the columns of minus the log share of the cell's value, `smoothing` added to every count.

    Values are compared exactly. A column is a list of values if it held at most `max_values` different ones,
    five rows or more to each on average; otherwise it gets `n_bins` bins.

    References
    ----------
    Das, Schneider: Detecting anomalous records in categorical datasets. KDD 2007 (the case of single
    attributes).
    """

    name: ClassVar[str] = "rare"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "max_values": Whole(100, 2, 10_000),
        "n_bins": Whole(20, 2, 1000),
        "smoothing": Number(0.5, 0, 10, open_low=True),
    }

    explains: ClassVar[How] = "terms"

    def _fit(self, X: Array) -> State:
        values, rarity, starts, kinds = [], [], [0], []
        for column in X.T:
            known, counts = np.unique(column, return_counts=True)
            listed = len(known) <= self.params["max_values"] and len(known) * _ROWS_A_VALUE <= len(X)
            if not listed and known[-1] > known[0]:
                known = np.linspace(known[0], known[-1], self.params["n_bins"] + 1)  # edges
                places = np.clip(np.searchsorted(known, column, side="right") - 1, 0, len(known) - 2)
                counts = np.append(np.bincount(places, minlength=len(known) - 1), 0)  # the last: unused
            extra = self.params["smoothing"]
            total = len(X) + extra * (len(counts) + 1)
            values.append(known)
            rarity.append(np.append(-np.log((counts + extra) / total), -np.log(extra / total)))
            starts.append(starts[-1] + len(known))
            kinds.append(listed or known[-1] == known[0])
        return {
            "values": np.concatenate(values),
            "rarity": np.concatenate(rarity),  # one more a column: never seen
            "starts": np.array(starts),
            "listed": np.array(kinds),
        }

    def _score(self, X: Array) -> Array:
        return row_sum(self._cells(X))

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        expected = self._cells(usual)
        return self._cells(x) - expected, row_sum(expected)

    def _cells(self, X: Array) -> Array:
        """Rarity of each cell, shape (n, d)."""
        state = self.state
        starts = state["starts"]
        scores = np.empty_like(X)
        for place in range(X.shape[1]):
            start, end = int(starts[place]), int(starts[place + 1])
            known, cells = state["values"][start:end], np.ascontiguousarray(X[:, place])
            rarity = state["rarity"][start + place : end + place + 1]
            if state["listed"][place]:
                found = np.minimum(np.searchsorted(known, cells), len(known) - 1)
                seen = known[found] == cells
            else:
                found = np.clip(np.searchsorted(known, cells, side="right") - 1, 0, len(known) - 2)
                seen = (cells >= known[0]) & (cells <= known[-1])
            scores[:, place] = rarity[np.where(seen, found, len(known))]
        return scores
