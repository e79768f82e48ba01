"""Principal components: rows far from the centre along the main axes, or off their plane.

Works where a few causes move the columns together, and detects a broken relation between them. Fails on
curved relations, and when the fitted rows hold enough anomalies to distort the axes. Fit O(n d^2), score
O(d k) a row. The fit is PyOD's (scikit-learn's underneath), on standardised columns.

PyOD's own score is not used: it sums distances to the *end points* of the unit axes, divided by shares of
variance, which is close to the plain length of the row, and infinite with a constant column.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors import pyod_door
from pynomaly.detectors.attributions import ExplanationMethod
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.ellipses import plane_distances
from pynomaly.detectors.numerics.exact import Array, apply_affine, mean_and_scale
from pynomaly.detectors.parameters import NumberParameter, Parameter
from pynomaly.errors import DetectorError

__all__ = ["PCA"]

# Lower bound of a variance, where a mean column has 1: exact relations between columns would give 0.
_FLOOR = 1e-6


class PCA(Detector):
    """Squared distance under probabilistic principal components.

    Along each main axis the distance is in units of that axis' deviation; off their plane it is in units of
    the mean deviation of the other axes. This is minus twice scikit-learn's ``score_samples``, without its
    constant.

    References
    ----------
    Tipping, Bishop: Probabilistic Principal Component Analysis. J. R. Stat. Soc. B 61, 1999.
    Shyu et al.: A Novel Anomaly Detection Scheme Based on Principal Component Classifier. ICDM Workshop 2003.
    """

    name: ClassVar[str] = "pca"
    parameters: ClassVar[Mapping[str, Parameter]] = {"variance": NumberParameter(0.9, 0.01, 0.9999)}

    explains: ClassVar[ExplanationMethod] = "terms"

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        Z = (X - mean) / scale
        if not Z.any():
            raise DetectorError(f"{self.name}: no column varies; at least one must")
        pca = pyod_door.fit(
            "pca", "PCA", Z, n_components=self.params["variance"], svd_solver="full", standardization=False
        ).detector_
        return {
            "mean": mean,
            "scale": scale,
            "axes": pca.components_.T,
            "variances": np.maximum(pca.explained_variance_, _FLOOR),
            "noise": np.array(max(float(pca.noise_variance_), _FLOOR)),
        }

    def _score(self, X: Array) -> Array:
        state = self.state
        return plane_distances(
            X, state["mean"], state["scale"], state["axes"], state["variances"], float(state["noise"])
        )

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        # The distance is a quadratic form z' M z, so a column's Shapley value from the mean is z_j (M z)_j.
        state = self.state
        Z = (x - state["mean"]) / state["scale"]
        along = apply_affine(Z, state["axes"])
        off = Z - apply_affine(along, state["axes"].T)
        gradient = apply_affine(along / state["variances"], state["axes"].T) + off / float(state["noise"])
        return Z * gradient, np.zeros(1)
