"""Gaussian mixture: rows that no component finds likely are anomalous.

Works where normal rows form a few elliptical clusters, and detects broken correlations. Fails on columns
with hard bounds or many ties, and with many columns for few rows. Fit O(n k d^2) an iteration, score
O(k d^2) a row. The fit is PyOD's (scikit-learn's underneath), on standardised columns, so that its
regularisation has the same effect for every unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors import pyod_door
from pynomaly.detectors.attributions import ExplanationMethod
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.ellipses import ellipse_distances
from pynomaly.detectors.numerics.exact import Array, apply_affine, mean_and_scale, row_sum
from pynomaly.detectors.parameters import ChoiceParameter, IntegerParameter, NumberParameter, Parameter

__all__ = ["GaussianMixture"]


class GaussianMixture(Detector):
    """Gaussian mixture; the score is minus the log-likelihood of the standardised row.

    References
    ----------
    Bishop: Pattern Recognition and Machine Learning, section 9.2. Springer 2006.
    """

    name: ClassVar[str] = "gmm"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "n_components": IntegerParameter(3, 1, 256),
        "covariance_type": ChoiceParameter("full", ("full", "diag")),
        "reg_covar": NumberParameter(1e-6, 0, 1, open_low=True),
    }

    explains: ClassVar[ExplanationMethod] = "terms"

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        gmm = pyod_door.fit("gmm", "GMM", (X - mean) / scale, random_state=self.seed, **self.params).detector_
        roots = gmm.precisions_cholesky_  # (k, d, d) full, (k, d) diag
        roots = roots if roots.ndim == 3 else np.stack([np.diag(root) for root in roots])
        log_determinant = np.log(np.stack([np.diag(root) for root in roots])).sum(axis=1)
        with np.errstate(divide="ignore"):  # an empty component has weight 0: its log, -inf, adds nothing
            log_weights = np.log(gmm.weights_)
        offsets = log_weights + log_determinant - 0.5 * X.shape[1] * np.log(2 * np.pi)
        return {"mean": mean, "scale": scale, "means": gmm.means_, "roots": roots, "offsets": offsets}

    def _score(self, X: Array) -> Array:
        logs = self._log_densities(X)
        top = logs.max(axis=1)
        likely: Array = top + np.log(row_sum(np.exp(logs - top[:, None])))
        return -likely

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        # With r the components' shares in the row: -log sum exp(l) = sum r (log r - l). Each l is a constant
        # less half a squared distance, which is divided as in `covariance`.
        state, logs = self.state, self._log_densities(x)[0]
        shares = np.exp(logs - logs.max())
        shares /= shares.sum()
        terms, base = np.zeros_like(x), 0.0
        for share, middle, root, offset in zip(
            shares, state["means"], state["roots"], state["offsets"], strict=True
        ):
            if share > 0:
                off = (x - state["mean"]) / state["scale"] - middle
                terms += 0.5 * share * off * apply_affine(apply_affine(off, root), root.T)
                base += share * (np.log(share) - offset)
        return terms, np.array([base])

    def _log_densities(self, X: Array) -> Array:
        """Return the log of the weighted density of each component, shape (n, k)."""
        state = self.state
        logs = np.empty((len(X), len(state["offsets"])))
        for place, (middle, root) in enumerate(zip(state["means"], state["roots"], strict=True)):
            distance = ellipse_distances(X, state["mean"], state["scale"], middle, root)
            logs[:, place] = state["offsets"][place] - 0.5 * distance
        return logs
