"""Correct p-values for the number of tests. Called by the comparisons and by drift."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["benjamini_hochberg", "holm"]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm-corrected p-values in the given order; NaN means no test and stays NaN."""
    adjusted = np.asarray(p_values, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(adjusted))
    order = tested[np.argsort(adjusted[tested], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    adjusted[order] = (
        np.minimum(1.0, np.maximum.accumulate(adjusted[order] * factors)) if order.size else adjusted[order]
    )
    return [float(value) for value in adjusted]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return Benjamini-Hochberg p-values in the given order; NaN means no test and stays NaN.

    References
    ----------
    Benjamini, Hochberg: Controlling the false discovery rate, J. Royal Statistical Society B, 1995.
    """
    adjusted = np.asarray(p_values, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(adjusted))
    if tested.size:
        order = tested[np.argsort(-adjusted[tested], kind="stable")]
        factors = tested.size / np.arange(tested.size, 0, -1)
        adjusted[order] = np.minimum(1.0, np.minimum.accumulate(adjusted[order] * factors))
    return [float(value) for value in adjusted]
