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

from pynomaly.model.calibration.events import EventRates, number_events
from pynomaly.model.row_times import RowKeys

__all__ = [
    "LASTING_ROWS",
    "LASTING_SHARE",
    "benjamini_hochberg",
    "find_event_limit",
    "find_rejection_limit",
    "flag_events",
]

LASTING_ROWS = 8
"""Rows of an event that is judged as one that lasts."""

LASTING_SHARE = 0.25
"""Share of the level that is spent on events that last; the rest is for events of any size."""


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


def flag_events(
    p_values: ArrayLike, keys: RowKeys, rates: EventRates, level: float, rows: int | None = None
) -> NDArray[np.bool_]:
    """Return which rows alert so that at most a share `level` of their events is false on average.

    A row alerts at or below the limit of `find_event_limit` for events of any size, at a part of the level,
    and in an event of :data:`LASTING_ROWS` rows or more at or below the limit of such, at the rest of it:
    what lasts is found even where a single row cannot be told from chance. The parts of the level add up.

    Parameters
    ----------
    p_values : array-like of shape (m,)
        Rows above `level` may be left out.
    keys : RowKeys
        Entities and times of these rows.
    rates : EventRates
    level : float
    rows : int, optional
        Number of rows, if some were left out.
    """
    p = np.asarray(p_values, dtype=np.float64)
    lasting_level = LASTING_SHARE * level
    alerted = np.asarray(p <= find_event_limit(p, keys, rates, level - lasting_level, rows), dtype=np.bool_)
    near = p <= find_event_limit(p, keys, rates, lasting_level, rows, LASTING_ROWS)
    numbers = number_events(keys, near, rates.gap)
    sizes = np.bincount(numbers[near], minlength=1)
    alerted[near] |= sizes[numbers[near]] >= LASTING_ROWS
    return alerted


def find_event_limit(
    p_values: ArrayLike,
    keys: RowKeys,
    rates: EventRates,
    level: float,
    rows: int | None = None,
    least: int = 1,
) -> float:
    """Return the largest p-value x at which at most a share `level` of events is false; -1 without one.

    Of n rows, ``n x s(x)`` events are expected by chance, and at most ``n x / k`` of k rows or more, as
    ``n x`` rows are. The limit is the largest x that occurs, at most `level`, at which the lesser of both is
    at most `level` times the number of events, of k rows or more, among the rows at or below x. With one row
    an event this is the limit of Benjamini-Hochberg. The rate is kept on average over windows if events of
    normal rows come as often as in the reference.

    Parameters
    ----------
    p_values, keys, rates, level, rows
        As for `flag_events`.
    least : int
        Fewest rows k of an event that counts.
    """
    p = np.asarray(p_values, dtype=np.float64)
    total = len(p) if rows is None else rows
    chosen = np.flatnonzero(p <= level)
    chosen = chosen[np.lexsort((keys.moments[chosen], keys.entities[chosen]))]
    p, keys = p[chosen], keys.take(chosen)
    expected = total * p * np.minimum(rates.share(p), 1.0 / least)
    ranked = np.argsort(p, kind="stable").tolist()
    left, right = _find_neighbours(ranked)
    gap, limit, events = rates.gap // timedelta(microseconds=1), -1.0, 0
    entities, moments = keys.entities.tolist(), keys.moments.tolist()
    parents, sizes = list(range(len(p))), [1] * len(p)

    def find_root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    for place, row in enumerate(ranked):  # rows join in order of their p-values
        events += least == 1
        for first, second in ((left[row], row), (row, right[row])):
            if first < 0 or second >= len(p) or entities[first] != entities[second]:
                continue
            known = RowKeys.UNKNOWN not in (moments[first], moments[second])
            if not known or moments[second] - moments[first] > gap:
                continue
            one, other = find_root(first), find_root(second)
            if one == other:
                continue
            joined = sizes[one] + sizes[other]
            events += (joined >= least) - (sizes[one] >= least) - (sizes[other] >= least)
            parents[one], sizes[other] = other, joined
        is_last = place + 1 == len(ranked) or p[ranked[place + 1]] != p[row]
        if is_last and expected[row] <= level * events:
            limit = float(p[row])
    return limit


def _find_neighbours(ranked: list[int]) -> tuple[list[int], list[int]]:
    """Return for each row its neighbours among the rows that come before it in `ranked`; -1 or n for none."""
    count = len(ranked)
    left, right = list(range(-1, count - 1)), list(range(1, count + 1))
    for row in reversed(ranked):  # a row that is taken away leaves its neighbours to each other
        if left[row] >= 0:
            right[left[row]] = right[row]
        if right[row] < count:
            left[right[row]] = left[row]
    return left, right
