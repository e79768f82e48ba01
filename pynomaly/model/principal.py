"""Whether number columns still move together as they did, seen along their principal directions.

A window's correlations are looked at along the directions in which the reference hardly varies: what cannot
be rebuilt from the main directions. Each direction counts by its own variance, so that a relation of two
columns which breaks shows, however many others there are. Single columns' means and spreads play no part:
they are tested by themselves. Called by :mod:`pynomaly.model.baseline` and :mod:`pynomaly.judging.matched`.

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

from pynomaly.model.moments import Moments

__all__ = ["Principal", "rebuilt"]

KEPT = 0.65
FEWEST = 6
_FLOOR = 1e-3


@dataclass(frozen=True)
class Principal:
    """What the reference's own windows have as reconstruction error.

    Attributes
    ----------
    mean, deviation : float
        Of its logarithm over the windows.
    blocks : int
    rows : float
        Rows of a window, on average.
    """

    mean: float
    deviation: float
    blocks: int
    rows: float

    @classmethod
    def of(
        cls, frame: pd.DataFrame, windows: list[npt.NDArray[np.int64]], moments: Moments | None
    ) -> Principal | None:
        """Measure each window of a reference; None with fewer than two columns or six windows."""
        if moments is None or len(moments.names) < 2:
            return None
        reference, found, rows = moments.correlation(), [], []
        for places in windows:
            part = frame.iloc[places]
            if len(part) > 2 * len(moments.names):
                window = Moments.of(part, moments.names, like=moments)
                found.append(math.log(rebuilt(reference, window.correlation())))
                rows.append(len(part))
        if len(found) < FEWEST:
            return None
        deviation = max(float(np.std(found, ddof=1)), 1e-6)
        return cls(float(np.mean(found)), deviation, len(found), float(np.mean(rows)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"mean": self.mean, "deviation": self.deviation, "blocks": self.blocks, "rows": self.rows}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Principal:
        """Read what :meth:`to_dict` wrote."""
        return cls(
            float(content["mean"]),
            float(content["deviation"]),
            int(content["blocks"]),
            float(content["rows"]),
        )


def rebuilt(reference: npt.NDArray[np.float64], window: npt.NDArray[np.float64]) -> float:
    """Mean reconstruction error of a window; 1 for the reference itself.

    Parameters
    ----------
    reference, window : array of shape (d, d)
        Correlation matrices. The directions that hold 65 % of the reference's variance are left out, the last
        one never is.
    """
    values, vectors = np.linalg.eigh(reference)
    share = np.cumsum(values[::-1])[::-1] - values  # variance of the larger ones
    rest = share >= KEPT * values.sum()
    rest[0] = True
    directions = vectors[:, rest]
    variance = np.einsum("ij,ik,kj->j", directions, window, directions)
    floor = np.maximum(values[rest], _FLOOR)
    return float(np.mean(np.maximum(variance, _FLOOR) / floor))
