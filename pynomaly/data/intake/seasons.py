"""Whether the values follow the hour of the day or the day of the week. Pure; called by ``reading``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["find_seasons"]

_COLUMNS = 50

_SHARE = 0.15
"""Share of the variance that a season explains, beyond what chance gives, from which on it counts."""


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
    hours, weekdays = times.dt.hour.to_numpy(), times.dt.dayofweek.to_numpy()
    sees_days = step <= timedelta(hours=6) and span >= timedelta(days=14)
    if sees_days and any(_explains(hours, values) for values in columns.values()):
        seasons.append("hour of the day")
    sees_weeks = step <= timedelta(days=1) and span >= timedelta(days=28)
    if sees_weeks and any(_explains(weekdays, values) for values in columns.values()):
        seasons.append("day of the week")
    return seasons


def _explains(groups: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> bool:
    """Return whether the groups explain enough of the variance of the ranks (adjusted R squared)."""
    usable = np.isfinite(values) & np.isfinite(groups.astype(float))
    if usable.sum() < 100:
        return False
    ranks = pd.Series(values[usable]).rank()
    means = ranks.groupby(groups[usable]).transform("mean")
    total = float(((ranks - ranks.mean()) ** 2).sum())
    if total == 0:
        return False
    inside = float(((ranks - means) ** 2).sum())
    rows, count = len(ranks), len(np.unique(groups[usable]))
    return 1 - (inside / max(1, rows - count)) / (total / (rows - 1)) > _SHARE
