"""Episodes: runs of rows of one entity whose values are usual one by one, and not one after the other.

Each episode is drawn on rows of its own, as if nothing else had happened: rows beside it, and other episodes,
do not know of it. Inside the range of the column its cells take values that occur there, so that what is
unusual is their order; a step beyond the range stays as it is. Pure; called where rows are judged without
labels, if their past tells the present.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pynomaly.judging.comparison.injected.context import Array
from pynomaly.judging.comparison.injected.rhythm import FollowedColumn, Rhythm

__all__ = ["EPISODE_KINDS", "Episode", "draw_episodes"]

EPISODE_KINDS = (
    "stuck",
    "missing cycle",
    "slow drift",
    "changed shape",
    "level shift",
    "inner spike",
)

_SHORTEST = 8
_TRIES = 12
_SEVERAL = 0.3
"""Share of the episodes that more than one column takes part in."""

_LEAST_CHANGED = 0.5
"""Share of the rows that must have another value than before."""


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode.

    Attributes
    ----------
    kind : str
        Of :data:`EPISODE_KINDS`.
    size : float
    rows : int array of shape (m,)
        Rows whose cells change, in time order.
    after : int array of shape (k,)
        Rows after them, half a period, which have the episode in their past.
    cells : mapping of str to array of shape (m,)
        New values of the columns that change; NaN where the cell was missing.
    """

    kind: str
    size: float
    rows: npt.NDArray[np.intp]
    after: npt.NDArray[np.intp]
    cells: dict[str, Array]


@dataclass(frozen=True, eq=False)
class _Draft:
    """Where an episode is to be: the places from `start` to before `end` of a run."""

    kind: str
    size: float
    run: npt.NDArray[np.intp]
    start: int
    end: int

    @property
    def rows(self) -> npt.NDArray[np.intp]:
        return self.run[self.start : self.end]

    def list_around(self, margin: int) -> npt.NDArray[np.intp]:
        return self.run[max(0, self.start - margin) : self.end + margin]


