"""Autoencoder: rows that a small network, trained on normal ones, cannot give back.

Works with thousands of rows and curved relations between columns. Fails with few rows, and learns
anomalies that are many among the fitted rows. Fit O(epochs n weights), on CPU or GPU; score O(weights) a
row, in float64 from plain arrays, without torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pynomaly.detectors import torch_door
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.exact import Array, affine, mean_and_scale, row_sum
from pynomaly.detectors.parameters import Number, OneOf, Parameter, Whole, Widths

__all__ = ["Autoencoder"]


class Autoencoder(Detector):
    """Autoencoder; the score is the mean squared error of a row given back, in standard deviations.

    `hidden` are the widths down to the narrowest layer, which is at most half as wide as the row; the way
    back mirrors them. Layers are tanh: what they give back is bounded, so a far row is never given back.

    References
    ----------
    Sakurada, Yairi: Anomaly Detection Using Autoencoders with Nonlinear Dimensionality Reduction. MLSDA 2014.
    """

    name: ClassVar[str] = "autoencoder"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "hidden": Widths((32, 8)),
        "epochs": Whole(60, 1, 10_000),
        "batch_size": Whole(128, 1, 65_536),
        "learning_rate": Number(0.005, 0, 1, open_low=True),
        "weight_decay": Number(1e-5, 0, 1),
        "device": OneOf("cpu", ("cpu", "cuda")),
    }

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        rng = np.random.default_rng(self.seed)
        layers = [_first(rng, *pair) for pair in self._shape(X.shape[1])]
        trained = torch_door.train(
            layers,
            (X - mean) / scale,
            self._batches(rng, len(X)),
            learning_rate=self.params["learning_rate"],
            weight_decay=self.params["weight_decay"],
            device=self.params["device"],
        )
        state: State = {"mean": mean, "scale": scale, "layers": np.array(len(trained))}
        for place, (weights, bias) in enumerate(trained):
            state[f"weights{place}"], state[f"bias{place}"] = weights, bias
        return state

    def _score(self, X: Array) -> Array:
        state = self.state
        wanted = (X - state["mean"]) / state["scale"]
        given: Array = wanted
        layers = int(state["layers"])
        for place in range(layers):
            given = affine(given, state[f"weights{place}"], state[f"bias{place}"])
            if place < layers - 1:
                given = np.tanh(given)
        error: Array = given - wanted
        mean: Array = row_sum(error * error) / X.shape[1]
        return mean

    def _shape(self, width: int) -> list[tuple[int, int]]:
        """Width in and out of each layer."""
        down = [*self.params["hidden"][:-1], min(self.params["hidden"][-1], max(1, width // 2))]
        chain = [width, *down, *reversed(down[:-1]), width]
        return list(pairwise(chain))

    def _batches(self, rng: np.random.Generator, rows: int) -> Iterator[npt.NDArray[np.intp]]:
        """Every row once an epoch, in an order drawn anew."""
        size = self.params["batch_size"]
        for _ in range(self.params["epochs"]):
            order = rng.permutation(rows)
            for start in range(0, rows, size):
                yield order[start : start + size]


def _first(rng: np.random.Generator, wide: int, narrow: int) -> tuple[Array, Array]:
    """First weights of one layer (Glorot's uniform range) and a bias of 0."""
    bound = np.sqrt(6 / (wide + narrow))
    return rng.uniform(-bound, bound, (wide, narrow)), np.zeros(narrow)
