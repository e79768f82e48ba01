"""Angle-based outlier detection: from a row outside the cloud, all others lie in one direction.

Works on many columns, where distances say little. Fails on rows between clusters, which see others all
round. Columns of unlike units: scale first. Fit O(n log n); score O(log n + k^2 d) a row. The model keeps
the rows, each value once: among copies of one row there are no angles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors.base import State
from pynomaly.detectors.exact import Array, row_sum
from pynomaly.detectors.neighbours import Neighbours
from pynomaly.detectors.parameters import Parameter, Whole

__all__ = ["ABOD"]

_EQUAL = 1e-140  # squared distance under which two rows are one: its square still divides
_NONE = 1e-300  # variances below this are read as it: the logarithm stays finite


class ABOD(Neighbours):
    """Minus the log variance of the weighted cosines to pairs of the k nearest rows (FastABOD).

    The logarithm orders rows as ``pyod.models.abod.ABOD`` does, whose scores span dozens of powers of ten.
    Neighbours that equal the row are left out, as there.

    References
    ----------
    Kriegel, Schubert, Zimek: Angle-based outlier detection in high-dimensional data. KDD 2008.
    """

    name: ClassVar[str] = "abod"
    parameters: ClassVar[Mapping[str, Parameter]] = {"n_neighbors": Whole(10, 3, 100)}
    block_rows: ClassVar[int] = 1024

    def _fit(self, X: Array) -> State:
        return {"rows": np.unique(X, axis=0)}

    def _score(self, X: Array) -> Array:
        rows = self.state["rows"]
        k = min(self.params["n_neighbors"], len(rows))
        _, places = self._nearest(X, k)
        gaps = [rows[places[:, one]] - X for one in range(k)]
        lengths = [row_sum(gap * gap) for gap in gaps]
        first, second = np.triu_indices(k, 1)
        if not len(first):
            return np.full(len(X), -np.log(_NONE))  # one row there is: no pair, no angle
        cosines = np.empty((len(X), len(first)))
        counts = np.empty((len(X), len(first)))
        for pair, (a, b) in enumerate(zip(first, second, strict=True)):
            apart = (lengths[a] > _EQUAL) & (lengths[b] > _EQUAL)
            one, other = np.where(apart, lengths[a], 1.0), np.where(apart, lengths[b], 1.0)
            cosines[:, pair] = np.where(apart, row_sum(gaps[a] * gaps[b]) / one / other, 0.0)
            counts[:, pair] = apart
        pairs = np.maximum(row_sum(counts), 1.0)
        # Divided by its largest, a variance neither overflows nor vanishes before its time.
        largest = np.abs(cosines).max(axis=1)
        unit = cosines / np.where(largest > 0, largest, 1.0)[:, None]
        off = (unit - (row_sum(unit) / pairs)[:, None]) * counts
        variance = row_sum(off * off) / pairs
        log_variance = np.log(np.maximum(variance, _NONE)) + 2 * np.log(np.maximum(largest, _NONE))
        score: Array = -log_variance
        return score
