"""Whether values follow the hour, the day of the week and the entity, and what is usual for each of these.

A value is explained by a context if means of one half of the days predict the other half: rows of one day
resemble each other, so that a fit to the same days would find a season in any wandering series. Pure; called
where rows are judged without labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.data.frame import FrameContract

__all__ = ["EXPLAINED", "RowContext", "measure_context", "measure_explained", "read_moments"]

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

EXPLAINED = 0.15
"""Share of the variance of the ranks that a context must explain on other days to count."""

_MIN_DAYS, _MIN_WEEKS = 4, 4
_MIN_CELL = 8
_MIN_ENTITY = 16
_COLUMNS = 50


@dataclass(frozen=True, eq=False)
class RowContext:
    """What is usual for each of n rows, given its hour and its entity.

    Attributes
    ----------
    columns : tuple of str
        Number columns, k of them.
    seasonal, levelled : bool array of shape (k,)
        Whether the column follows the season; whether entities have their own level or spread in it.
    phases, entities : int array of shape (n,)
        Place of each row in the season, 0 where there is none; number of its entity, 0 where there is one.
    centre, spread : array of shape (n, k)
        Median of the learned rows of the same phase and entity, and their robust deviation, above 0.
    """

    columns: tuple[str, ...]
    seasonal: npt.NDArray[np.bool_]
    levelled: npt.NDArray[np.bool_]
    phases: Ints
    entities: Ints
    centre: Array
    spread: Array

    @property
    def has_season(self) -> bool:
        """Whether some column follows the hour of the day or the day of the week."""
        return bool(self.seasonal.any())

    @property
    def has_entities(self) -> bool:
        """Whether entities have their own level in some column."""
        return bool(self.levelled.any())


def measure_context(
    learned: pd.DataFrame, judged: pd.DataFrame, contract: FrameContract
) -> RowContext | None:
    """Measure on learned rows which contexts count, and place the judged rows in them.

    Parameters
    ----------
    learned : DataFrame of shape (m, d)
        Normal rows in any order.
    judged : DataFrame of shape (n, d)
    contract : FrameContract
        Without a time there is no season, and without an id there are no entities.

    Returns
    -------
    RowContext or None
        None where no context counts, or nothing is known about it.

    Notes
    -----
    O((m + n) k log m). Of more than fifty columns, fifty at even distances are looked at.
    """
    names = contract.numeric[:: max(1, len(contract.numeric) // _COLUMNS)]
    if not names or (contract.time is None and contract.id is None) or len(learned) < 2 * _MIN_ENTITY:
        return None
    values = contract.conform(learned)[list(names)].to_numpy(dtype=np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    entity, judged_entity = _number_entities(learned, judged, contract)
    days = _count_days(learned, contract)
    halves = _split_halves(learned, contract, days)
    levelled = np.zeros(len(names), dtype=bool)
    if entity.max() > 0:
        levelled = np.array([_has_own_level(column, entity, halves) for column in values.T])
    own = np.where(levelled.any(), entity, 0)
    centre, spread = _summarize(values, own, int(own.max()) + 1)
    residual = (values - centre[own]) / spread[own]
    phase, judged_phase, seasonal = _find_season(residual, learned, judged, contract, days)
    if not levelled.any() and not seasonal.any():
        return None
    judged_own = judged_entity if levelled.any() else np.zeros(len(judged), dtype=np.int64)
    offset, width = _summarize(residual, phase, int(max(phase.max(), judged_phase.max(initial=0))) + 1)
    offset, width = np.where(seasonal, offset, 0.0), np.where(seasonal, width, 1.0)
    usual = centre[judged_own] + offset[judged_phase] * spread[judged_own]
    return RowContext(
        tuple(names),
        seasonal,
        levelled,
        judged_phase,
        judged_entity,
        usual,
        spread[judged_own] * width[judged_phase],
    )


def measure_explained(values: Array, groups: Ints, halves: Ints) -> float:
    """Return the share of the variance of the ranks that the means of the groups of the other half explain.

    Parameters
    ----------
    values : array of shape (n,)
        NaN where missing.
    groups, halves : int array of shape (n,)
        Group of each row, from 0; which half it is in, 0 or 1. A group that the other half lacks has the mean
        of all its rows.

    Returns
    -------
    float
        At most 1; 0 or below where the groups explain nothing, or rows are too few.
    """
    usable = np.isfinite(values)
    if usable.sum() < 2 * _MIN_ENTITY:
        return 0.0
    ranks = pd.Series(values[usable]).rank().to_numpy()
    group, half = groups[usable], halves[usable]
    total = inside = 0.0
    for part in (0, 1):
        here, other = half == part, half != part
        if not here.any() or not other.any():
            return 0.0
        level = float(ranks[other].mean())
        counts = np.bincount(group[other], minlength=int(group.max()) + 1)
        sums = np.bincount(group[other], ranks[other] - level, minlength=counts.size)
        predicted = level + (sums / np.maximum(counts, 1))[group[here]]
        total += float(((ranks[here] - level) ** 2).sum())
        inside += float(((ranks[here] - predicted) ** 2).sum())
    return 1 - inside / total if total > 0 else 0.0


def _split_halves(learned: pd.DataFrame, contract: FrameContract, days: Ints) -> Ints:
    """Return the half of each row: every other day, else the later rows, without times by chance."""
    if contract.time is None:
        return np.random.default_rng(0).integers(0, 2, size=len(learned))
    if np.unique(days).size >= _MIN_DAYS:
        return days % 2
    times = read_moments(learned, contract.time)
    return (times > np.median(times)).astype(np.int64)


def _has_own_level(column: Array, entity: Ints, halves: Ints) -> bool:
    return measure_explained(column, entity, halves) > EXPLAINED


def _number_entities(
    learned: pd.DataFrame, judged: pd.DataFrame, contract: FrameContract
) -> tuple[Ints, Ints]:
    """Return entity numbers of learned and judged rows; those with few learned rows share the number 0."""
    if contract.id is None:
        return np.zeros(len(learned), dtype=np.int64), np.zeros(len(judged), dtype=np.int64)
    names = pd.concat([learned[contract.id], judged[contract.id]]).astype(str)
    codes, _ = pd.factorize(names)
    counts = np.bincount(codes[: len(learned)], minlength=int(codes.max()) + 1)
    known = np.flatnonzero(counts >= _MIN_ENTITY)
    if known.size < 2:
        return np.zeros(len(learned), dtype=np.int64), np.zeros(len(judged), dtype=np.int64)
    number = np.zeros(counts.size, dtype=np.int64)
    number[known] = np.arange(1, known.size + 1)
    return number[codes[: len(learned)]], number[codes[len(learned) :]]


def _count_days(frame: pd.DataFrame, contract: FrameContract) -> Ints:
    """Return the number of the day of each row, shape (n,); zeros without a time."""
    if contract.time is None:
        return np.zeros(len(frame), dtype=np.int64)
    return np.asarray(read_moments(frame, contract.time) // _DAY, dtype=np.int64)


_DAY = 86_400_000_000


def read_moments(frame: pd.DataFrame, time: str) -> Ints:
    """Return the times in microseconds since 1970, UTC."""
    moments = pd.to_datetime(frame[time], utc=True).dt.as_unit("us")
    return np.asarray(moments.astype("int64"), dtype=np.int64)


def _summarize(values: Array, groups: Ints, count: int) -> tuple[Array, Array]:
    """Return median and robust deviation of each group and column, shape (count, k) each.

    A group with few rows has those of all rows, and so has a spread of 0.
    """
    frame = pd.DataFrame(values)
    whole = frame.quantile([0.25, 0.5, 0.75]).to_numpy()
    deviation = frame.std(ddof=0).to_numpy()
    all_spread = np.where(whole[2] > whole[0], (whole[2] - whole[0]) / 1.349, deviation)
    all_spread = np.where(np.isfinite(all_spread) & (all_spread > 0), all_spread, 1.0)
    parts = frame.groupby(groups)
    low, middle, high = (
        parts.quantile(share).reindex(range(count)).to_numpy() for share in (0.25, 0.5, 0.75)
    )
    rows = parts.count().reindex(range(count), fill_value=0).to_numpy()
    spread = (high - low) / 1.349
    few = (rows < _MIN_CELL) | ~np.isfinite(middle)
    centre = np.where(few, np.where(np.isfinite(whole[1]), whole[1], 0.0), middle)
    floor = 0.05 * all_spread  # a phase at rest must not make every change infinitely far
    return centre, np.where(few, all_spread, np.maximum(np.nan_to_num(spread), floor))


def _find_season(
    residual: Array, learned: pd.DataFrame, judged: pd.DataFrame, contract: FrameContract, days: Ints
) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Return the phase of learned and of judged rows, and which columns follow it."""
    none = np.zeros(residual.shape[1], dtype=bool)
    nowhere = np.zeros(len(learned), dtype=np.int64), np.zeros(len(judged), dtype=np.int64)
    if contract.time is None:
        return *nowhere, none
    times, judged_times = (read_moments(frame, contract.time) for frame in (learned, judged))
    hours, judged_hours = (at // (_DAY // 24) % 24 for at in (times, judged_times))
    weekdays, judged_weekdays = ((at // _DAY + 3) % 7 for at in (times, judged_times))
    of_day = of_week = none
    if np.unique(days).size >= _MIN_DAYS and np.unique(hours).size >= 4:
        of_day = np.array([measure_explained(column, hours, days % 2) > EXPLAINED for column in residual.T])
    weeks = (times // _DAY + 3) // 7
    if np.unique(weeks).size >= _MIN_WEEKS and np.unique(weekdays).size > 1:
        of_week = np.array(
            [measure_explained(column, weekdays, weeks % 2) > EXPLAINED for column in residual.T]
        )
    if of_day.any() and of_week.any():
        return weekdays * 24 + hours, judged_weekdays * 24 + judged_hours, of_day | of_week
    if of_day.any():
        return hours, judged_hours, of_day
    if of_week.any():
        return weekdays, judged_weekdays, of_week
    return *nowhere, none
