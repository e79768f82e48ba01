"""Squared distances from a centre under a linear map, from which mixtures, ellipses and components score.

Columns are standardised, centred and multiplied by a matrix; the squares of the result are summed. A
compiled loop does this for large batches, numpy for small ones; both add term by term in the same order, so
a row's result has the same bits in both. Called by `mixture`, `covariance` and `projection`.
"""

from __future__ import annotations

import numpy as np

from pynomaly.detectors.numerics.compiled import compile_loop, prefer_compiled
from pynomaly.detectors.numerics.exact import Array, apply_affine, row_sum

__all__ = ["ellipse_distances", "plane_distances"]


def ellipse_distances(X: Array, mean: Array, scale: Array, centre: Array, weights: Array) -> Array:
    """Return the squared length of ``((X - mean) / scale - centre) @ weights``, row by row; shape (n,).

    Parameters
    ----------
    X : array of shape (n, d)
    mean, scale, centre : arrays of shape (d,)
    weights : array of shape (d, k)
    """
    if prefer_compiled(3.0 * len(X) * weights.size):
        squared: Array = compile_loop(_ellipse_loop)(X, mean, scale, centre, np.ascontiguousarray(weights))
        return squared
    even = apply_affine((X - mean) / scale - centre, weights)
    return row_sum(even * even)


def plane_distances(
    X: Array, mean: Array, scale: Array, axes: Array, variances: Array, noise: float
) -> Array:
    """Return squared distance along `axes` over their `variances`, plus that off their plane over `noise`.

    Parameters
    ----------
    X : array of shape (n, d)
    mean, scale : arrays of shape (d,)
    axes : array of shape (d, k)
    variances : array of shape (k,)
    noise : float
    """
    if prefer_compiled(6.0 * len(X) * axes.size):
        plane = np.ascontiguousarray(axes)
        squared: Array = compile_loop(_plane_loop)(X, mean, scale, plane, variances, noise)
        return squared
    Z = (X - mean) / scale
    along = apply_affine(Z, axes)
    off = Z - apply_affine(along, axes.T)
    return row_sum(along * along / variances) + row_sum(off * off) / noise


# Both loops take 64 rows at a time, transposed so that the cells of one column are adjacent: the sums of all
# rows advance together, each in its own fixed order.


def _ellipse_loop(X, mean, scale, centre, weights):  # type: ignore[no-untyped-def]  # numba types it
    n, d = X.shape
    transposed = np.ascontiguousarray(weights.T)
    total = np.zeros(n)
    source, part = np.empty((d, 64)), np.empty(64)
    for begin in range(0, n, 64):
        count = min(64, n - begin)
        for row in range(count):
            for column in range(d):
                source[column, row] = (X[begin + row, column] - mean[column]) / scale[column] - centre[column]
        for out in range(len(transposed)):
            w, end = transposed[out], d
            while end > 0 and w[end - 1] == 0.0:  # adding zero changes no bit
                end -= 1
            for row in range(count):
                part[row] = 0.0
            whole = end - end % 4
            for column in range(0, whole, 4):
                a, b, c, e = w[column], w[column + 1], w[column + 2], w[column + 3]
                for row in range(count):
                    running = part[row] + source[column, row] * a
                    running = running + source[column + 1, row] * b
                    running = running + source[column + 2, row] * c
                    part[row] = running + source[column + 3, row] * e
            for column in range(whole, end):
                for row in range(count):
                    part[row] += source[column, row] * w[column]
            for row in range(count):
                total[begin + row] += part[row] * part[row]
    return total


def _plane_loop(X, mean, scale, axes, variances, noise):  # type: ignore[no-untyped-def]  # numba types it
    n, d = X.shape
    components = axes.shape[1]
    total = np.zeros(n)
    transposed = np.ascontiguousarray(axes.T)
    Z, along, part, off = np.empty((d, 64)), np.empty((components, 64)), np.empty(64), np.empty(64)
    for begin in range(0, n, 64):
        count = min(64, n - begin)
        for row in range(count):
            for column in range(d):
                Z[column, row] = (X[begin + row, column] - mean[column]) / scale[column]
        off[:] = 0.0
        for out in range(components + d):  # onto the axes, and back
            if out < components:
                source, w, end = Z, transposed[out], d
            else:
                source, w, end = along, axes[out - components], components
            for row in range(count):
                part[row] = 0.0
            whole = end - end % 4
            for column in range(0, whole, 4):
                a, b, c, e = w[column], w[column + 1], w[column + 2], w[column + 3]
                for row in range(count):
                    running = part[row] + source[column, row] * a
                    running = running + source[column + 1, row] * b
                    running = running + source[column + 2, row] * c
                    part[row] = running + source[column + 3, row] * e
            for column in range(whole, end):
                for row in range(count):
                    part[row] += source[column, row] * w[column]
            if out < components:
                for row in range(count):
                    along[out, row] = part[row]
                    total[begin + row] += part[row] * part[row] / variances[out]
            else:
                for row in range(count):
                    gap = Z[out - components, row] - part[row]
                    off[row] += gap * gap
        for row in range(count):
            total[begin + row] += off[row] / noise
    return total
