"""Distance to a few sampled rows, and isolation by spheres around sampled rows.

Work where k-NN works, at a fraction of its cost; the model keeps a few rows instead of all. Fail when a
sampled row is itself an anomaly (distance), and on many columns, where few spheres hold a new row (spheres).
Scale columns of different units first. Score O(sampled rows) a row, whatever the number of fitted rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors.attributions import ExplanationMethod, distance_terms
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.exact import Array, row_sum, squared_distances
from pynomaly.detectors.parameters import IntegerParameter, Parameter

__all__ = ["INNE", "SampledDistance", "build_spheres"]

_EPS = np.finfo(np.float64).eps


class SampledDistance(Detector):
    """Distance to the nearest of a few sampled rows; the method of ``pyod.models.sampling.Sampling``.

    References
    ----------
    Sugiyama, Borgwardt: Rapid Distance-Based Outlier Detection via Sampling. NIPS 2013.
    """

    name: ClassVar[str] = "sampling"
    parameters: ClassVar[Mapping[str, Parameter]] = {"subset_size": IntegerParameter(20, 1, 5000)}
    explains: ClassVar[ExplanationMethod] = "terms"

    def _fit(self, X: Array) -> State:
        rng = np.random.default_rng(self.seed)
        places = rng.choice(len(X), min(self.params["subset_size"], len(X)), replace=False)
        return {"rows": X[places]}

    def _score(self, X: Array) -> Array:
        nearest: Array = np.sqrt(squared_distances(X, self.state["rows"]).min(axis=1))
        return nearest

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        rows = self.state["rows"]
        nearest = rows[squared_distances(x, rows)[0].argmin()]
        return distance_terms(x[0], nearest)[None], np.zeros(1)


class INNE(Detector):
    """Isolation by nearest-neighbour ensembles: how much smaller the neighbouring sphere is than a row's own.

    Each of many small samples puts a sphere around each of its rows, with the distance to the nearest
    neighbour in the sample as radius. A sample gives a row 1 minus the ratio of the neighbour's squared
    radius to that of the smallest sphere that holds the row, or 1 if no sphere holds it. The score is the
    mean over the samples.

    References
    ----------
    Bandaragoda et al.: Isolation-based anomaly detection using nearest-neighbor ensembles.
    Computational Intelligence 34, 2018.
    """

    name: ClassVar[str] = "inne"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "n_estimators": IntegerParameter(200, 1, 5000),
        "max_samples": IntegerParameter(8, 2, 256),
    }
    block_rows: ClassVar[int] = 128  # each row is compared with every sphere

    def _fit(self, X: Array) -> State:
        rng = np.random.default_rng(self.seed)
        size = min(self.params["max_samples"], len(X))
        draws = [rng.choice(len(X), size, replace=False) for _ in range(self.params["n_estimators"])]
        return build_spheres(X[np.array(draws)])

    def _score(self, X: Array) -> Array:
        state = self.state
        samples, size = state["radius"].shape
        distances = squared_distances(X, state["centres"]).reshape(len(X), samples, size)
        holds = distances <= state["radius"]
        smallest = holds.argmax(axis=2)  # spheres of a sample are in order of size
        isolation = np.where(holds.any(axis=2), state["isolation"][np.arange(samples), smallest], 1.0)
        mean: Array = row_sum(isolation) / samples
        return mean


def build_spheres(centres: Array) -> State:
    """Return squared radius and isolation of spheres, smallest first in a sample; centres (samples, m, d)."""
    radius, isolation, ordered = [], [], []
    for sample in centres:
        distances = squared_distances(sample, sample)
        np.fill_diagonal(distances, np.inf)
        own, nearest = distances.min(axis=1), distances.argmin(axis=1)
        order = np.argsort(own, kind="stable")
        radius.append(own[order])
        isolation.append((1 - (own[nearest] + _EPS) / (own + _EPS))[order])
        ordered.append(sample[order])
    return {
        "centres": np.concatenate(ordered),
        "radius": np.array(radius),
        "isolation": np.array(isolation),
    }
