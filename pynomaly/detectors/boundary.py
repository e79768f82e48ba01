"""One-class support vector machine: a smooth boundary around the rows it was fitted on.

Works on clouds of any shape with few thousand rows. Fails when anomalies are among the fitted rows (the
boundary goes around them), and on columns of unlike units: scale first. Very far rows all get the same,
highest score. Fit O(n^2) to O(n^3), score O(n d) a row: more rows than the catalogue allows are sampled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors import sklearn_door
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.exact import Array, row_sum, squared_distances
from pynomaly.detectors.parameters import Number, Parameter

__all__ = ["OCSVM"]


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
        "nu": Number(0.5, 0, 1, open_low=True),
        "gamma": Number(1.0, 0, 1000, open_low=True),
    }
    block_rows: ClassVar[int] = 256  # each row meets every support vector

    def _fit(self, X: Array) -> State:
        variance = float(X.var())
        gamma = self.params["gamma"] / (X.shape[1] * variance) if variance > 0 else self.params["gamma"]
        fitted = sklearn_door.fit("svm", "OneClassSVM", X, kernel="rbf", nu=self.params["nu"], gamma=gamma)
        return {
            "vectors": fitted.support_vectors_,
            "weights": fitted.dual_coef_[0],
            "level": np.array(-fitted.intercept_[0]),
            "gamma": np.array(gamma),
        }

    def _score(self, X: Array) -> Array:
        state = self.state
        near = np.exp(squared_distances(X, state["vectors"]) * -float(state["gamma"]))
        return float(state["level"]) - row_sum(near * state["weights"])
