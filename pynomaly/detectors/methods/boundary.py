"""One-class support vector machine: a smooth boundary around the rows it was fitted on.

Works on clouds of any shape with a few thousand rows. Fails when anomalies are among the fitted rows (the
boundary then encloses them), and on columns of different units: scale first. Very far rows all get the same,
highest score. Fit O(n^2) to O(n^3), score O(n d) a row: rows beyond the catalogue's limit are sampled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors import sklearn_door
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.exact import Array, row_sum, squared_distances
from pynomaly.detectors.parameters import IntegerParameter, NumberParameter, Parameter

__all__ = ["OCSVM", "SGDOCSVM"]


class OCSVM(Detector):
    """One-class support vector machine with a Gaussian kernel; above 0 is outside the boundary.

    `gamma` is in units of ``1 / (d * variance)``; `nu` is the share of fitted rows that may lie outside.
    The fit is scikit-learn's (libsvm's underneath).

    References
    ----------
    Schölkopf et al.: Estimating the Support of a High-Dimensional Distribution. Neural Computation 13, 2001.
    """

    name: ClassVar[str] = "ocsvm"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "nu": NumberParameter(0.5, 0, 1, open_low=True),
        "gamma": NumberParameter(1.0, 0, 1000, open_low=True),
    }
    block_rows: ClassVar[int] = 256  # each row is compared with every support vector

    def _fit(self, X: Array) -> State:
        gamma = self._scale_gamma(X)
        svm = sklearn_door.fit("svm", "OneClassSVM", X, kernel="rbf", nu=self.params["nu"], gamma=gamma)
        return {
            "vectors": svm.support_vectors_,
            "weights": svm.dual_coef_[0],
            "level": np.array(-svm.intercept_[0]),
            "gamma": np.array(gamma),
        }

    def _scale_gamma(self, X: Array) -> float:
        variance = float(X.var())
        gamma: float = self.params["gamma"]
        return gamma / (X.shape[1] * variance) if variance > 0 else gamma

    def _score(self, X: Array) -> Array:
        state = self.state
        near = np.exp(squared_distances(X, state["vectors"]) * -float(state["gamma"]))
        return float(state["level"]) - row_sum(near * state["weights"])


class SGDOCSVM(OCSVM):
    """One-class support vector machine for many rows: a few landmarks replace the support vectors.

    Kernel columns at `landmarks` sampled rows (Nyström) turn it into a linear problem, which stochastic
    gradient descent solves. Uses scikit-learn's ``Nystroem`` and ``SGDOneClassSVM``.

    References
    ----------
    Williams, Seeger: Using the Nyström Method to Speed Up Kernel Machines. NIPS 2000.
    """

    name: ClassVar[str] = "sgdocsvm"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "nu": NumberParameter(0.5, 0, 1, open_low=True),
        "gamma": NumberParameter(1.0, 0, 1000, open_low=True),
        "landmarks": IntegerParameter(100, 1, 2000),
    }

    def _fit(self, X: Array) -> State:
        gamma = self._scale_gamma(X)
        landmarks = min(self.params["landmarks"], len(X))
        nystroem = sklearn_door.fit(
            "kernel_approximation", "Nystroem", X, gamma=gamma, n_components=landmarks, random_state=self.seed
        )
        near = np.exp(squared_distances(X, nystroem.components_) * -gamma) @ nystroem.normalization_.T
        svm = sklearn_door.fit(
            "linear_model", "SGDOneClassSVM", near, nu=self.params["nu"], random_state=self.seed
        )
        return {
            "vectors": nystroem.components_,
            "weights": nystroem.normalization_.T @ svm.coef_.ravel(),
            "level": np.array(float(svm.offset_[0])),
            "gamma": np.array(gamma),
        }
