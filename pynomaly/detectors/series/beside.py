"""Rare values of the columns that are not followed in time: categories, indicators, the calendar.

Called by the base of the detectors that look back, where there are such columns.
"""

from __future__ import annotations

import numpy as np

from pynomaly.detectors.base import State
from pynomaly.detectors.methods.histogram import HBOS
from pynomaly.detectors.numerics.exact import Array

__all__ = ["fit_beside", "measure_beside", "restore_beside"]

_ROWS = 50_000  # more change nothing
_LOW, _HIGH = 0.5, 0.9  # of the fitted rows: middle and upper end of what is usual


def fit_beside(numbers: Array, followed: tuple[int, ...], rng: np.random.Generator) -> State:
    """Return what `measure_beside` reads, from fitted rows (n, d); nothing where no other column varies."""
    others = np.array(
        [column for column in range(numbers.shape[1]) if column not in followed], dtype=np.int64
    )
    rows = numbers[rng.choice(len(numbers), _ROWS, replace=False)] if len(numbers) > _ROWS else numbers
    others = others[np.ptp(np.clip(rows[:, others], -1e100, 1e100), axis=0) > 0]
    if not len(others):
        return {}
    histogram = HBOS().fit(rows[:, others])
    low, high = np.quantile(histogram.score(rows[:, others], threads=1), [_LOW, _HIGH])
    usual = np.median(histogram._cell_rarity(rows[:, others]), axis=0)
    facts = {"columns": others, "end": high, "span": max(float(high - low), 1.0), "usual": usual}
    return {f"beside.{key}": np.asarray(value) for key, value in {**histogram.state, **facts}.items()}


def restore_beside(state: State) -> HBOS | None:
    """Return the histogram of a fitted state, if it has one."""
    if "beside.columns" not in state:
        return None
    facts = {"columns": None, "width": len(state["beside.columns"]), "rows_offered": 0, "rows_used": 0}
    arrays = {key: state[f"beside.{key}"] for key in ("edges", "rarity")}
    return HBOS().restore(facts, arrays)


def measure_beside(histogram: HBOS, state: State, numbers: Array) -> tuple[Array, Array]:
    """Return each row's figure (n,), and the column of `numbers` that is rarest in it (n,).

    The figure is 0 for nine of ten rows, then the logarithm of one plus the excess in usual spans.
    """
    columns = state["beside.columns"]
    cells = np.ascontiguousarray(numbers[:, columns])
    excess = np.maximum(histogram._score(cells) - state["beside.end"], 0.0) / state["beside.span"]
    rarest = columns[(histogram._cell_rarity(cells) - state["beside.usual"]).argmax(axis=1)]
    return np.log1p(excess), rarest
