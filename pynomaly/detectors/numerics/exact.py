"""Row arithmetic in one fixed order, so that a row's result never depends on the rows beside it.

BLAS and numpy's pairwise sums choose the order of additions by the shape of the whole batch, which
changes the last bits of a score. The functions here add term by term, each row by itself: slower, but
bit-equal. Called by every detector that scores with numpy.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "apply_affine", "mean_and_scale", "row_sum", "squared_distances"]

Array = npt.NDArray[np.float64]


def row_sum(values: Array) -> Array:
    """Sum each row of an array of shape (n, k) from left to right; shape (n,)."""
    if values.shape[1] == 0:
        return np.zeros(len(values))
    # accumulate is sequential by definition, whatever the shape; np.sum is not
    total: Array = np.add.accumulate(values, axis=1)[:, -1]
    return total


def apply_affine(X: Array, weights: Array, bias: Array | None = None) -> Array:
    """Return ``X @ weights + bias`` for X (n, d), weights (d, k), bias (k,); shape (n, k)."""
    total = np.zeros((len(X), weights.shape[1]))
    for place in range(weights.shape[0]):
        total += X[:, place, None] * weights[place]
    return total if bias is None else total + bias


def squared_distances(X: Array, points: Array) -> Array:
    """Return the squared Euclidean distance of each row of X (n, d) to each point (m, d); shape (n, m)."""
    total = np.zeros((len(X), len(points)))
    for place in range(X.shape[1]):
        gap = X[:, place, None] - points[:, place]
        gap *= gap
        total += gap
    return total


def mean_and_scale(X: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation of each column, shapes (d,); a constant column gets scale 1.

    A column counts as constant if its deviation is within rounding of its mean: dividing by such a deviation
    only magnifies noise.
    """
    mean = X.mean(axis=0)
    scale = X.std(axis=0)
    constant = scale <= 10 * np.finfo(np.float64).eps * np.abs(mean)
    scale[constant | (scale == 0)] = 1.0
    return mean, scale
