"""The step of the rows: the usual time from one row of an entity to its next, and how usual it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.config.spelling.units import spell_duration

__all__ = ["RowStep", "mark_runs", "measure_row_step"]

Ints = npt.NDArray[np.int64]

_SECOND = 1_000_000
_BREAK = 20
"""Lines of the file between two rows that were looked at, from which on rows between them were not."""

_LEAST_REGULAR = 0.75
"""Share of the distances that lie within half of the step; of independent arrivals .35 do."""

_MOST_REPEATED = 0.1
"""Share of the rows of an entity that may have the time of another of its rows."""

_MOST_APART = 1.5
"""Ratio of the steps of two entities up to which one step holds for both."""


@dataclass(frozen=True)
class RowStep:
    """The usual time from one row of an entity to its next.

    Attributes
    ----------
    usual : timedelta
        Median of the distances; of several entities the median of theirs.
    step : timedelta or None
        `usual` in whole seconds, as ``data.series.step`` takes it; None where the rows of each entity are
        regular but no common step in whole seconds is there: rows are then taken as they come.
    longest : timedelta
        The longest step among the entities.
    regular : float
        Share of the distances within half of their entity's step.
    is_regular : bool
    why : str
        What was measured, or why the rows are not regular.
    """

    usual: timedelta
    step: timedelta | None
    longest: timedelta
    regular: float
    is_regular: bool
    why: str

    @property
    def usual_length(self) -> str:
        """The usual distance in words."""
        return _spell_length(self.usual)


def mark_runs(lines: Ints) -> Ints:
    """Return a number for each row, the same for rows that stand together in the file; shape (n,).

    Parameters
    ----------
    lines : ndarray of shape (n,)
        Lines of the file, in its order; of several files each starts again.
    """
    jumps = np.diff(lines, prepend=lines[:1])
    return np.cumsum((jumps > _BREAK) | (jumps < 0))


def measure_row_step(moments: Ints, codes: Ints, runs: Ints) -> RowStep | None:
    """Return the step of rows in microseconds since 1970; None if no two rows of an entity can be compared.

    Parameters
    ----------
    moments, codes, runs : ndarray of shape (n,)
        Time, entity and run of each row; in any order. Only rows of one run are neighbours.

    Notes
    -----
    Each entity's step is the median of its distances, so that jitter, gaps and a few repeated rows do not
    move it. O(n log n).
    """
    order = np.lexsort((moments, runs, codes))
    code, run = codes[order], runs[order]
    beside = (code[1:] == code[:-1]) & (run[1:] == run[:-1])
    distance, owner = np.diff(moments[order])[beside], code[1:][beside]
    if not len(distance):
        return None
    repeated = float((distance == 0).mean())
    distance, owner = distance[distance > 0], owner[distance > 0]
    if not len(distance):
        return None
    grouped = pd.Series(distance).groupby(owner)
    own = grouped.transform("median").to_numpy()
    regular = float((np.abs(distance - own) <= own / 2).mean())
    counts, steps = grouped.size().to_numpy(), grouped.median().to_numpy()
    usual = float(_weigh_median(steps, counts))
    together = float(counts[np.maximum(steps / usual, usual / steps) <= _MOST_APART].sum() / counts.sum())
    length = timedelta(microseconds=max(1, round(usual)))
    step = _round_step(usual) if together >= 1 - _MOST_REPEATED else None
    if repeated > _MOST_REPEATED:
        why = f"{repeated:.0%} of the rows have the time of the row before"
    elif regular < _LEAST_REGULAR:
        why = f"only {regular:.0%} of the rows come at the usual distance of {_spell_length(length)}"
    else:
        shown = _spell_length(length) if together >= 1 - _MOST_REPEATED else "each entity's own step"
        why = f"{regular:.0%} of the rows come after {shown}"
    is_regular = repeated <= _MOST_REPEATED and regular >= _LEAST_REGULAR
    longest = timedelta(microseconds=max(1, round(float(np.quantile(steps, 0.95)))))
    return RowStep(length, step, longest, regular, is_regular, why)


def _weigh_median(values: npt.NDArray[Any], weights: npt.NDArray[Any]) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def _round_step(usual: float) -> timedelta | None:
    """Return the step in whole seconds; None where that is off by more than a twentieth."""
    seconds = round(usual / _SECOND)
    if seconds < 1 or abs(seconds * _SECOND - usual) > usual / 20:
        return None
    return timedelta(seconds=seconds)


def _spell_length(length: timedelta) -> str:
    seconds = length.total_seconds()
    return f"{seconds:.3g}s" if seconds < 10 and seconds % 1 else spell_duration(length)
