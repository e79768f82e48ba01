"""Tail probabilities of each column, from the empirical distribution of the rows it was fitted on.

Work without parameters on wide tables whose anomalies are extreme in single columns. Fail where a value
is odd only beside another one, or lies between two modes: the middle never counts as a tail. Fit
O(d n log n), score O(d log n) a row.

PyOD ranks a row among the training rows *and its batch*, so its score moves with its neighbours. Here the
sorted columns and the skewness are frozen at the fit, and a row counts as one more value of its own: what
PyOD gives to a row that comes alone.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.exact import Array, row_sum

__all__ = ["COPOD", "ECOD"]


class _Tails(Detector):
    """What both share: minus the log of the two tail probabilities of each cell."""

    def _fit(self, X: Array) -> State:
        return {"sorted": np.sort(X, axis=0).T, "skew": _skew_sign(X)}

    def _score(self, X: Array) -> Array:
        ordered, skew = self.state["sorted"], self.state["skew"]
        rows = ordered.shape[1]
        rarity = np.empty_like(X)
        for place, column in enumerate(X.T):
            cells = np.ascontiguousarray(column)
            up_to = np.searchsorted(ordered[place], cells, side="right")
            from_on = rows - np.searchsorted(ordered[place], cells, side="left")
            left, right = (-np.log((count + 1) / (rows + 1)) for count in (up_to, from_on))
            skewed = left * (skew[place] <= 0) + right * (skew[place] >= 0)
            rarity[:, place] = np.maximum(skewed, self._both(left, right))
        return row_sum(rarity)

    @staticmethod
    @abstractmethod
    def _both(left: Array, right: Array) -> Array:
        """Two tails as one."""


class ECOD(_Tails):
    """Empirical cumulative distribution: the rarer tail of each column, summed over the columns.

    References
    ----------
    Li et al.: ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions.
    IEEE TKDE 2022.
    """

    name: ClassVar[str] = "ecod"

    @staticmethod
    def _both(left: Array, right: Array) -> Array:
        return np.maximum(left, right)


class COPOD(_Tails):
    """Empirical copula: the mean of both tails of each column, or the one its skewness points to.

    References
    ----------
    Li et al.: COPOD: Copula-Based Outlier Detection. ICDM 2020.
    """

    name: ClassVar[str] = "copod"

    @staticmethod
    def _both(left: Array, right: Array) -> Array:
        return (left + right) / 2


def _skew_sign(X: Array) -> Array:
    """Sign of each column's skewness, shape (d,); 0 for one that varies by no more than rounding."""
    mean = X.mean(axis=0)
    spread = np.abs(X - mean).max(axis=0)
    still = spread <= np.abs(mean) * 10 * np.finfo(np.float64).eps
    unit = (X - mean) / np.where(spread > 0, spread, 1.0)  # cubes of large numbers would overflow
    sign: Array = np.where(still, 0.0, np.sign((unit**3).mean(axis=0)))
    return sign
