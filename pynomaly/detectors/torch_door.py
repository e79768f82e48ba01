"""The only module that imports torch, and only while fitting: trained weights are plain arrays.

A network trained on a GPU therefore scores on any machine, without torch. No global seed is used and global
settings are restored: the caller passes initial weights, the order of rows and any noise. Called by the
neural detectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.numerics.exact import Array
from pynomaly.errors import DetectorError

__all__ = ["Batch", "LossFunction", "minimise_loss"]

Batch = tuple[npt.NDArray[np.intp], Array | None]
LossFunction = Callable[[Any, list[Any], Any, Any], Any]


def minimise_loss(
    first: Sequence[Array],
    X: Array,
    batches: Iterable[Batch],
    loss: LossFunction,
    *,
    learning_rate: float,
    weight_decay: float,
    device: str,
) -> list[Array]:
    """Minimise a loss over arrays by Adam, one step a batch.

    Parameters
    ----------
    first : sequence of ndarray
        Initial values.
    X : ndarray of shape (n, d)
        Standardised rows.
    batches : iterable of (ndarray, ndarray or None)
        Numbers of the rows of each step, and noise for these rows or None.
    loss : callable
        Takes torch, the arrays as tensors, the rows of a step and its noise; returns a tensor of one number.
    learning_rate, weight_decay : float
        Settings of Adam.
    device : str
        ``cpu`` or ``cuda``.

    Returns
    -------
    list of ndarray
        The trained arrays in the order of `first`, float64.

    Raises
    ------
    DetectorError
        The device is ``cuda`` and there is none, or the trained arrays are not finite.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise DetectorError("device is 'cuda', and torch finds no GPU here; allowed here: 'cpu'")
    rows = torch.tensor(X, dtype=torch.float32, device=device)
    parts = [torch.tensor(part, dtype=torch.float32, device=device, requires_grad=True) for part in first]
    adam = torch.optim.Adam(parts, lr=learning_rate, weight_decay=weight_decay, fused=True)
    threads = torch.get_num_threads()
    # Layers this small are ten times slower on two threads, and sums would depend on the number of threads.
    torch.set_num_threads(1)
    try:
        for batch, noise in batches:
            inputs = rows[torch.from_numpy(batch).to(device)]
            extra = None if noise is None else torch.tensor(noise, dtype=torch.float32, device=device)
            value = loss(torch, parts, inputs, extra)
            adam.zero_grad()
            value.backward()
            adam.step()
    finally:
        torch.set_num_threads(threads)
    arrays = [part.detach().cpu().numpy().astype(np.float64) for part in parts]
    if not all(np.isfinite(array).all() for array in arrays):
        raise DetectorError(f"the network did not stay finite; try a learning_rate below {learning_rate:g}")
    return arrays
