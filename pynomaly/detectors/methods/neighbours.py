"""Distance to the nearest fitted rows (KNN), and density relative to theirs (LOF).

KNN works on most tables of moderate width and finds isolated rows; LOF finds rows in thinner surroundings
than their neighbours', where density varies. Both fail when anomalies among the fitted rows form a tight
cluster (they are each other's neighbours), on many columns, and on columns of different units: scale first.
Fit O(n log n); score O(log n) a row for few columns, O(n) for many. The model keeps the rows.

Up to 16 columns are searched by SciPy's k-d tree, rebuilt on load: each query is independent of its batch.
More columns are searched by `nearest`, which is exact as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from pynomaly.detectors import sklearn_door
from pynomaly.detectors.attributions import ExplanationMethod, distance_terms
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.exact import Array, row_sum
from pynomaly.detectors.numerics.nearest import WIDEST_FOR_TREE, NearestRows
from pynomaly.detectors.parameters import ChoiceParameter, IntegerParameter, Parameter
from pynomaly.errors import DetectorError

__all__ = ["KNN", "LOF", "NeighbourDetector"]


class NeighbourDetector(Detector):
    """Base of the methods of nearest rows: holds the fitted rows in a search index."""

    _tree: Any = None
    _rows: NearestRows

    def _prepare(self) -> None:
        if self._width > WIDEST_FOR_TREE:
            self._rows = NearestRows(self.state["rows"])
            return
        from scipy.spatial import cKDTree

        # A balanced tree is slow to build on many equal rows.
        self._tree = cKDTree(self.state["rows"], balanced_tree=False, leafsize=32)

    def _find_nearest(self, X: Array, k: int | None = None) -> tuple[Array, Any]:
        """Return distances and places of the nearest fitted rows, nearest first; shapes (n, k)."""
        k = k or self.params["n_neighbors"]
        if self._width > WIDEST_FOR_TREE:
            return self._rows.query(X, k)
        distances, places = self._tree.query(X, k=np.arange(1, k + 1))
        return distances, places

    def _require_rows(self, X: Array, least: int) -> None:
        if len(X) < least:
            requirement = f"n_neighbors {self.params['n_neighbors']} needs at least {least} rows to fit on"
            raise DetectorError(f"{self.name}: {requirement}; given {len(X)}")


class KNN(NeighbourDetector):
    """Distance to the k nearest fitted rows: the largest, their mean or their median.

    A row that is itself among the fitted ones finds itself at distance 0 and scores too low: evaluate a model
    on rows it was not fitted on.

    References
    ----------
    Ramaswamy, Rastogi, Shim: Efficient algorithms for mining outliers from large data sets. SIGMOD 2000.
    """

    name: ClassVar[str] = "knn"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "n_neighbors": IntegerParameter(5, 1, 1000),
        "method": ChoiceParameter("largest", ("largest", "mean", "median")),
    }

    explains: ClassVar[ExplanationMethod] = "terms"

    def _fit(self, X: Array) -> State:
        self._require_rows(X, self.params["n_neighbors"])
        return {"rows": X}

    def _score(self, X: Array) -> Array:
        distances, _ = self._find_nearest(X)
        if self.params["method"] == "mean":
            mean: Array = row_sum(distances) / distances.shape[1]
            return mean
        if self.params["method"] == "median":
            middle: Array = np.median(distances, axis=1)
            return middle
        largest: Array = distances[:, -1]
        return largest

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        places = self._find_nearest(x)[1][0]
        if self.params["method"] == "largest":
            places = places[-1:]
        elif self.params["method"] == "median":
            places = places[(len(places) - 1) // 2 : len(places) // 2 + 1]
        terms = np.stack([distance_terms(x[0], self.state["rows"][place]) for place in places], axis=1)
        return row_sum(terms)[None] / len(places), np.zeros(1)


class LOF(NeighbourDetector):
    """Local outlier factor: mean density around a row's neighbours over that around the row.

    About 1 is normal. Fitted by scikit-learn with ``novelty=True``; new rows are compared with the
    fitted ones only.

    References
    ----------
    Breunig et al.: LOF: Identifying Density-Based Local Outliers. SIGMOD 2000.
    """

    name: ClassVar[str] = "lof"
    parameters: ClassVar[Mapping[str, Parameter]] = {"n_neighbors": IntegerParameter(20, 1, 1000)}

    def _fit(self, X: Array) -> State:
        k = self.params["n_neighbors"]
        self._require_rows(X, k + 1)  # a fitted row does not count as its own neighbour
        lof = sklearn_door.fit("neighbors", "LocalOutlierFactor", X, n_neighbors=k, novelty=True)
        return {"rows": X, "reach": lof._distances_fit_X_[:, -1], "density": lof._lrd}

    def _score(self, X: Array) -> Array:
        distances, places = self._find_nearest(X)
        k = distances.shape[1]
        reachability = np.maximum(distances, self.state["reach"][places])
        # 1e-10 as in scikit-learn: with more than k equal rows the mean distance is 0
        density = 1.0 / (row_sum(reachability) / k + 1e-10)
        factor: Array = row_sum(self.state["density"][places]) / k / density
        return factor
