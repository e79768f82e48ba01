"""Whether the values follow the hour of the day or the day of the week. Pure; called by ``plan``.

A season counts if what the first part of the rows shows of it holds in the last part: a level that moves, or
a few odd days, are no season.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["find_seasons"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_COLUMNS = 50

_SHARE = 0.15
"""Share of the variance of later rows that a season of earlier rows explains, from which on it counts."""

_FIRST_PART = 0.6
_LEAST_ROWS = 100
_SEED = 7


def find_seasons(
    times: pd.Series[Any], columns: Mapping[str, np.ndarray[Any, Any]], step: timedelta, span: timedelta
) -> list[str]:
    """Return ``hour of the day`` and ``day of the week``, if values of some column follow them.

    Parameters
    ----------
    times : Series of datetime64, shape (n,)
    columns : mapping of name to ndarray of shape (n,)
        Of more than fifty, fifty at even distances are looked at.
    step, span : timedelta
        Distance of the rows, and length of the table. The calendar holds hours and weekdays, so that each
        weekday must be seen twice for either: a model of fewer takes a new weekday for an anomaly.
    """
    seasons: list[str] = []
    names = list(columns)
    columns = {name: columns[name] for name in names[:: max(1, len(names) // _COLUMNS)]}
    since = times - pd.Timestamp(0, tz=times.dt.tz)
    moments: Floats = np.asarray(since / pd.Timedelta(days=1), dtype=np.float64)
    days = since // pd.Timedelta(days=1)
    hours, weekdays, weeks = times.dt.hour, times.dt.dayofweek, (days + 3) // 7
    sees_days = step <= timedelta(hours=6) and span >= timedelta(days=14)
    if sees_days and any(_holds(moments, hours, days, values) for values in columns.values()):
        seasons.append("hour of the day")
    sees_weeks = step <= timedelta(days=1) and span >= timedelta(days=28)
    if sees_weeks and any(_holds(moments, weekdays, weeks, values) for values in columns.values()):
        seasons.append("day of the week")
    return seasons


def _holds(times: Floats, places: pd.Series[Any], cycles: pd.Series[Any], values: npt.NDArray[Any]) -> bool:
    """Return whether places in a cycle tell of later values what shuffled places do not."""
    usable = np.isfinite(values) & places.notna().to_numpy()
    if usable.sum() < _LEAST_ROWS:
        return False
    ranks: Floats = np.asarray(pd.Series(values[usable]).rank(), dtype=np.float64)
    moments = times[usable]
    place = places.to_numpy()[usable].astype(np.int64)
    cycle = cycles.to_numpy()[usable].astype(np.int64)
    share = _measure_share(moments, place, cycle, ranks)
    if share < _SHARE:
        return False
    chance = _measure_share(moments, np.random.default_rng(_SEED).permutation(place), cycle, ranks)
    return share - max(0.0, chance) >= _SHARE


def _measure_share(moments: Floats, place: Ints, cycle: Ints, ranks: Floats) -> float:
    """Return the share of the variance of later ranks that the places explain by their earlier means.

    The larger of two: about the mean of all, and about a level that moves from the mean of one cycle to that
    of the next, so that a moving level neither hides a season nor passes for one.
    """
    early = cycle <= np.quantile(cycle, _FIRST_PART)
    late = ~early
    if min(early.sum(), late.sum()) < _LEAST_ROWS // 4:
        return 0.0
    total = float(((ranks[late] - ranks[late].mean()) ** 2).sum())
    if total == 0:
        return 0.0
    shares = []
    for move in (_take_mean, _take_moving_level):
        rest = ranks - move(moments, cycle, ranks)
        shape = _average(place[early], rest[early], int(place.max()) + 1)[place]
        shape -= move(moments, cycle, shape)
        gained = (rest[late] ** 2).sum() - ((rest[late] - shape[late]) ** 2).sum()
        shares.append(float(gained) / total)
    return max(shares)


def _take_mean(_moments: Floats, _cycle: Ints, values: Floats) -> Floats:
    return np.full(len(values), values.mean())


def _take_moving_level(moments: Floats, cycle: Ints, values: Floats) -> Floats:
    """Return straight lines through the means of the cycles."""
    group = np.unique(cycle, return_inverse=True)[1]
    sizes = np.bincount(group)
    level: Floats = np.interp(
        moments, np.bincount(group, moments) / sizes, np.bincount(group, values) / sizes
    )
    return level


def _average(groups: Ints, values: Floats, count: int) -> Floats:
    """Return the mean of each group, drawn to 0 by one row, so that a rare group tells little."""
    sizes = np.bincount(groups, minlength=count)
    means: Floats = np.bincount(groups, values, minlength=count) / (sizes + 1)
    return means
