"""Lightweight on-line detector of anomalies: histograms of many thin random projections.

Works on wide tables at a few hundred operations a row, and sees some relations between columns, because each
projection mixes about the square root of their number. Fails on anomalies inside the range of every
projection, and does not distinguish far from very far outside. Fit and score O(n cuts d), on standardised
columns.

The scores differ from PyOD's: its scorer looks up the bin beside the one in which a value lies, and counts
all values outside the fitted range in the outermost bins, however full those are. Here a value is looked up
in its own bin, and a value outside the range is as rare as an empty bin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.exact import Array, apply_affine, mean_and_scale, row_sum
from pynomaly.detectors.parameters import IntegerParameter, Parameter

__all__ = ["LODA"]


class LODA(Detector):
    """Mean over the projections of minus the log density; one count is added to every bin.

    References
    ----------
    Pevný: Loda: Lightweight on-line detector of anomalies. Machine Learning 102, 2016.
    """

    name: ClassVar[str] = "loda"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "n_cuts": IntegerParameter(100, 1, 5000),
        "n_bins": IntegerParameter(20, 2, 1000),
    }
    block_rows: ClassVar[int] = 1024  # rows times projections stay in cache

    def _fit(self, X: Array) -> State:
        rng = np.random.default_rng(self.seed)
        mean, scale = mean_and_scale(X)
        width, cuts, bins = X.shape[1], self.params["n_cuts"], self.params["n_bins"]
        mixed = rng.random((cuts, width)).argsort(axis=1).argsort(axis=1) < max(1, round(np.sqrt(width)))
        projections = (rng.normal(size=(cuts, width)) * mixed).T.copy()
        projected = apply_affine((X - mean) / scale, projections)
        low, high = projected.min(axis=0), projected.max(axis=0)
        low, high = np.where(high > low, low, low - 0.5), np.where(high > low, high, high + 0.5)
        step = (high - low) / bins
        places = _find_bins(projected, low, high, step, bins) + np.arange(cuts) * (bins + 1)
        counts = np.bincount(places.ravel(), minlength=cuts * (bins + 1)).reshape(cuts, bins + 1)
        density = (
            (counts + 1) / (len(X) + bins + 1) / step[:, None]
        )  # the last bin stands for values outside the range
        return {
            "mean": mean,
            "scale": scale,
            "projections": projections,
            "low": low,
            "high": high,
            "step": step,
            "rarity": -np.log(density),
        }

    def _score(self, X: Array) -> Array:
        state = self.state
        rarity = state["rarity"]
        cuts, bins = rarity.shape[0], rarity.shape[1] - 1
        projected = apply_affine((X - state["mean"]) / state["scale"], state["projections"])
        places = _find_bins(projected, state["low"], state["high"], state["step"], bins)
        mean: Array = row_sum(rarity[np.arange(cuts), places]) / cuts
        return mean


def _find_bins(projected: Array, low: Array, high: Array, step: Array, bins: int) -> npt.NDArray[np.intp]:
    """Return the bin of each projected value, from 0; `bins` for a value outside the range."""
    inside = (projected >= low) & (projected <= high)
    place = np.clip((projected - low) / step, 0, bins - 1).astype(np.intp)
    return np.where(inside, place, bins)
