"""Whether the rows before a row tell its values, on what step they come, and what period they have.

Pure; called where rows are judged without labels, before episodes are injected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.data.frame import FrameContract
from pynomaly.judging.comparison.injected.context import Array, Ints, read_moments

__all__ = ["FollowedColumn", "Rhythm", "list_runs", "measure_rhythm"]

DEPENDENT = 0.2
"""Autocorrelation of the ranks, at some lag, from which on the past tells the present."""

_CHANCE = 5.0
"""The same in standard errors, for short tables."""

_COLUMNS = 50
_LONGEST, _SHORTEST = 300, 6
_DEFAULT = 64
_MIN_PAIRS = 50
_MOST_ROWS = 20_000


@dataclass(frozen=True)
class FollowedColumn:
    """A number column that depends on its past.

    Attributes
    ----------
    name : str
    spread : float
        Robust deviation of the values of an entity from its median, above 0.
    noise : float
        Robust deviation of the changes from row to row, above 0, at most `spread`.
    low, high : float
        Range that holds 98 % of the values.
    is_smooth : bool
        Whether it takes many values; one of few states does not drift.
    """

    name: str
    spread: float
    noise: float
    low: float
    high: float
    is_smooth: bool


@dataclass(frozen=True)
class Rhythm:
    """How rows follow each other.

    Attributes
    ----------
    columns : tuple of FollowedColumn
        Those whose past tells the present, at least one.
    step : int
        Usual microseconds from one row of an entity to its next.
    period : int
        Rows after which the values repeat themselves; 64 where they do not.
    repeats : bool
        Whether they do.
    """

    columns: tuple[FollowedColumn, ...]
    step: int
    period: int
    repeats: bool


def measure_rhythm(learned: pd.DataFrame, contract: FrameContract, names: tuple[str, ...]) -> Rhythm | None:
    """Measure which of the columns depend on their past; None if none does or rows have no times.

    Parameters
    ----------
    learned : DataFrame of shape (m, d)
        Normal rows in any order.
    contract : FrameContract
    names : tuple of str
        Number columns that are measured, not computed from others.

    Notes
    -----
    Of more than fifty columns, fifty at even distances are looked at, and the newest 20,000 rows. O(m log m).
    """
    if contract.time is None or not names:
        return None
    learned = learned.sort_values(contract.time, kind="stable").iloc[-_MOST_ROWS:]
    order, entity, moments = sort_by_entity(learned, contract)
    same = entity[1:] == entity[:-1]
    distance = np.diff(moments)
    if (same & (distance > 0)).sum() < _MIN_PAIRS:
        return None
    step = int(np.median(distance[same & (distance > 0)]))
    follows = same & (distance > 0) & (distance <= 1.5 * step)
    columns, period, strength = [], 0, (False, 0.0)
    longest = entity == np.bincount(entity).argmax()
    for name in names[:: max(1, len(names) // _COLUMNS)]:
        values = learned[name].to_numpy(dtype=np.float64)[order]
        centred = values - pd.Series(values).groupby(entity).transform("median").to_numpy()
        correlation = _correlate_with_past(centred[longest])
        needed = max(DEPENDENT, _CHANCE / np.sqrt(longest.sum()))
        if not (np.abs(correlation[1:]) > needed).any() and not _follows_last_row(centred, entity, follows):
            continue
        if (column := _measure_column(name, values, centred, follows)) is None:
            continue
        columns.append(column)
        lag, height = _find_peak(correlation)
        if height > needed and (column.is_smooth, height) > strength:
            period, strength = lag, (column.is_smooth, height)
    if not columns:
        return None
    return Rhythm(tuple(columns), step, period or _DEFAULT, period > 0)


def sort_by_entity(
    frame: pd.DataFrame, contract: FrameContract
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Ints]:
    """Return the order by entity and time, and the entity's number and the time (microseconds) in it."""
    moments = read_moments(frame, str(contract.time))
    if contract.id is None:
        entity = np.zeros(len(frame), dtype=np.intp)
    else:
        entity = np.asarray(pd.factorize(frame[contract.id].astype(str))[0], dtype=np.intp)
    order = np.lexsort((moments, entity))
    return order, entity[order], moments[order]


