"""Variational autoencoder: a small network with a noisy middle layer reconstructs anomalous rows badly.

The noise, added only in training, makes nearby rows look alike to the network, so it reconstructs unfamiliar
rows worse than a plain autoencoder. Works and fails as that one does, and needs more epochs. Fit
O(epochs n weights), on CPU or GPU; score O(weights) a row, without torch and without noise: a row is
reconstructed from the mean of the middle layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from pynomaly.detectors.base import State
from pynomaly.detectors.methods.networks import (
    TRAINING_PARAMETERS,
    ReconstructionDetector,
    apply_chain,
    apply_chain_exactly,
    chain_to_state,
    init_chain,
)
from pynomaly.detectors.numerics.exact import Array, mean_and_scale
from pynomaly.detectors.parameters import NumberParameter, Parameter

__all__ = ["VAE"]


class VAE(ReconstructionDetector):
    """Variational autoencoder; the score is the mean squared error of a row reconstructed from its mean code.

    `beta` weighs the divergence of the code from standard normal noise against the error.

    References
    ----------
    Kingma, Welling: Auto-Encoding Variational Bayes. ICLR 2014.
    Higgins et al.: beta-VAE. ICLR 2017.
    """

    name: ClassVar[str] = "vae"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        **TRAINING_PARAMETERS,
        "beta": NumberParameter(0.1, 0, 100),
    }

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        rng = np.random.default_rng(self.seed)
        width, (*wide, middle) = X.shape[1], self._encoder_widths(X.shape[1])
        encoder = init_chain(rng, [width, *wide, 2 * middle])  # means, then log variances
        decoder = init_chain(rng, [middle, *reversed(wide), width])
        turn, beta = len(encoder), self.params["beta"]

        def loss(_: Any, parts: list[Any], rows: Any, noise: Any) -> Any:
            code = apply_chain(parts[:turn], rows)
            centre, spread = code[:, :middle], code[:, middle:].clamp(-10, 10)
            output = apply_chain(parts[turn:], centre + (spread / 2).exp() * noise)
            divergence = (centre**2 + spread.exp() - 1 - spread).sum(dim=1) / 2
            return ((output - rows) ** 2).sum(dim=1).mean() / 2 + beta * divergence.mean()

        arrays = self._train_arrays(rng, [*encoder, *decoder], (X - mean) / scale, loss, noise=middle)
        arrays[turn - 2], arrays[turn - 1] = arrays[turn - 2][:, :middle], arrays[turn - 1][:middle]
        layers = np.array([turn // 2, len(arrays) // 2])
        return {"mean": mean, "scale": scale, "layers": layers, **chain_to_state(arrays)}

    def _reconstruction_error(self, X: Array) -> Array:
        """Return reconstruction less input, in standard deviations; shape (n, d)."""
        state = self.state
        turn, end = (int(layer) for layer in state["layers"])
        rows = (X - state["mean"]) / state["scale"]
        output = apply_chain_exactly(state, range(turn, end), apply_chain_exactly(state, range(turn), rows))
        error: Array = output - rows
        return error
