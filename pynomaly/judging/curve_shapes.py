"""Reduce scores, curves and alerts of many rows to the few numbers that a page shows.

Pure; every row is counted once. Called when the page facts of a training or a window are stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CURVE_POINTS", "HISTOGRAM_BINS", "bin_scores", "count_over_time", "thin_curve"]

HISTOGRAM_BINS = 40
"""Number of bins of a histogram."""
CURVE_POINTS = 120
"""Largest number of points of a curve."""
_FAR_QUARTILES = (
    10.0  # interquartile ranges from the quartiles; scores further away go into the first or last bin
)


def bin_scores(groups: Mapping[str, npt.ArrayLike]) -> dict[str, Any]:
    """Count several groups of scores in the same bins.

    Scores further than ten interquartile ranges from the quartiles are counted in the first or last bin,
    whose true ends are ``first`` and ``last``: a few huge scores then do not hide the rest.

    Parameters
    ----------
    groups : mapping of str to array of shape (n,)

    Returns
    -------
    dict
        ``edges`` (:data:`HISTOGRAM_BINS` + 1, or empty without a finite score), ``counts`` by group,
        ``not_finite`` by group, ``first`` and ``last``: the smallest and largest score.
    """
    arrays = {name: np.asarray(values, dtype=np.float64).ravel() for name, values in groups.items()}
    finite = {name: values[np.isfinite(values)] for name, values in arrays.items()}
    missing = {name: len(arrays[name]) - len(finite[name]) for name in arrays}
    pooled = np.concatenate(list(finite.values())) if finite else np.empty(0)
    if not pooled.size:
        return {"edges": [], "counts": {}, "not_finite": missing, "first": None, "last": None}
    low, high = np.quantile(pooled, [0.25, 0.75])
    first, last = float(pooled.min()), float(pooled.max())
    reach = _FAR_QUARTILES * (high - low)
    ends = (max(first, low - reach), min(last, high + reach)) if reach > 0 else (first, last)
    if not ends[1] > ends[0]:
        ends = (ends[0] - 0.5, ends[0] + 0.5)
    edges = np.linspace(ends[0], ends[1], HISTOGRAM_BINS + 1)
    counts = {
        name: np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)[0].tolist()
        for name, values in finite.items()
    }
    return {
        "edges": [float(f"{edge:.6g}") for edge in edges],
        "counts": counts,
        "not_finite": missing,
        "first": first,
        "last": last,
    }


def thin_curve(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[list[float], list[float]]:
    """Return at most :data:`CURVE_POINTS` points of a curve, evenly along its length, with both ends."""
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(a) > CURVE_POINTS:
        lengths = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(a), np.diff(b)))])
        targets = np.linspace(0.0, lengths[-1], CURVE_POINTS)
        picked = np.unique([*np.searchsorted(lengths, targets).clip(max=len(a) - 1), 0, len(a) - 1])
        a, b = a[picked], b[picked]
    return [round(float(value), 4) for value in a], [round(float(value), 4) for value in b]


def count_over_time(
    edges: Sequence[float], moments: npt.ArrayLike, alerts: npt.ArrayLike
) -> list[tuple[int, int]]:
    """Count rows and alerts in each time bin.

    Parameters
    ----------
    edges : sequence of float, length k + 1
        Ascending; in the unit of `moments`. A row outside them is not counted.
    moments : array of shape (n,)
    alerts : array of bool, shape (n,)
    """
    times, alerted = np.asarray(moments, dtype=np.float64), np.asarray(alerts, dtype=bool)
    rows = np.histogram(times, bins=np.asarray(edges))[0]
    alert_counts = np.histogram(times[alerted], bins=np.asarray(edges))[0]
    return [(int(a), int(b)) for a, b in zip(rows, alert_counts, strict=True)]
