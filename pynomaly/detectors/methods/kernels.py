"""Kernel density, and distance from a curved surface (kernel PCA), by Gaussian kernels on the fitted rows.

Work on curved clouds of few columns. Fail on many columns, where every row is far from every other. The cost
of fit and score grows with the fitted rows, which the model keeps, so the rows are sampled. Columns are
standardised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors.attributions import ExplanationMethod
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.exact import Array, apply_affine, mean_and_scale, row_sum, squared_distances
from pynomaly.detectors.parameters import IntegerParameter, NumberParameter, Parameter

__all__ = ["KDE", "KPCA"]

_RANK = 1e-9  # an axis whose variance is a smaller share of the largest one is rounding error


class KDE(Detector):
    """Minus the log of a Gaussian kernel density; `bandwidth` is in units of Scott's rule.

    The formula is that of scikit-learn's ``KernelDensity`` and PyOD's ``KDE``, summed over all fitted rows.

    References
    ----------
    Latecki, Lazarevic, Pokrajac: Outlier Detection with Kernel Density Functions. MLDM 2007.
    Scott: Multivariate Density Estimation. Wiley 1992.
    """

    name: ClassVar[str] = "kde"
    parameters: ClassVar[Mapping[str, Parameter]] = {"bandwidth": NumberParameter(1.0, 0, 100, open_low=True)}
    block_rows: ClassVar[int] = 64  # each row is compared with every fitted row
    explains: ClassVar[ExplanationMethod] = "terms"

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        width = self.params["bandwidth"] * len(X) ** (-1 / (X.shape[1] + 4))
        return {"mean": mean, "scale": scale, "rows": (X - mean) / scale, "width": np.array(width)}

    def _score(self, X: Array) -> Array:
        state = self.state
        rows, width = state["rows"], float(state["width"])
        near = squared_distances((X - state["mean"]) / state["scale"], rows) / (-2 * width**2)
        top = near.max(axis=1)
        log_sum = top + np.log(row_sum(np.exp(near - top[:, None])))
        constant = np.log(len(rows)) + X.shape[1] * np.log(width * np.sqrt(2 * np.pi))
        density: Array = constant - log_sum
        return density

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        # The formula of `mixture`, with one component at each fitted row.
        state = self.state
        rows, width = state["rows"], float(state["width"])
        gaps = (((x - state["mean"]) / state["scale"] - rows) / width) ** 2 / 2
        logs = -row_sum(gaps)
        shares = np.exp(logs - logs.max())
        shares /= shares.sum()
        entropy = float((shares * np.log(np.where(shares > 0, shares, 1.0))).sum())
        constant = np.log(len(rows)) + x.shape[1] * np.log(width * np.sqrt(2 * np.pi))
        return (shares[:, None] * gaps).sum(axis=0)[None], np.array([constant + entropy])


class KPCA(Detector):
    """Squared distance from the plane of the main axes, in the kernel's feature space.

    `gamma` is in units of ``1 / d`` on standardised columns. Scores equal those of
    ``pyod.models.kpca.KPCA`` with the same number of components; its default, as many components as rows,
    leaves no error to score by.

    References
    ----------
    Hoffmann: Kernel PCA for novelty detection. Pattern Recognition 40, 2007.
    """

    name: ClassVar[str] = "kpca"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "n_components": IntegerParameter(16, 1, 1000),
        "gamma": NumberParameter(1.0, 0, 1000, open_low=True),
    }
    block_rows: ClassVar[int] = 512

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        rows = (X - mean) / scale
        gamma = self.params["gamma"] / X.shape[1]
        near = np.exp(squared_distances(rows, rows) * -gamma)
        of_row = near.mean(axis=0)
        of_all = near.mean()
        values, axes = np.linalg.eigh(near - of_row - of_row[:, None] + of_all)
        main = np.argsort(values)[::-1][: self.params["n_components"]]
        main = main[values[main] > max(values.max(), 1.0) * _RANK]
        axes = axes[:, main] / np.sqrt(values[main])
        # `shift` and `total` centre the kernel when scoring: a constant of each axis, and the axis' sum.
        return {
            "mean": mean,
            "scale": scale,
            "rows": rows,
            "gamma": np.array(gamma),
            "axes": axes,
            "of_all": np.array(of_all),
            "shift": of_row @ axes,
            "total": axes.sum(axis=0),
        }

    def _score(self, X: Array) -> Array:
        state = self.state
        Z = (X - state["mean"]) / state["scale"]
        near = np.exp(squared_distances(Z, state["rows"]) * -float(state["gamma"]))
        of_row, of_all = row_sum(near) / near.shape[1], float(state["of_all"])
        along = apply_affine(near, state["axes"]) - state["shift"]
        along -= (of_row - of_all)[:, None] * state["total"]
        error: Array = 1.0 - 2.0 * of_row + of_all - row_sum(along * along)
        return error
