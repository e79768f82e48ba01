"""Gaussian mixture: rows that no component finds likely are anomalous.

Works where normal rows form a few elliptical clusters, and sees broken correlations. Fails on columns
with hard bounds or many ties, and with many columns for few rows. Fit O(n k d^2) an iteration, score
O(k d^2) a row. The fit is PyOD's (scikit-learn's underneath), on standardised columns, so that its
regularisation means the same for every unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors import pyod_door
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.ellipses import stretched
from pynomaly.detectors.exact import Array, mean_and_scale, row_sum
from pynomaly.detectors.parameters import Number, OneOf, Parameter, Whole

__all__ = ["GaussianMixture"]


class GaussianMixture(Detector):
    """Gaussian mixture; the score is minus the log-likelihood of the standardised row.

    References
    ----------
    Bishop: Pattern Recognition and Machine Learning, section 9.2. Springer 2006.
    """

    name: ClassVar[str] = "gmm"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "n_components": Whole(3, 1, 256),
        "covariance_type": OneOf("full", ("full", "diag")),
        "reg_covar": Number(1e-6, 0, 1, open_low=True),
    }

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        fitted = pyod_door.fit(
            "gmm", "GMM", (X - mean) / scale, random_state=self.seed, **self.params
        ).detector_
        roots = fitted.precisions_cholesky_  # (k, d, d) full, (k, d) diag
        roots = roots if roots.ndim == 3 else np.stack([np.diag(root) for root in roots])
        log_determinant = np.log(np.stack([np.diag(root) for root in roots])).sum(axis=1)
        with np.errstate(divide="ignore"):  # an empty component has weight 0 and counts for nothing
            log_weights = np.log(fitted.weights_)
        offsets = log_weights + log_determinant - 0.5 * X.shape[1] * np.log(2 * np.pi)
        return {"mean": mean, "scale": scale, "means": fitted.means_, "roots": roots, "offsets": offsets}

    def _score(self, X: Array) -> Array:
        state = self.state
        logs = np.empty((len(X), len(state["offsets"])))
        for place, (middle, root) in enumerate(zip(state["means"], state["roots"], strict=True)):
            distance = stretched(X, state["mean"], state["scale"], middle, root)
            logs[:, place] = state["offsets"][place] - 0.5 * distance
        top = logs.max(axis=1)
        likely: Array = top + np.log(row_sum(np.exp(logs - top[:, None])))
        return -likely
