"""The limit on p-values that keeps the share of false alerts: over rows, or over events. Pure.

Called by :mod:`pynomaly.model.calibration.alert_policy`, and where a table is scored in parts.

References
----------
Benjamini, Hochberg (1995), Controlling the false discovery rate, J. Royal Statistical Society B 57(1).
Storey, Taylor, Siegmund (2004), Strong control, conservative point estimation and simultaneous conservative
consistency of false discovery rates, J. Royal Statistical Society B 66(1): the limit is the largest threshold
at which the expected false discoveries are at most a share of all discoveries.
Chumbley, Friston (2009), False discovery rate revisited: FDR and topological inference using Gaussian random
fields, NeuroImage 44(1): a false discovery is an event, not each of its points.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pynomaly.model.calibration.events import EventRates
from pynomaly.model.row_times import RowKeys

__all__ = ["benjamini_hochberg", "find_event_limit", "find_rejection_limit"]


def benjamini_hochberg(p_values: ArrayLike, level: float) -> NDArray[np.bool_]:
    """Return which of `p_values`, array-like of shape (n,), Benjamini-Hochberg rejects at `level`."""
    p = np.asarray(p_values, dtype=np.float64)
    values, counts = np.unique(p, return_counts=True)
    return np.asarray(p <= find_rejection_limit(values, counts, level), dtype=bool)


def find_rejection_limit(values: ArrayLike, counts: ArrayLike, level: float) -> float:
    """Return the largest p-value that Benjamini-Hochberg rejects; -1 when it rejects none.

    Parameters
    ----------
    values : array-like of shape (k,)
        The distinct p-values, ascending.
    counts : array-like of shape (k,)
        How often each value occurs. Memory depends on the distinct values, not on the number of rows.
    level : float
    """
    p, ranks = np.asarray(values, dtype=np.float64), np.cumsum(np.asarray(counts))
    rejectable = np.flatnonzero(p <= level * ranks / (ranks[-1] if ranks.size else 1))
    return float(p[rejectable[-1]]) if rejectable.size else -1.0


def find_event_limit(
    p_values: ArrayLike, keys: RowKeys, rates: EventRates, level: float, rows: int | None = None
) -> float:
    """Return the largest p-value x at which at most a share `level` of events is false; -1 without one.

    Of n rows, ``n x s(x)`` events are expected by chance; the limit is the largest x that occurs, at most
    `level`, with ``n x s(x) <= level E(x)``, where E(x) counts the events of the rows at or below x. With one
    row an event this is the limit of Benjamini-Hochberg. The rate is kept on average over windows if events
    of normal rows come as often as in the reference.

    Parameters
    ----------
    p_values : array-like of shape (m,)
        Rows above `level` may be left out.
    keys : RowKeys
        Entities and times of these rows.
    rows : int, optional
        Number n of rows, if some were left out.
    """
    p = np.asarray(p_values, dtype=np.float64)
    total = len(p) if rows is None else rows
    chosen = np.flatnonzero(p <= level)
    chosen = chosen[np.lexsort((keys.moments[chosen], keys.entities[chosen]))]
    p, keys = p[chosen], keys.take(chosen)
    count = len(p)
    # Rows are taken away from the largest p-value on; a list of neighbours knows which rows meet then.
    before, after = np.arange(-1, count - 1).tolist(), np.arange(1, count + 1).tolist()
    entities, moments = keys.entities.tolist(), keys.moments.tolist()
    gap = rates.gap // timedelta(microseconds=1)

    def are_linked(left: int, right: int) -> bool:
        if left < 0 or right >= count or entities[left] != entities[right]:
            return False
        return (
            RowKeys.UNKNOWN not in (moments[left], moments[right]) and moments[right] - moments[left] <= gap
        )

    events = count - sum(are_linked(place, place + 1) for place in range(count - 1))
    expected = total * p * rates.share(p)
    ranked = np.argsort(-p, kind="stable").tolist()
    last = None
    for row in ranked:
        if p[row] != last:
            if expected[row] <= level * events:
                return float(p[row])
            last = p[row]
        left, right = before[row], after[row]
        events += are_linked(left, row) + are_linked(row, right) - are_linked(left, right) - 1
        if left >= 0:
            after[left] = right
        if right < count:
            before[right] = left
    return -1.0
