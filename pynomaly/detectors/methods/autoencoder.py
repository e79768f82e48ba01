"""Autoencoder: a small network, trained on normal rows, reconstructs anomalous rows badly.

Works with thousands of rows and curved relations between columns. Fails with few rows, and learns
anomalies that are many among the fitted rows. Fit O(epochs n weights), on CPU or GPU; score O(weights) a
row, in float64 from plain arrays, without torch.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from pynomaly.detectors.base import State
from pynomaly.detectors.methods.networks import (
    ReconstructionDetector,
    apply_chain,
    apply_chain_exactly,
    chain_to_state,
    init_chain,
)
from pynomaly.detectors.numerics.exact import Array, mean_and_scale

__all__ = ["Autoencoder"]


class Autoencoder(ReconstructionDetector):
    """Autoencoder; the score is the mean squared reconstruction error of a row, in standard deviations.

    `hidden` are the widths of the encoder down to the narrowest layer, which is at most half as wide as the
    row; the decoder mirrors them. Layers are tanh, so the reconstruction is bounded and a far row is never
    reconstructed well.

    References
    ----------
    Sakurada, Yairi: Anomaly Detection Using Autoencoders with Nonlinear Dimensionality Reduction. MLSDA 2014.
    """

    name: ClassVar[str] = "autoencoder"

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        rng = np.random.default_rng(self.seed)
        down = self._encoder_widths(X.shape[1])
        first = init_chain(rng, [X.shape[1], *down, *reversed(down[:-1]), X.shape[1]])
        arrays = self._train_arrays(rng, first, (X - mean) / scale, _reconstruction_loss)
        return {"mean": mean, "scale": scale, "layers": np.array(len(arrays) // 2), **chain_to_state(arrays)}

    def _reconstruction_error(self, X: Array) -> Array:
        """Return reconstruction less input, in standard deviations; shape (n, d)."""
        state = self.state
        rows = (X - state["mean"]) / state["scale"]
        error: Array = apply_chain_exactly(state, range(int(state["layers"])), rows) - rows
        return error


def _reconstruction_loss(_: Any, parts: list[Any], rows: Any, __: Any) -> Any:
    return ((apply_chain(parts, rows) - rows) ** 2).mean()
