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
from pynomaly.detectors.exact import Array, mean_and_scale, row_sum
from pynomaly.detectors.networks import TRAINING, Network, as_state, first_chain, through, through_exactly
from pynomaly.detectors.parameters import Number, Parameter
from pynomaly.detectors.parts import How

__all__ = ["VAE"]


class VAE(Network):
    """Variational autoencoder; the score is the mean squared error of a row reconstructed from its mean code.

    `beta` weighs the divergence of the code from standard normal noise against the error.

    References
    ----------
    Kingma, Welling: Auto-Encoding Variational Bayes. ICLR 2014.
    Higgins et al.: beta-VAE. ICLR 2017.
    """

    name: ClassVar[str] = "vae"
    parameters: ClassVar[Mapping[str, Parameter]] = {**TRAINING, "beta": Number(0.1, 0, 100)}

    explains: ClassVar[How] = "terms"

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        rng = np.random.default_rng(self.seed)
        width, (*wide, middle) = X.shape[1], self._down(X.shape[1])
        encoder = first_chain(rng, [width, *wide, 2 * middle])  # means, then log variances
        decoder = first_chain(rng, [middle, *reversed(wide), width])
        turn, beta = len(encoder), self.params["beta"]

        def loss(_: Any, parts: list[Any], rows: Any, noise: Any) -> Any:
            code = through(parts[:turn], rows)
            centre, spread = code[:, :middle], code[:, middle:].clamp(-10, 10)
            output = through(parts[turn:], centre + (spread / 2).exp() * noise)
            divergence = (centre**2 + spread.exp() - 1 - spread).sum(dim=1) / 2
            return ((output - rows) ** 2).sum(dim=1).mean() / 2 + beta * divergence.mean()

        arrays = self._trained(rng, [*encoder, *decoder], (X - mean) / scale, loss, noise=middle)
        arrays[turn - 2], arrays[turn - 1] = arrays[turn - 2][:, :middle], arrays[turn - 1][:middle]
        layers = np.array([turn // 2, len(arrays) // 2])
        return {"mean": mean, "scale": scale, "layers": layers, **as_state(arrays)}

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
        turn, end = (int(layer) for layer in state["layers"])
        rows = (X - state["mean"]) / state["scale"]
        output = through_exactly(state, range(turn, end), through_exactly(state, range(turn), rows))
        error: Array = output - rows
        return error
