"""Deep support vector data description: rows that a network does not bring near one point.

Works where normal rows share what a network can learn to ignore. Fails by collapse: a network that brings
every row to the point has learned nothing, which is why its layers have no bias and grow without bound. Its
ranking varies with the seed more than any other detector's here. Fit O(epochs n weights), on CPU or GPU;
score O(weights) a row, without torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from pynomaly.detectors.base import State
from pynomaly.detectors.exact import Array, affine, mean_and_scale, row_sum
from pynomaly.detectors.networks import Network

__all__ = ["DeepSVDD"]

_LEAK = 0.1  # slope of a unit below 0: a unit that is off everywhere would stay so
_LEAST = 0.1  # the point is at least this far from 0 in each place, or the weights could all become 0


class DeepSVDD(Network):
    """Squared distance of a row's image from the centre, which is the mean first image of the fitted rows.

    `hidden` are the widths of the layers, the last that of the image; units are leaky and have no bias.

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
        centre = _image(first, rows).mean(axis=0)
        centre = np.where(np.abs(centre) < _LEAST, np.where(centre < 0, -_LEAST, _LEAST), centre)

        def loss(torch: Any, parts: list[Any], seen: Any, _: Any) -> Any:
            point = torch.as_tensor(centre, dtype=seen.dtype, device=seen.device)
            for place, weights in enumerate(parts):
                seen = seen @ weights
                if place < len(parts) - 1:
                    seen = torch.maximum(seen, _LEAK * seen)
            return ((seen - point) ** 2).sum(dim=1).mean()

        trained = self._trained(rng, first, rows, loss)
        state: State = {"mean": mean, "scale": scale, "centre": centre, "layers": np.array(len(trained))}
        return state | {f"weights{place}": weights for place, weights in enumerate(trained)}

    def _score(self, X: Array) -> Array:
        state = self.state
        weights = [state[f"weights{place}"] for place in range(int(state["layers"]))]
        off = _image(weights, (X - state["mean"]) / state["scale"]) - state["centre"]
        return row_sum(off * off)


def _image(weights: Sequence[Array], rows: Array) -> Array:
    """What the layers make of rows, each row by itself."""
    for place, layer in enumerate(weights):
        rows = affine(rows, layer)
        if place < len(weights) - 1:
            rows = np.maximum(rows, _LEAK * rows)
    return rows
