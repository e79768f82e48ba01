"""Deep support vector data description: rows that a network does not bring near one point.

Works where normal rows share variation that a network can learn to ignore. Fails by collapse: a network that
maps every row to the point has learned nothing, which is why its layers have no bias and an unbounded output.
Its ranking varies with the seed more than that of any other detector here. Fit O(epochs n weights), on CPU or
GPU; score O(weights) a row, without torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from pynomaly.detectors.base import State
from pynomaly.detectors.methods.networks import NetworkDetector
from pynomaly.detectors.numerics.exact import Array, apply_affine, mean_and_scale, row_sum

__all__ = ["DeepSVDD"]

_LEAK = 0.1  # slope of a unit below 0; with slope 0 a unit that is off for all rows would never learn
_LEAST = 0.1  # least distance of each coordinate of the point from 0, else all weights could become 0


class DeepSVDD(NetworkDetector):
    """Squared distance of a row's image from the centre: the fitted rows' mean image before training.

    `hidden` are the widths of the layers; the last one is the width of the image. Units are leaky and have no
    bias.

    References
    ----------
    Ruff et al.: Deep One-Class Classification. ICML 2018.
    """

    name: ClassVar[str] = "deepsvdd"

    def _fit(self, X: Array) -> State:
        mean, scale = mean_and_scale(X)
        rng = np.random.default_rng(self.seed)
        rows = (X - mean) / scale
        widths = [X.shape[1], *self.params["hidden"]]
        first = [rng.normal(0, np.sqrt(2 / wide), (wide, narrow)) for wide, narrow in pairwise(widths)]
        centre = _map_rows(first, rows).mean(axis=0)
        centre = np.where(np.abs(centre) < _LEAST, np.where(centre < 0, -_LEAST, _LEAST), centre)

        def loss(torch: Any, parts: list[Any], image: Any, _: Any) -> Any:
            point = torch.as_tensor(centre, dtype=image.dtype, device=image.device)
            for place, weights in enumerate(parts):
                image = image @ weights
                if place < len(parts) - 1:
                    image = torch.maximum(image, _LEAK * image)
            return ((image - point) ** 2).sum(dim=1).mean()

        layers = self._train_arrays(rng, first, rows, loss)
        state: State = {"mean": mean, "scale": scale, "centre": centre, "layers": np.array(len(layers))}
        return state | {f"weights{place}": weights for place, weights in enumerate(layers)}

    def _score(self, X: Array) -> Array:
        state = self.state
        weights = [state[f"weights{place}"] for place in range(int(state["layers"]))]
        off = _map_rows(weights, (X - state["mean"]) / state["scale"]) - state["centre"]
        return row_sum(off * off)


def _map_rows(weights: Sequence[Array], rows: Array) -> Array:
    """Return the network's output for rows, each row computed independently; shape (n, width)."""
    for place, layer in enumerate(weights):
        rows = apply_affine(rows, layer)
        if place < len(weights) - 1:
            rows = np.maximum(rows, _LEAK * rows)
    return rows
