"""The only module that imports torch, and only while fitting: trained weights are plain arrays.

A network trained on a GPU therefore scores on any machine, without torch. No global seed or setting is
left changed: first weights and the order of rows come in from the caller. Called by `autoencoder`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.exact import Array
from pynomaly.errors import DetectorError

__all__ = ["train"]


def train(
    layers: Sequence[tuple[Array, Array]],
    X: Array,
    batches: Iterable[npt.NDArray[np.intp]],
    *,
    learning_rate: float,
    weight_decay: float,
    device: str,
) -> list[tuple[Array, Array]]:
    """Train a chain of tanh layers, the last one linear, to give back its input.

    Parameters
    ----------
    layers : sequence of (weights (a, b), bias (b,))
        First values.
    X : ndarray of shape (n, d)
        Standardised rows.
    batches : iterable of ndarray
        Which rows each step sees, in order.
    learning_rate, weight_decay : float
        Of Adam.
    device : str
        ``cpu`` or ``cuda``.

    Returns
    -------
    list of (weights, bias)
        Trained, float64.

    Raises
    ------
    DetectorError
        ``cuda`` was asked for and there is none, or the training did not stay finite.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise DetectorError("device is 'cuda', and torch finds no GPU here; allowed here: 'cpu'")
    rows = torch.tensor(X, dtype=torch.float32, device=device)
    chain = [
        tuple(torch.tensor(part, dtype=torch.float32, device=device, requires_grad=True) for part in layer)
        for layer in layers
    ]
    flat = [part for layer in chain for part in layer]
    adam = torch.optim.Adam(flat, lr=learning_rate, weight_decay=weight_decay, fused=True)
    threads = torch.get_num_threads()
    # Layers this small are ten times slower on two threads, and their sums would depend on how many.
    torch.set_num_threads(1)
    try:
        for batch in batches:
            wanted = rows[torch.from_numpy(batch).to(device)]
            loss = ((_given_back(chain, wanted) - wanted) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
    finally:
        torch.set_num_threads(threads)
    trained = [tuple(part.detach().cpu().numpy().astype(np.float64) for part in layer) for layer in chain]
    if not all(np.isfinite(part).all() for layer in trained for part in layer):
        raise DetectorError(f"the network did not stay finite; try a learning_rate below {learning_rate:g}")
    return [(weights, bias) for weights, bias in trained]


def _given_back(chain: Sequence[tuple[Any, ...]], rows: Any) -> Any:
    """What the chain makes of rows, as a tensor of their shape."""
    for place, (weights, bias) in enumerate(chain):
        rows = rows @ weights + bias
        if place < len(chain) - 1:
            rows = rows.tanh()
    return rows
