"""Angle-based outlier detection: seen from a row outside the cloud, all other rows lie in one direction.

Works on many columns, where distances tell little. Fails on rows between clusters, which have other rows
on all sides. Scale columns of different units first. Fit O(n log n); score O(log n + k^2 d) a row. The
model keeps each distinct row once, because copies of one row form no angle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors.base import State
from pynomaly.detectors.methods.neighbours import NeighbourDetector
from pynomaly.detectors.numerics.exact import Array, row_sum
from pynomaly.detectors.parameters import IntegerParameter, Parameter

__all__ = ["ABOD"]

_EQUAL = 1e-140  # rows at a smaller squared distance count as equal; its square is still above zero
_NONE = 1e-300  # lower bound of a variance, so that its logarithm stays finite


class ABOD(NeighbourDetector):
    """Minus the log variance of the weighted cosines to pairs of the k nearest rows (FastABOD).

    The order of rows is that of ``pyod.models.abod.ABOD``; the logarithm is taken because those scores span
    dozens of powers of ten. Neighbours equal to the row are left out, as in PyOD.

    References
    ----------
    Kriegel, Schubert, Zimek: Angle-based outlier detection in high-dimensional data. KDD 2008.
    """

    name: ClassVar[str] = "abod"
    parameters: ClassVar[Mapping[str, Parameter]] = {"n_neighbors": IntegerParameter(10, 3, 100)}
    block_rows: ClassVar[int] = 1024

    def _fit(self, X: Array) -> State:
        return {"rows": np.unique(X, axis=0)}

    def _score(self, X: Array) -> Array:
        rows = self.state["rows"]
        k = min(self.params["n_neighbors"], len(rows))
        _, places = self._find_nearest(X, k)
        gaps = [rows[places[:, rank]] - X for rank in range(k)]
        lengths = [row_sum(gap * gap) for gap in gaps]
        first, second = np.triu_indices(k, 1)
        if not len(first):
            return np.full(len(X), -np.log(_NONE))  # a single fitted row gives no pair and no angle
        cosines = np.empty((len(X), len(first)))
        counts = np.empty((len(X), len(first)))
        for pair, (a, b) in enumerate(zip(first, second, strict=True)):
            distinct = (lengths[a] > _EQUAL) & (lengths[b] > _EQUAL)
            length_a, length_b = np.where(distinct, lengths[a], 1.0), np.where(distinct, lengths[b], 1.0)
            cosines[:, pair] = np.where(distinct, row_sum(gaps[a] * gaps[b]) / length_a / length_b, 0.0)
            counts[:, pair] = distinct
        pairs = np.maximum(row_sum(counts), 1.0)
        # Cosines are divided by their largest, so that the variance neither overflows nor underflows.
        largest = np.abs(cosines).max(axis=1)
        unit = cosines / np.where(largest > 0, largest, 1.0)[:, None]
        off = (unit - (row_sum(unit) / pairs)[:, None]) * counts
        variance = row_sum(off * off) / pairs
        log_variance = np.log(np.maximum(variance, _NONE)) + 2 * np.log(np.maximum(largest, _NONE))
        score: Array = -log_variance
        return score
