"""Whether the past tells of the present: errors on later rows of what was fitted on earlier ones. Pure.

A row is expected from the rows before it by a ridge autoregression; its rivals are the mean of the very rows
that are expected, and the mean at that hour of the week. Shuffled rows show what chance gives. Beside it
stands the serial correlation of the ranks, which a few far values, or a level that moved, do not hide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, rankdata

from pynomaly.data.intake.context.periods import find_period
from pynomaly.data.intake.context.stretches import ScaledStretches

__all__ = ["Foresight", "measure_foresight"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_NEAR = 8
"""Rows just before a row that it is expected from; around one period three more."""

_FIRST_PART = 0.6
_LEAST_ROWS = 60
_RIDGE = 0.01
_STRETCHES = 8
_LONG = 64
"""Rows of a stretch that ranks are correlated in."""

_CHANCE = 1e-6
"""Probability by chance up to which ranks count as correlated."""

_SEED = 7


@dataclass(frozen=True)
class Foresight:
    """What the past of one column tells of its present, on rows that were not fitted.

    Attributes
    ----------
    past : float
        Share of the squared error about the mean of these rows that the rows before a row take away; below 0
        they mislead.
    chance : float
        The same on shuffled rows.
    season : float
        The same by the hour of the week.
    serial : float
        The largest correlation of the ranks of rows one to eight apart; 0 where chance gives as much.
    period : int or None
        In rows.
    """

    past: float
    chance: float
    season: float
    serial: float
    period: int | None


def measure_foresight(stretches: ScaledStretches, column: int) -> Foresight | None:
    """Return what the past of a column tells; None where too few rows have a past.

    Notes
    -----
    Fitted on the first three fifths of the time, measured on the rest. Straight lines between rows are no
    rows to expect, and the row after one is left out: the line leads to it. O(n) of the sample.
    """
    period = find_period(stretches.list_longest(column, _STRETCHES))
    values = stretches.values[:, column]
    near = np.arange(1, _NEAR + 1)
    around = np.arange(period - 1, period + 2) if period else near
    for lags in (np.unique(np.append(near, around)), near, near[:1]):
        targets = _list_targets(stretches, int(lags.max()))
        if len(targets) >= 2 * _LEAST_ROWS:
            break
    else:
        return None
    border = np.quantile(stretches.moments[targets], _FIRST_PART)
    early = stretches.moments[targets] <= border
    if min(early.sum(), (~early).sum()) < _LEAST_ROWS // 2:
        return None
    past = _explain_by_past(values, targets, early, lags)
    order = np.random.default_rng(_SEED).permutation(np.flatnonzero(stretches.is_row))
    shuffled = values.copy()
    shuffled[stretches.is_row] = values[order]
    chance = _explain_by_past(shuffled, targets, early, lags)
    season = _explain_by_hours(values[targets], stretches.moments[targets], early)
    return Foresight(past, chance, season, _correlate_ranks(stretches, column), period)


def _correlate_ranks(stretches: ScaledStretches, column: int) -> float:
    """Return the largest rank correlation at the near lags; 0 where a portmanteau test sees none.

    Short stretches do not count: a median taken from a few rows correlates them.

    Source: Ljung, Box, On a measure of lack of fit in time series models, Biometrika 1978, on ranks (Dufour,
    Roy, Some robust exact results on sample autocorrelations and tests of randomness, 1985).
    """
    is_row = stretches.is_row & (np.bincount(stretches.stretch)[stretches.stretch] >= _LONG)
    rows = int(is_row.sum())
    if not rows:
        return 0.0
    ranks = np.zeros(len(is_row))
    ranks[is_row] = rankdata(stretches.values[is_row, column]) - (rows + 1) / 2
    power = float((ranks * ranks).sum())
    if power <= 0:
        return 0.0
    correlation, statistic = [], 0.0
    for lag in range(1, _NEAR + 1):
        beside = is_row[lag:] & is_row[:-lag] & (stretches.stretch[lag:] == stretches.stretch[:-lag])
        pairs = int(beside.sum())
        if pairs < _LEAST_ROWS:
            break
        value = float((ranks[lag:] * ranks[:-lag])[beside].mean()) / (power / rows)
        correlation.append(abs(value))
        statistic += value * value * pairs
    if not correlation or chi2.sf(statistic, len(correlation)) > _CHANCE:
        return 0.0
    return max(correlation)


def _list_targets(stretches: ScaledStretches, longest: int) -> Ints:
    """Return the places of rows that follow a row and have so many places before them."""
    is_row = stretches.is_row & np.append(False, stretches.is_row[:-1])
    return np.flatnonzero(is_row & (stretches.position >= longest))


def _explain_by_past(values: Floats, targets: Ints, early: npt.NDArray[np.bool_], lags: Ints) -> float:
    past = values[targets[:, None] - lags[None, :]]
    present = values[targets]
    inputs = np.column_stack([past, np.ones(len(past))])
    fitted = inputs[early]
    matrix = fitted.T @ fitted
    matrix[np.diag_indices(len(lags))] += _RIDGE * max(float(np.diag(matrix)[:-1].mean()), 1e-9)
    weights = np.linalg.solve(matrix, fitted.T @ present[early])
    return _compare(present[~early], inputs[~early] @ weights)


def _explain_by_hours(present: Floats, moments: Ints, early: npt.NDArray[np.bool_]) -> float:
    hours = moments // 3_600_000_000 % 168
    sums = np.bincount(hours[early], present[early], 168)
    counts = np.bincount(hours[early], minlength=168)
    means = (sums + present[early].mean()) / (counts + 1)
    return _compare(present[~early], means[hours[~early]])


def _compare(present: Floats, expected: Floats) -> float:
    """Return the share of the squared error about their own mean that the expectation takes away."""
    usual = float(((present - present.mean()) ** 2).mean())
    return 1 - float(((present - expected) ** 2).mean()) / usual if usual > 0 else 0.0
