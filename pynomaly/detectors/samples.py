"""Distance to a few sampled rows, and isolation by spheres around them.

Work where k-NN does at a fraction of its cost, and the model holds a few rows in place of all. Fail when
a sampled row is itself an anomaly (Sampling), and in many dimensions, where hardly any sphere holds a new
row (INNE). Columns of unlike units: scale first. Score O(sampled rows) a row, whatever the fitted ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.exact import Array, row_sum, squared_distances
from pynomaly.detectors.parameters import Parameter, Whole
from pynomaly.detectors.parts import How, nearest_terms

__all__ = ["INNE", "Sampling", "spheres"]

_EPS = np.finfo(np.float64).eps


class Sampling(Detector):
    """Distance to the nearest of a few sampled rows; as ``pyod.models.sampling.Sampling``.

    References
    ----------
    Sugiyama, Borgwardt: Rapid Distance-Based Outlier Detection via Sampling. NIPS 2013.
    """

    name: ClassVar[str] = "sampling"
    parameters: ClassVar[Mapping[str, Parameter]] = {"subset_size": Whole(20, 1, 5000)}
    explains: ClassVar[How] = "terms"

    def _fit(self, X: Array) -> State:
        rng = np.random.default_rng(self.seed)
        chosen = rng.choice(len(X), min(self.params["subset_size"], len(X)), replace=False)
        return {"rows": X[chosen]}

    def _score(self, X: Array) -> Array:
        nearest: Array = np.sqrt(squared_distances(X, self.state["rows"]).min(axis=1))
        return nearest

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        rows = self.state["rows"]
        nearest = rows[squared_distances(x, rows)[0].argmin()]
        return nearest_terms(x[0], nearest)[None], np.zeros(1)


class INNE(Detector):
    """Isolation by nearest-neighbour ensembles: how much smaller the next sphere is than the one a row is in.

    Each of many small samples puts a sphere around every row of it, out to its nearest neighbour. A row
    gets, from the smallest sphere that holds it, 1 minus the share that the neighbour's radius is of its
    own, and 1 from a sample none of whose spheres hold it; the score is the mean.

    References
    ----------
    Bandaragoda et al.: Isolation-based anomaly detection using nearest-neighbor ensembles.
    Computational Intelligence 34, 2018.
    """

    name: ClassVar[str] = "inne"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "n_estimators": Whole(200, 1, 5000),
        "max_samples": Whole(8, 2, 256),
    }
    block_rows: ClassVar[int] = 128  # each row meets every sphere

    def _fit(self, X: Array) -> State:
        rng = np.random.default_rng(self.seed)
        size = min(self.params["max_samples"], len(X))
        draws = [rng.choice(len(X), size, replace=False) for _ in range(self.params["n_estimators"])]
        return spheres(X[np.array(draws)])

    def _score(self, X: Array) -> Array:
        state = self.state
        samples, size = state["radius"].shape
        distances = squared_distances(X, state["centres"]).reshape(len(X), samples, size)
        holds = distances <= state["radius"]
        smallest = holds.argmax(axis=2)  # spheres of a sample are in order of size
        isolation = np.where(holds.any(axis=2), state["isolation"][np.arange(samples), smallest], 1.0)
        mean: Array = row_sum(isolation) / samples
        return mean


def spheres(centres: Array) -> State:
    """Squared radius and isolation of each sphere, smallest first in its sample; centres (samples, m, d)."""
    radius, isolation, ordered = [], [], []
    for sample in centres:
        apart = squared_distances(sample, sample)
        np.fill_diagonal(apart, np.inf)
        own, nearest = apart.min(axis=1), apart.argmin(axis=1)
        order = np.argsort(own, kind="stable")
        radius.append(own[order])
        isolation.append((1 - (own[nearest] + _EPS) / (own + _EPS))[order])
        ordered.append(sample[order])
    return {
        "centres": np.concatenate(ordered),
        "radius": np.array(radius),
        "isolation": np.array(isolation),
    }
