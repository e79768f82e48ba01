"""Distance from the nearest large cluster.

Works where normal rows form a few round groups of similar size. Fails on stretched or nested groups, and
where the number of clusters is far off. Scale columns of different units first. Fit O(n k d) an iteration,
score O(k d) a row. The clusters are scikit-learn's k-means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pynomaly.detectors import sklearn_door
from pynomaly.detectors.attributions import ExplanationMethod, distance_terms
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.exact import Array, squared_distances
from pynomaly.detectors.parameters import IntegerParameter, NumberParameter, Parameter

__all__ = ["CBLOF"]


class CBLOF(Detector):
    """Cluster-based local outlier factor: distance to the nearest centre of a large cluster, unweighted.

    Clusters, in falling order of size, count as large until they hold a share `alpha` of the rows and the
    next one is `beta` times smaller; if these never happen together, the share alone decides. The distance of
    a row in a small cluster is that to the nearest large one. Scores equal those of
    ``pyod.models.cblof.CBLOF``, which raises where there is one cluster.

    References
    ----------
    He, Xu, Deng: Discovering cluster-based local outliers. Pattern Recognition Letters 24, 2003.
    """

    name: ClassVar[str] = "cblof"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "n_clusters": IntegerParameter(8, 1, 1000),
        "alpha": NumberParameter(0.9, 0.5, 0.999),
        "beta": NumberParameter(5.0, 1, 1000),
    }

    explains: ClassVar[ExplanationMethod] = "terms"

    def _fit(self, X: Array) -> State:
        # k-means squares sums of rows; centred rows keep them small
        middle = X.mean(axis=0)
        clusters = min(self.params["n_clusters"], len(np.unique(X, axis=0)))
        kmeans = sklearn_door.fit(
            "cluster", "KMeans", X - middle, n_clusters=clusters, random_state=self.seed
        )
        sizes = np.bincount(kmeans.labels_, minlength=clusters)
        order = np.argsort(-sizes, kind="stable")
        large = order[: self._count_large_clusters(sizes[order])]
        return {"middle": middle, "centres": kmeans.cluster_centers_[large]}

    def _count_large_clusters(self, sizes: npt.NDArray[np.intp]) -> int:
        """Return the number of large clusters; `sizes` is in falling order."""
        enough = np.cumsum(sizes)[:-1] >= self.params["alpha"] * sizes.sum()
        drops = sizes[:-1] >= self.params["beta"] * sizes[1:]
        for condition in (enough & drops, enough, drops):
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
        return distance_terms(off[0], nearest)[None], np.zeros(1)
