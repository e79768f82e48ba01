"""Squared distances from a centre under a linear map: what mixtures, ellipses and components score by.

Columns are standardised, moved to a centre and multiplied by a matrix; the squares of what comes out are
added up. A compiled loop does that for large batches, a numpy one for small; both add term by term in the
same order, so a row has the same bits in either. Called by `mixture`, `covariance` and `projection`.
"""

from __future__ import annotations

import numpy as np

from pynomaly.detectors.compiled import compiled, ready
from pynomaly.detectors.exact import Array, affine, row_sum

__all__ = ["off_plane", "stretched"]


def stretched(X: Array, mean: Array, scale: Array, centre: Array, weights: Array) -> Array:
    """Squared length of ``((X - mean) / scale - centre) @ weights``, row by row; shape (n,).

    Parameters
    ----------
    X : array of shape (n, d)
    mean, scale, centre : arrays of shape (d,)
    weights : array of shape (d, k)
    """
    if ready(3.0 * len(X) * weights.size):
        squared: Array = compiled(_stretch)(X, mean, scale, centre, np.ascontiguousarray(weights))
        return squared
    even = affine((X - mean) / scale - centre, weights)
    return row_sum(even * even)


def off_plane(X: Array, mean: Array, scale: Array, axes: Array, variances: Array, noise: float) -> Array:
    """Squared distance along `axes` in units of their `variances`, plus that off their plane over `noise`.

    Parameters
    ----------
    X : array of shape (n, d)
    mean, scale : arrays of shape (d,)
    axes : array of shape (d, k)
    variances : array of shape (k,)
    noise : float
    """
    if ready(6.0 * len(X) * axes.size):
        plane = np.ascontiguousarray(axes)
        squared: Array = compiled(_leave)(X, mean, scale, plane, variances, noise)
        return squared
    Z = (X - mean) / scale
    along = affine(Z, axes)
    off = Z - affine(along, axes.T)
    return row_sum(along * along / variances) + row_sum(off * off) / noise


# Both take 64 rows at a time, turned so that the same column of all of them lies side by side: they go
# through the sums together, each in its own order.


def _stretch(X, mean, scale, centre, weights):  # type: ignore[no-untyped-def]  # numba types it
    n, d = X.shape
    turned = np.ascontiguousarray(weights.T)
    total = np.zeros(n)
    source, part = np.empty((d, 64)), np.empty(64)
    for begin in range(0, n, 64):
        count = min(64, n - begin)
        for row in range(count):
            for column in range(d):
                source[column, row] = (X[begin + row, column] - mean[column]) / scale[column] - centre[column]
        for out in range(len(turned)):
            w, end = turned[out], d
            while end > 0 and w[end - 1] == 0.0:  # adding nought changes no bit
                end -= 1
            for row in range(count):
                part[row] = 0.0
            whole = end - end % 4
            for column in range(0, whole, 4):
                a, b, c, e = w[column], w[column + 1], w[column + 2], w[column + 3]
                for row in range(count):
                    summed = part[row] + source[column, row] * a
                    summed = summed + source[column + 1, row] * b
                    summed = summed + source[column + 2, row] * c
                    part[row] = summed + source[column + 3, row] * e
            for column in range(whole, end):
                for row in range(count):
                    part[row] += source[column, row] * w[column]
            for row in range(count):
                total[begin + row] += part[row] * part[row]
    return total


def _leave(X, mean, scale, axes, variances, noise):  # type: ignore[no-untyped-def]  # numba types it
    n, d = X.shape
    kept = axes.shape[1]
    total = np.zeros(n)
    turned = np.ascontiguousarray(axes.T)
    Z, along, part, off = np.empty((d, 64)), np.empty((kept, 64)), np.empty(64), np.empty(64)
    for begin in range(0, n, 64):
        count = min(64, n - begin)
        for row in range(count):
            for column in range(d):
                Z[column, row] = (X[begin + row, column] - mean[column]) / scale[column]
        off[:] = 0.0
        for out in range(kept + d):  # onto the axes, and back
            if out < kept:
                source, w, end = Z, turned[out], d
            else:
                source, w, end = along, axes[out - kept], kept
            for row in range(count):
                part[row] = 0.0
            whole = end - end % 4
            for column in range(0, whole, 4):
                a, b, c, e = w[column], w[column + 1], w[column + 2], w[column + 3]
                for row in range(count):
                    summed = part[row] + source[column, row] * a
                    summed = summed + source[column + 1, row] * b
                    summed = summed + source[column + 2, row] * c
                    part[row] = summed + source[column + 3, row] * e
            for column in range(whole, end):
                for row in range(count):
                    part[row] += source[column, row] * w[column]
            if out < kept:
                for row in range(count):
                    along[out, row] = part[row]
                    total[begin + row] += part[row] * part[row] / variances[out]
            else:
                for row in range(count):
                    gap = Z[out - kept, row] - part[row]
                    off[row] += gap * gap
        for row in range(count):
            total[begin + row] += off[row] / noise
    return total
