"""Usual values in the wrong context: of another hour of the same entity, or of another entity.

Such a row looks like any other unless the detector knows when, or whose, it is. Pure; called by
:mod:`~pynomaly.judging.comparison.injection`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pynomaly.judging.comparison.injected.context import Array, Ints, RowContext

__all__ = ["find_donors"]

_CANDIDATES = 48
_LEAST = 1.5


def find_donors(
    context: RowContext, values: Array, rows: Ints, size: Array, rng: np.random.Generator, *, foreign: bool
) -> Ints:
    """Return for each row another row whose values are usual, but not here.

    Parameters
    ----------
    context : RowContext
        Of n rows.
    values : array of shape (n, k)
        The cells of ``context.columns``; NaN where missing.
    rows : int array of shape (m,)
        Rows that are to get other values.
    size : array of shape (m,)
        1 asks for a donor 7.5 to 15 deviations from what is usual for the row, 2 for one twice as far; where
        nothing is as far, the nearest to it is taken.
    rng : Generator
    foreign : bool
        Take the donor from another entity, in the same season, instead of from another season.

    Returns
    -------
    int array of shape (m,)
        -1 where no donor drawn lies 1.5 deviations away.
    """
    pool, ends = _order_pool(context, foreign)
    group = context.phases if foreign else context.entities
    start = np.concatenate([[0], ends[:-1]])[group[rows]]
    width = ends[group[rows]] - start
    drawn = start[:, None] + np.floor(rng.random((rows.size, _CANDIDATES)) * width[:, None]).astype(np.int64)
    candidates = pool[drawn]
    if foreign:
        strange = context.entities[candidates] != context.entities[rows][:, None]
    else:
        strange = context.phases[candidates] != context.phases[rows][:, None]
    judged = context.levelled if foreign else context.seasonal
    apart = np.abs(values[candidates] - context.centre[rows][:, None]) / context.spread[rows][:, None]
    apart = np.where(np.isnan(values[rows])[:, None], np.nan, apart)[:, :, judged]
    distance = np.max(np.where(np.isnan(apart), 0.0, apart), axis=2)
    wanted = rng.uniform(7.5, 15.0, size=rows.size) * size
    allowed = strange & (distance >= _LEAST)
    miss = np.where(allowed, np.abs(np.log(np.maximum(distance, _LEAST) / wanted[:, None])), np.inf)
    best = miss.argmin(axis=1)
    every = np.arange(rows.size)
    return np.where(np.isfinite(miss[every, best]), candidates[every, best], -1)


def _order_pool(context: RowContext, foreign: bool) -> tuple[Ints, npt.NDArray[np.int64]]:
    """Return the rows ordered by phase or by entity, and where each of these ends."""
    group = context.phases if foreign else context.entities
    order = np.argsort(group, kind="stable").astype(np.int64)
    return order, np.cumsum(np.bincount(group)).astype(np.int64)
