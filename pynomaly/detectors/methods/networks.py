"""Shared code of the neural detectors: initial weights, batches, and a chain of tanh layers.

A chain is a flat list: weights and bias of each layer, layer by layer. All layers except the last are tanh,
so the output is bounded however far a row lies. The forward pass exists twice: on tensors for training, and
in the fixed order of `exact` for scoring. Called by the modules of the neural detectors.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from pynomaly.detectors import torch_door
from pynomaly.detectors.attributions import ExplanationMethod
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.exact import Array, apply_affine, row_sum
from pynomaly.detectors.parameters import (
    ChoiceParameter,
    IntegerParameter,
    NumberParameter,
    Parameter,
    WidthsParameter,
)

__all__ = [
    "TRAINING_PARAMETERS",
    "NetworkDetector",
    "ReconstructionDetector",
    "apply_chain",
    "apply_chain_exactly",
    "chain_to_state",
    "init_chain",
]

TRAINING_PARAMETERS: Mapping[str, Parameter] = {
    "hidden": WidthsParameter((32, 8)),
    "epochs": IntegerParameter(60, 1, 10_000),
    "batch_size": IntegerParameter(128, 1, 65_536),
    "learning_rate": NumberParameter(0.005, 0, 1, open_low=True),
    "weight_decay": NumberParameter(1e-5, 0, 1),
    "device": ChoiceParameter("cpu", ("cpu", "cuda")),
}


class NetworkDetector(Detector):
    """Base of the neural detectors: trains a network with the parameters that all of them share."""

    parameters: ClassVar[Mapping[str, Parameter]] = TRAINING_PARAMETERS

    def _train_arrays(
        self,
        rng: np.random.Generator,
        first: Sequence[Array],
        X: Array,
        loss: torch_door.LossFunction,
        noise: int = 0,
    ) -> list[Array]:
        """Return trained arrays; each step's rows come with `noise` columns of standard normal noise."""
        return torch_door.minimise_loss(
            first,
            X,
            self._draw_batches(rng, len(X), noise),
            loss,
            learning_rate=self.params["learning_rate"],
            weight_decay=self.params["weight_decay"],
            device=self.params["device"],
        )

    def _draw_batches(self, rng: np.random.Generator, rows: int, noise: int) -> Iterator[torch_door.Batch]:
        """Yield batches of row numbers and noise: every row once an epoch, in a new random order."""
        size = self.params["batch_size"]
        for _ in range(self.params["epochs"]):
            order = rng.permutation(rows)
            for start in range(0, rows, size):
                batch = order[start : start + size]
                yield batch, rng.normal(size=(len(batch), noise)) if noise else None

    def _encoder_widths(self, width: int) -> list[int]:
        """Return encoder widths down to the narrowest layer, which is at most half as wide as the row."""
        hidden: list[int] = self.params["hidden"]
        return [*hidden[:-1], min(hidden[-1], max(1, width // 2))]


class ReconstructionDetector(NetworkDetector):
    """Base of the networks that reconstruct a row; the score is the mean squared error of its columns."""

    explains: ClassVar[ExplanationMethod] = "terms"

    @abstractmethod
    def _reconstruction_error(self, X: Array) -> Array:
        """Return reconstruction less input, in standard deviations; shape (n, d)."""

    def _score(self, X: Array) -> Array:
        error = self._reconstruction_error(X)
        mean: Array = row_sum(error * error) / X.shape[1]
        return mean

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        error = self._reconstruction_error(x)
        return error * error / x.shape[1], np.zeros(1)


def init_chain(rng: np.random.Generator, widths: Sequence[int]) -> list[Array]:
    """Return initial weights (Glorot's uniform range) and zero biases of a chain of these widths."""
    parts: list[Array] = []
    for wide, narrow in pairwise(widths):
        bound = np.sqrt(6 / (wide + narrow))
        parts += [rng.uniform(-bound, bound, (wide, narrow)), np.zeros(narrow)]
    return parts


def apply_chain(parts: Sequence[Any], rows: Any) -> Any:
    """Return a chain's output for rows, all tensors."""
    for place in range(0, len(parts), 2):
        rows = rows @ parts[place] + parts[place + 1]
        if place < len(parts) - 2:
            rows = rows.tanh()
    return rows


def apply_chain_exactly(state: State, layers: Sequence[int], rows: Array) -> Array:
    """Return the output of the given layers of `state`, computed for each row independently."""
    for place in layers:
        rows = apply_affine(rows, state[f"weights{place}"], state[f"bias{place}"])
        if place != layers[-1]:
            rows = np.tanh(rows)
    return rows


def chain_to_state(parts: Sequence[Array], begin: int = 0) -> State:
    """Return a chain as named arrays, its layers numbered from `begin`."""
    state: State = {}
    for place in range(len(parts) // 2):
        state[f"weights{begin + place}"] = parts[2 * place]
        state[f"bias{begin + place}"] = parts[2 * place + 1]
    return state
