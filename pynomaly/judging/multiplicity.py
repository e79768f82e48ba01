"""p-values corrected for how many tests were made. Called by the comparisons and by drift."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["benjamini_hochberg", "holm"]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm-corrected p-values in the order given; NaN is no test and stays NaN."""
    found = np.asarray(p_values, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(found))
    order = tested[np.argsort(found[tested], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    found[order] = (
        np.minimum(1.0, np.maximum.accumulate(found[order] * factors)) if order.size else found[order]
    )
    return [float(value) for value in found]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given; NaN is no test and stays NaN.

    References
    ----------
    Benjamini, Hochberg: Controlling the false discovery rate, J. Royal Statistical Society B, 1995.
    """
    found = np.asarray(p_values, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(found))
    if tested.size:
        order = tested[np.argsort(-found[tested], kind="stable")]
        factors = tested.size / np.arange(tested.size, 0, -1)
        found[order] = np.minimum(1.0, np.minimum.accumulate(found[order] * factors))
    return [float(value) for value in found]
