"""Tail probabilities of each column, from the empirical distribution of the rows it was fitted on.

Work without parameters on wide tables whose anomalies are extreme in single columns. Fail where a value
is odd only in combination with another one, or lies between two modes: the middle never counts as a tail.
Fit O(d n log n), score O(d log n) a row.

PyOD ranks a row among the training rows *and its batch*, so its score depends on the batch. Here the sorted
columns and the skewness are fixed at the fit, and a row counts as one more value: the score that PyOD gives
to a row in a batch of one.
"""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.attributions import ExplanationMethod
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.compiled import prefer_compiled, sum_place_rarity
from pynomaly.detectors.numerics.exact import Array, row_sum

__all__ = ["COPOD", "ECOD"]


class _TailDetector(Detector):
    """Base of both detectors: minus the log of the two tail probabilities of each cell.

    A cell equals one of a column's m distinct values or lies in one of the m + 1 gaps between them: 2 m + 1
    places, each with a rarity computed once. Scoring is one binary search and one look-up a cell.
    """

    explains: ClassVar[ExplanationMethod] = "terms"

    _places: tuple[Array, npt.NDArray[np.int64], Array]

    def _fit(self, X: Array) -> State:
        return {"sorted": np.sort(X, axis=0).T, "skew": _compute_skew_sign(X)}

    def _prepare(self) -> None:
        values, starts, rarity = [], [0], []
        for ordered, skew in zip(self.state["sorted"], self.state["skew"], strict=True):
            different = np.unique(ordered)
            values.append(different)
            starts.append(starts[-1] + len(different))
            rarity.append(self._place_rarity(ordered, different, skew))
        self._places = np.concatenate(values), np.array(starts, dtype=np.int64), np.concatenate(rarity)

    def _place_rarity(self, ordered: Array, different: Array, skew: float) -> Array:
        """Return the rarity of each place of a column, gaps and values alternating; shape (2 m + 1,)."""
        rows = len(ordered)
        up_to = np.searchsorted(ordered, different, side="right")
        below = np.searchsorted(ordered, different, side="left")
        # The scored row counts as one more value. In a gap, all values below and all above are counted.
        counts = np.empty((2, 2 * len(different) + 1))
        counts[:, 1::2] = up_to, rows - below
        counts[:, 0::2] = np.append(0, up_to), rows - np.append(0, up_to)
        left, right = -np.log((counts + 1) / (rows + 1))
        skewed = left * (skew <= 0) + right * (skew >= 0)
        rarity: Array = np.maximum(skewed, self._join_tails(left, right))
        return rarity

    def _score(self, X: Array) -> Array:
        values, starts, rarity = self._places
        if prefer_compiled(30.0 * X.size):
            return sum_place_rarity(X, values, starts, rarity)
        return row_sum(self._cell_rarity(X))

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        expected = self._cell_rarity(usual)
        return self._cell_rarity(x) - expected, row_sum(expected)

    def _cell_rarity(self, X: Array) -> Array:
        """Return the rarity of each cell, shape (n, d)."""
        values, starts, rarity = self._places
        scores = np.empty_like(X)
        for column, (start, end) in enumerate(pairwise(starts)):
            cells, different = np.ascontiguousarray(X[:, column]), values[start:end]
            place = np.searchsorted(different, cells, side="left")
            on = different[np.minimum(place, len(different) - 1)] == cells
            scores[:, column] = rarity[2 * start + column + 2 * place + on]
        return scores

    @staticmethod
    @abstractmethod
    def _join_tails(left: Array, right: Array) -> Array:
        """Combine the rarities of the left and right tails."""


class ECOD(_TailDetector):
    """Empirical cumulative distribution: the rarer tail of each column, summed over the columns.

    References
    ----------
    Li et al.: ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions.
    IEEE TKDE 2022.
    """

    name: ClassVar[str] = "ecod"

    @staticmethod
    def _join_tails(left: Array, right: Array) -> Array:
        return np.maximum(left, right)


class COPOD(_TailDetector):
    """Empirical copula: the mean of both tails of each column, or the one its skewness points to.

    References
    ----------
    Li et al.: COPOD: Copula-Based Outlier Detection. ICDM 2020.
    """

    name: ClassVar[str] = "copod"

    @staticmethod
    def _join_tails(left: Array, right: Array) -> Array:
        return (left + right) / 2


def _compute_skew_sign(X: Array) -> Array:
    """Return the sign of each column's skewness, shape (d,); 0 if it varies only by rounding."""
    mean = X.mean(axis=0)
    spread = np.abs(X - mean).max(axis=0)
    constant = spread <= np.abs(mean) * 10 * np.finfo(np.float64).eps
    unit = (X - mean) / np.where(spread > 0, spread, 1.0)  # cubes of large numbers would overflow
    sign: Array = np.where(constant, 0.0, np.sign((unit**3).mean(axis=0)))
    return sign
