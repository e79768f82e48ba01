"""PCA reconstruction error: whether number columns are still correlated as in the reference.

The correlations of a window are measured along the directions in which the reference varies least, which the
main directions cannot reconstruct. Each direction is scaled by its own variance, so that a broken relation of
two columns is visible among any number of columns. Means and spreads of single columns are not part of it;
they are tested separately. Called by :mod:`pynomaly.model.sketch.baseline` and
:mod:`pynomaly.judging.drift.columns.seasonal_tests`.

References
----------
NannyML: Multivariate drift by data reconstruction with PCA (65 % of the variance kept).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.model.sketch.comoments import Comoments

__all__ = ["ReconstructionBaseline", "reconstruction_error"]

MAIN_VARIANCE_SHARE = 0.65
MIN_WINDOWS = 6
_VARIANCE_FLOOR = 1e-3


@dataclass(frozen=True)
class ReconstructionBaseline:
    """Reconstruction error of the reference's own windows.

    Attributes
    ----------
    mean, deviation : float
        Mean and standard deviation, over the windows, of the logarithm of the error.
    blocks : int
        Number of windows.
    rows : float
        Mean number of rows of a window.
    worth : float
        Number of independent windows that these are worth.
    """

    mean: float
    deviation: float
    blocks: int
    rows: float
    worth: float = math.inf

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        windows: list[npt.NDArray[np.int64]],
        moments: Comoments | None,
        worth: float = math.inf,
    ) -> ReconstructionBaseline | None:
        """Measure each window of a reference; None with fewer than two columns or six windows.

        Parameters
        ----------
        frame : DataFrame of shape (n, >= d)
        windows : list of int array
            Places of the rows of each window.
        moments : Comoments or None
            Of the reference.
        worth : float
            Number of independent windows that these are worth, at most their number.
        """
        if moments is None or len(moments.names) < 2:
            return None
        reference, log_errors, rows = moments.correlation(), [], []
        for places in windows:
            part = frame.iloc[places]
            if len(part) > 2 * len(moments.names):
                window_moments = Comoments.of(part, moments.names, like=moments)
                log_errors.append(math.log(reconstruction_error(reference, window_moments.correlation())))
                rows.append(len(part))
        if len(log_errors) < MIN_WINDOWS:
            return None
        deviation = max(float(np.std(log_errors, ddof=1)), 1e-6)
        count = len(log_errors)
        return cls(float(np.mean(log_errors)), deviation, count, float(np.mean(rows)), min(worth, count))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name) for name in ("mean", "deviation", "blocks", "rows", "worth")}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ReconstructionBaseline:
        """Read what :meth:`to_dict` wrote; earlier editions took all windows for independent."""
        return cls(
            float(content["mean"]),
            float(content["deviation"]),
            int(content["blocks"]),
            float(content["rows"]),
            float(content.get("worth", content["blocks"])),
        )


def reconstruction_error(reference: npt.NDArray[np.float64], window: npt.NDArray[np.float64]) -> float:
    """Return the mean reconstruction error of a window; 1 for the reference itself.

    Parameters
    ----------
    reference, window : array of shape (d, d)
        Correlation matrices. The main directions, with 65 % of the reference's variance, are left out; the
        last direction is always used.
    """
    values, vectors = np.linalg.eigh(reference)
    share = np.cumsum(values[::-1])[::-1] - values  # variance of the larger ones
    rest = share >= MAIN_VARIANCE_SHARE * values.sum()
    rest[0] = True
    directions = vectors[:, rest]
    variance = np.einsum("ij,ik,kj->j", directions, window, directions)
    floor = np.maximum(values[rest], _VARIANCE_FLOOR)
    return float(np.mean(np.maximum(variance, _VARIANCE_FLOOR) / floor))
