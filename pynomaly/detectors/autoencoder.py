"""Autoencoder: a small network, trained on normal rows, reconstructs anomalous rows badly.

Works with thousands of rows and curved relations between columns. Fails with few rows, and learns
anomalies that are many among the fitted rows. Fit O(epochs n weights), on CPU or GPU; score O(weights) a
row, in float64 from plain arrays, without torch.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from pynomaly.detectors.base import State
from pynomaly.detectors.exact import Array, mean_and_scale, row_sum
from pynomaly.detectors.networks import Network, as_state, first_chain, through, through_exactly
from pynomaly.detectors.parts import How

__all__ = ["Autoencoder"]


class Autoencoder(Network):
    """Autoencoder; the score is the mean squared reconstruction error of a row, in standard deviations.

    `hidden` are the widths of the encoder down to the narrowest layer, which is at most half as wide as the
    row; the decoder mirrors them. Layers are tanh, so the reconstruction is bounded and a far row is never
    reconstructed well.

    References
    ----------
    Sakurada, Yairi: Anomaly Detection Using Autoencoders with Nonlinear Dimensionality Reduction. MLSDA 2014.
    """

    name: ClassVar[str] = "autoencoder"

    explains: ClassVar[How] = "terms"

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        rng = np.random.default_rng(self.seed)
        down = self._down(X.shape[1])
        first = first_chain(rng, [X.shape[1], *down, *reversed(down[:-1]), X.shape[1]])
        arrays = self._trained(rng, first, (X - mean) / scale, _loss)
        return {"mean": mean, "scale": scale, "layers": np.array(len(arrays) // 2), **as_state(arrays)}

    def _score(self, X: Array) -> Array:
        error = self._error(X)
        mean: Array = row_sum(error * error) / X.shape[1]
        return mean

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        error = self._error(x)
        return error * error / x.shape[1], np.zeros(1)

    def _error(self, X: Array) -> Array:
        """Return reconstruction less input, in standard deviations; shape (n, d)."""
        state = self.state
        rows = (X - state["mean"]) / state["scale"]
        error: Array = through_exactly(state, range(int(state["layers"])), rows) - rows
        return error


def _loss(_: Any, parts: list[Any], rows: Any, __: Any) -> Any:
    return ((through(parts, rows) - rows) ** 2).mean()
