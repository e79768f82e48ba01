"""Distance from the centre of one ellipse, in units of its own spread (Mahalanobis).

Work where normal rows form one elliptical cloud, and detect broken correlations. Fail on several clusters
and on curved clouds. A direction in which the fitted rows do not vary is left out, because no spread defines
what is far there. A constant column keeps its own unit, so that a cell that differs from it is seen.
Fit O(n d^2) and, for MCD, many times that; score O(d^2) a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from pynomaly.detectors import pyod_door, sklearn_door
from pynomaly.detectors.attributions import ExplanationMethod
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.ellipses import ellipse_distances
from pynomaly.detectors.numerics.exact import Array, apply_affine, mean_and_scale
from pynomaly.detectors.parameters import NumberParameter, Parameter
from pynomaly.errors import DetectorError

__all__ = ["MCD", "Mahalanobis"]

_NO_SPREAD = 1e-12  # an axis whose variance is a smaller share of the largest one is rounding error


class _EllipseDetector(Detector):
    """Base of both detectors: a centre and the whitening matrix of the ellipse.

    A column's part of ``u' P u`` is ``u_j (P u)_j``: its Shapley value relative to the centre.
    """

    explains: ClassVar[ExplanationMethod] = "terms"

    def _whitening_state(self, X: Array, mean: Array, scale: Array, centre: Any, covariance: Any) -> State:
        values, axes = np.linalg.eigh(covariance)
        varies = values > values.max(initial=0.0) * _NO_SPREAD
        if not varies.any():
            raise DetectorError(
                f"{self.name}: most rows are equal; the bulk of them must vary in some column"
            )
        constant = np.ptp(X, axis=0) == 0
        centre = np.where(constant, 0.0, centre)
        unit_axes = np.eye(len(mean))[:, constant & ~covariance.any(axis=0)]
        whitening = np.hstack([axes[:, varies] / np.sqrt(values[varies]), unit_axes])
        return {
            "mean": np.where(constant, X[0], mean),
            "scale": scale,
            "centre": centre,
            "whitening": whitening,
        }

    def _score(self, X: Array) -> Array:
        state = self.state
        return ellipse_distances(X, state["mean"], state["scale"], state["centre"], state["whitening"])

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        off = (x - self.state["mean"]) / self.state["scale"] - self.state["centre"]
        return off * apply_affine(
            apply_affine(off, self.state["whitening"]), self.state["whitening"].T
        ), np.zeros(1)


class MCD(_EllipseDetector):
    """Squared distance from the ellipse of the tightest part of the rows (minimum covariance determinant).

    Anomalies among the fitted rows do not distort it, up to about half of the rows. It needs several times
    more rows than columns. A column in which most rows share one value has no spread in the tightest part,
    and is left out. The fit is PyOD's (scikit-learn's ``MinCovDet`` underneath).

    References
    ----------
    Rousseeuw, Van Driessen: A Fast Algorithm for the Minimum Covariance Determinant Estimator.
    Technometrics 41, 1999.
    """

    name: ClassVar[str] = "mcd"
    parameters: ClassVar[Mapping[str, Parameter]] = {"support_fraction": NumberParameter(0.75, 0.5, 1.0)}

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        estimator = pyod_door.fit(
            "mcd", "MCD", (X - mean) / scale, random_state=self.seed, **self.params
        ).detector_
        return self._whitening_state(X, mean, scale, estimator.location_, estimator.covariance_)


class Mahalanobis(_EllipseDetector):
    """Squared distance from the ellipse of all rows, shrunk towards a ball (Ledoit-Wolf).

    For few rows and many columns, where MCD has too few rows; anomalies among the fitted rows distort it.
    scikit-learn's ``EllipticEnvelope`` is the same estimate as MCD, and so not offered.

    References
    ----------
    Ledoit, Wolf: A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices.
    J. Multivariate Analysis 88, 2004.
    """

    name: ClassVar[str] = "mahalanobis"

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        estimator = sklearn_door.fit("covariance", "LedoitWolf", (X - mean) / scale)
        return self._whitening_state(X, mean, scale, estimator.location_, estimator.covariance_)