def draw_episodes(
    values: dict[str, Array],
    runs: Sequence[npt.NDArray[np.intp]],
    rhythm: Rhythm,
    count: int,
    sizes: Sequence[float],
    rng: np.random.Generator,
) -> list[Episode]:
    """Draw episodes, the kinds and sizes in equal parts.

    Parameters
    ----------
    values : mapping of str to array of shape (n,)
        The followed columns.
    runs : sequence of int arrays
        Rows that follow each other.
    rhythm : Rhythm
    count : int
        Number of episodes; fewer are returned where runs are too short.
    sizes : sequence of float
        1 moves values by one and a half deviations, 0.5 half as far; *stuck* lasts longer.
    rng : Generator
    """
    lengths = np.array([len(run) for run in runs])
    kinds = [kind for kind in EPISODE_KINDS if kind != "missing cycle" or rhythm.repeats]
    if not any(column.is_smooth for column in rhythm.columns):
        kinds = ["stuck", "inner spike"]
    episodes: list[Episode] = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        size = float(sizes[(number // len(kinds)) % len(sizes)])
        for _ in range(_TRIES):
            length = _draw_length(kind, size, rhythm, int(lengths.max()), rng)
            fitting = np.flatnonzero(lengths >= length)
            if not fitting.size:
                break
            run = runs[rng.choice(fitting, p=lengths[fitting] / lengths[fitting].sum())]
            start = int(rng.integers(0, len(run) - length + 1))
            draft = _Draft(kind, size, run, start, start + length)
            if cells := _change_columns(draft, values, rhythm, rng):
                after = run[draft.end : draft.end + rhythm.period // 2]
                episodes.append(Episode(kind, size, draft.rows, after, cells))
                break
    return episodes


def _draw_length(kind: str, size: float, rhythm: Rhythm, longest: int, rng: np.random.Generator) -> int:
    """Return the number of rows: a spike has few, a drift many, the others about a period."""
    if kind == "inner spike":
        return int(rng.integers(1, 4))
    base = rhythm.period * rng.uniform(0.5, 1.5)
    factor = {"stuck": size, "missing cycle": max(1.0, size), "slow drift": 2.0}.get(kind, 1.0)
    return max(1, min(max(_SHORTEST, round(base * factor)), longest // 3))


def _change_columns(
    draft: _Draft, values: dict[str, Array], rhythm: Rhythm, rng: np.random.Generator
) -> dict[str, Array]:
    """Return the new cells of one column, sometimes of more; empty if too little changes."""
    any_column = draft.kind in ("stuck", "inner spike")
    eligible = [column for column in rhythm.columns if any_column or column.is_smooth]
    several = rng.random() < _SEVERAL and len(eligible) > 1
    number = int(rng.integers(2, len(eligible) + 1)) if several else 1
    chosen = [eligible[place] for place in rng.choice(len(eligible), size=number, replace=False)]
    changed = {}
    for column in chosen:
        cells = values[column.name]
        before, around = cells[draft.rows], cells[draft.list_around(rhythm.period)]
        if not np.isfinite(before).any():
            continue
        after = _SHAPES[draft.kind](before, around, draft.size, column, rng)
        after = np.where(np.isfinite(before), _take_known(after, cells), np.nan)
        if (np.abs(after - before)[np.isfinite(before)] > 0).mean() >= _LEAST_CHANGED:
            changed[column.name] = after
    return changed


def _take_known(cells: Array, values: Array) -> Array:
    """Return the nearest values that occur in the column; cells beyond its range stay."""
    known = np.unique(values[np.isfinite(values)])
    above = np.clip(np.searchsorted(known, cells), 1, max(known.size - 1, 1))
    low, high = known[above - 1], known[np.minimum(above, known.size - 1)]
    inside = np.where(np.abs(cells - low) <= np.abs(high - cells), low, high)
    return np.where((cells < known[0]) | (cells > known[-1]), cells, inside)


def _measure_step(column: FollowedColumn, size: float) -> float:
    """Return how far values move: one and a half times the spread, times the size."""
    return float(1.5 * size * column.spread)


def _freeze(
    before: Array, around: Array, size: float, column: FollowedColumn, rng: np.random.Generator
) -> Array:
    first = before[np.isfinite(before)][0]
    return np.full(before.shape, first)


def _flatten(
    before: Array, around: Array, size: float, column: FollowedColumn, rng: np.random.Generator
) -> Array:
    level = float(np.nanmedian(around))
    return level + min(column.noise, 0.2 * column.spread) * rng.standard_normal(before.size)


def _drift(
    before: Array, around: Array, size: float, column: FollowedColumn, rng: np.random.Generator
) -> Array:
    end = _choose_side(before, 2 * _measure_step(column, size), column, rng)
    return np.asarray(before + end * np.linspace(0, 1, before.size))


def _shift(
    before: Array, around: Array, size: float, column: FollowedColumn, rng: np.random.Generator
) -> Array:
    return np.asarray(before + _choose_side(before, _measure_step(column, size), column, rng))


def _reshape(
    before: Array, around: Array, size: float, column: FollowedColumn, rng: np.random.Generator
) -> Array:
    """Add noise, take the detail away, or turn the cycle upside down."""
    way = rng.integers(0, 3)
    if way == 0:
        return np.asarray(before + 0.7 * _measure_step(column, size) * rng.standard_normal(before.size))
    level = float(np.nanmean(before))
    if way == 1:
        return np.asarray(level + (before - level) / (1 + size))
    turned = 2 * level - before
    return np.asarray(np.where(np.isfinite(turned), turned, before))


def _jump(
    before: Array, around: Array, size: float, column: FollowedColumn, rng: np.random.Generator
) -> Array:
    """Move to another value inside the usual range."""
    moved = before + _choose_side(before, 1.5 * _measure_step(column, size), column, rng)
    inside = np.clip(moved, column.low, column.high)
    if not column.is_smooth:
        other = column.high if np.nanmean(before) < (column.low + column.high) / 2 else column.low
        return np.full(before.shape, other)
    return np.asarray(inside)


def _choose_side(before: Array, step: float, column: FollowedColumn, rng: np.random.Generator) -> float:
    """Return the step up or down: where the usual range has more room; half of the time by chance."""
    middle = float(np.nanmedian(before))
    up, down = column.high - middle, middle - column.low
    if min(up, down) >= step or rng.random() < 0.5:
        return step if rng.random() < 0.5 else -step
    return step if up >= down else -step


_SHAPES: dict[str, Callable[[Array, Array, float, FollowedColumn, np.random.Generator], Array]] = {
    "stuck": _freeze,
    "missing cycle": _flatten,
    "slow drift": _drift,
    "changed shape": _reshape,
    "level shift": _shift,
    "inner spike": _jump,
}
