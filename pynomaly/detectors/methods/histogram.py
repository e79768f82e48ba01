"""Histogram-based outlier score: density in equal-width bins, with columns assumed independent.

Works fast on wide tables whose anomalies show in single columns. Fails where only the combination of
columns is odd, and does not distinguish far from very far outside the fitted range. Fit and score O(n d).
Column units matter (the regulariser is added to a density): scale first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors.attributions import ExplanationMethod
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.compiled import prefer_compiled, sum_bin_rarity
from pynomaly.detectors.numerics.exact import Array, row_sum
from pynomaly.detectors.parameters import IntegerParameter, NumberParameter, Parameter

__all__ = ["HBOS"]


class HBOS(Detector):
    """Histogram-based outlier score: minus the sum of ``log2(density + alpha)`` over the columns.

    A value outside the range counts as in the outermost bin if it is no further than `tol` bin widths away,
    and as in the rarest bin otherwise. Scores equal those of ``pyod.models.hbos.HBOS`` except for a value on
    a bin's edge. Here it belongs to the bin in which it was counted. PyOD looks it up one bin to the left, so
    that the only value of a constant column, and most of a column of whole numbers, look as rare as an empty
    bin.

    References
    ----------
    Goldstein, Dengel: Histogram-based Outlier Score (HBOS). KI 2012.
    """

    name: ClassVar[str] = "hbos"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "n_bins": IntegerParameter(10, 2, 1000),
        "alpha": NumberParameter(0.1, 0, 1, open_low=True),
        "tol": NumberParameter(0.5, 0, 1),
    }

    explains: ClassVar[ExplanationMethod] = "terms"

    _reach: tuple[Array, Array, Array]

    def _fit(self, X: Array) -> State:
        columns = [np.histogram(column, bins=self.params["n_bins"], density=True) for column in X.T]
        density = np.array([density for density, _ in columns])
        return {
            "edges": np.array([edges for _, edges in columns]),
            "rarity": -np.log2(density + self.params["alpha"]),
        }

    def _prepare(self) -> None:
        edges, rarity, tol = self.state["edges"], self.state["rarity"], self.params["tol"]
        below, above = tol * (edges[:, 1] - edges[:, 0]), tol * (edges[:, -1] - edges[:, -2])
        self._reach = below, above, np.column_stack([rarity, rarity.max(axis=1)])

    def _score(self, X: Array) -> Array:
        if prefer_compiled(15.0 * X.size):
            return sum_bin_rarity(X, self.state["edges"], *self._reach)
        return row_sum(self._cell_rarity(X))

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        expected = self._cell_rarity(usual)
        return self._cell_rarity(x) - expected, row_sum(expected)

    def _cell_rarity(self, X: Array) -> Array:
        """Return the rarity of each cell's bin, shape (n, d)."""
        edges, rarity, tol = self.state["edges"], self.state["rarity"], self.params["tol"]
        bins = rarity.shape[1]
        scores = np.empty_like(X)
        for place, column in enumerate(X.T):
            edge = edges[place]
            index = np.searchsorted(edge, column, side="right")  # 0 below the range, bins + 1 above it
            score = rarity[place, np.clip(index - 1, 0, bins - 1)]
            far = (index == 0) & (edge[0] - column > tol * (edge[1] - edge[0]))
            far |= (index == bins + 1) & (column - edge[-1] > tol * (edge[-1] - edge[-2]))
            scores[:, place] = np.where(far, rarity[place].max(), score)
        return scores