def list_runs(frame: pd.DataFrame, contract: FrameContract, step: int) -> list[npt.NDArray[np.intp]]:
    """Return the rows of each run: of one entity, in time order, each about one step after the one before."""
    order, entity, moments = sort_by_entity(frame, contract)
    distance = np.diff(moments)
    breaks = (entity[1:] != entity[:-1]) | (distance <= 0) | (distance > 1.5 * step)
    return np.split(order, np.flatnonzero(breaks) + 1) if len(order) else []


def _measure_column(
    name: str, values: Array, centred: Array, follows: npt.NDArray[np.bool_]
) -> FollowedColumn | None:
    """Return the column with its scales; None where too few rows follow each other."""
    pairs = follows & np.isfinite(centred[1:]) & np.isfinite(centred[:-1])
    if pairs.sum() < _MIN_PAIRS:
        return None
    known = values[np.isfinite(values)]
    low, high = (float(value) for value in np.quantile(known, [0.01, 0.99]))
    changes = np.diff(centred)[pairs]
    spread = _measure_spread(centred[np.isfinite(centred)]) or 1.0
    noise = min(_measure_spread(changes) / np.sqrt(2) or spread, spread)
    return FollowedColumn(
        name, spread, float(noise), min(low, float(known.min())) if low == high else low,
        max(high, float(known.max())) if low == high else high, np.unique(known[:2000]).size > 10,
    )  # fmt: skip


def _measure_spread(values: Array) -> float:
    low, high = np.quantile(values, [0.25, 0.75])
    return float((high - low) / 1.349) or float(values.std())


def _follows_last_row(centred: Array, entity: npt.NDArray[np.intp], follows: npt.NDArray[np.bool_]) -> bool:
    """Return whether rows of all entities together resemble the row before: many short entities show it."""
    pairs = follows & np.isfinite(centred[1:]) & np.isfinite(centred[:-1])
    if pairs.sum() < _MIN_PAIRS:
        return False
    own_ranks = pd.Series(centred).groupby(entity).rank(pct=True)
    ranks = (own_ranks - own_ranks.groupby(entity).transform("mean")).to_numpy()
    before, after = ranks[:-1][pairs], ranks[1:][pairs]
    if before.std() == 0 or after.std() == 0:
        return False
    needed = max(DEPENDENT, _CHANCE / np.sqrt(pairs.sum()))
    return bool(abs(np.corrcoef(before, after)[0, 1]) > needed)


def _correlate_with_past(values: Array) -> Array:
    """Return the autocorrelation of the ranks, without their straight line, for lags from 0 on."""
    ranks = pd.Series(values).rank().to_numpy()
    ranks = np.where(np.isfinite(ranks), ranks, np.nanmean(ranks) if np.isfinite(ranks).any() else 0.0)
    line = np.arange(len(ranks)) - (len(ranks) - 1) / 2
    ranks = ranks - ranks.mean()
    ranks = ranks - line * (line @ ranks) / max(float(line @ line), 1.0)
    last = min(_LONGEST, len(ranks) // 3)
    if last <= _SHORTEST + 2 or np.abs(ranks).max() < 1e-9 * len(ranks):
        return np.zeros(1)
    size = 1 << (2 * len(ranks) - 1).bit_length()
    correlation = np.fft.irfft(np.abs(np.fft.rfft(ranks, size)) ** 2, size)[: last + 2]
    return np.asarray(correlation / correlation[0])


def _find_peak(correlation: Array) -> tuple[int, float]:
    """Return the lag of the highest peak and its height; 0 where there is none."""
    inner = correlation[_SHORTEST:-1]
    if not inner.size:
        return 0, 0.0
    peaks = (inner > correlation[_SHORTEST - 1 : -2]) & (inner >= correlation[_SHORTEST + 1 :])
    best = int(np.where(peaks, inner, -1.0).argmax())
    return (best + _SHORTEST, float(inner[best])) if peaks.any() else (0, 0.0)
