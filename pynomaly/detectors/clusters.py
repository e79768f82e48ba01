"""Distance from the nearest large cluster.

Works where normal rows form a few round groups of like size. Fails on stretched or nested ones, and where
the number of clusters is far off. Columns of unlike units: scale first. Fit O(n k d) an iteration, score
O(k d) a row. The clusters are scikit-learn's k-means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pynomaly.detectors import sklearn_door
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.exact import Array, squared_distances
from pynomaly.detectors.parameters import Number, Parameter, Whole
from pynomaly.detectors.parts import How, nearest_terms

__all__ = ["CBLOF"]


class CBLOF(Detector):
    """Cluster-based local outlier factor: distance to the nearest centre of a large cluster, unweighted.

    Clusters are large, from the biggest on, until they hold a share `alpha` of the rows and the next one is
    `beta` times smaller; if both never happen, the share alone decides. A row in a small cluster is
    measured from the nearest large one. The same as ``pyod.models.cblof.CBLOF``, which raises where
    there is one cluster.

    References
    ----------
    He, Xu, Deng: Discovering cluster-based local outliers. Pattern Recognition Letters 24, 2003.
    """

    name: ClassVar[str] = "cblof"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "n_clusters": Whole(8, 1, 1000),
        "alpha": Number(0.9, 0.5, 0.999),
        "beta": Number(5.0, 1, 1000),
    }

    explains: ClassVar[How] = "terms"

    def _fit(self, X: Array) -> State:
        # k-means squares sums of rows; centred, they stay as small as they can be
        middle = X.mean(axis=0)
        wanted = min(self.params["n_clusters"], len(np.unique(X, axis=0)))
        fitted = sklearn_door.fit("cluster", "KMeans", X - middle, n_clusters=wanted, random_state=self.seed)
        sizes = np.bincount(fitted.labels_, minlength=wanted)
        order = np.argsort(-sizes, kind="stable")
        large = order[: self._large(sizes[order])]
        return {"middle": middle, "centres": fitted.cluster_centers_[large]}

    def _large(self, sizes: npt.NDArray[np.intp]) -> int:
        """How many clusters are large; `sizes` falls."""
        held = np.cumsum(sizes)[:-1] >= self.params["alpha"] * sizes.sum()
        drops = sizes[:-1] >= self.params["beta"] * sizes[1:]
        for condition in (held & drops, held, drops):
            if condition.any():
                return int(condition.argmax()) + 1
        return len(sizes)

    def _score(self, X: Array) -> Array:
        nearest = squared_distances(X - self.state["middle"], self.state["centres"]).min(axis=1)
        distance: Array = np.sqrt(nearest)
        return distance

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        off, centres = x - self.state["middle"], self.state["centres"]
        nearest = centres[squared_distances(off, centres)[0].argmin()]
        return nearest_terms(off[0], nearest)[None], np.zeros(1)
