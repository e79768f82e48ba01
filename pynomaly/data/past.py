"""The past of rows: each row of a frame carries where the rows before it stand, for detectors that look back.

One more column, :data:`PAST`, is added where rows are read. Its cells point into stretches: the numeric cells
of one entity after the other, in time order, on a common step. Rows can then be selected, shuffled and joined
like any others, and a row still knows its past. What a row may read depends on the row alone: the
`data.series.past` rows before it that are no older than that many steps, and the rows within
`data.series.delay` after it. A gap of at most `data.series.gap` steps is filled by straight lines; a longer
one ends a stretch, and the next row begins without a past.

Called by ``sources``, ``serving`` and `model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.config import Data, Series
from pynomaly.data.frame import PAST, read_categories, read_numbers
from pynomaly.data.past_array import PastArray, Stretches

__all__ = ["PAST", "attach_past", "drop_past", "get_past", "refresh_past", "replace_past"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def get_past(frame: pd.DataFrame) -> PastArray | None:
    """Return the past of the rows, or None if they carry none."""
    if PAST not in frame.columns:
        return None
    array = frame[PAST].array
    assert isinstance(array, PastArray)
    return array


def drop_past(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without their past."""
    return frame.drop(columns=PAST) if PAST in frame.columns else frame


def attach_past(frame: pd.DataFrame, data: Data, *, is_over: bool = False) -> pd.DataFrame:
    """Return the rows with their past as one more column, if ``data.series.past`` asks for it.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Rows as they are read, sorted by time; the time column is aware, NaT where it cannot be read. Text
        that does not read as a number counts as missing.
    data : Data
        Names of the time, the entity and the label, and ``data.series``.
    is_over : bool
        Whether the time that each row waits for (``data.series.delay``) has passed. If not, it has for rows
        with a row, of whatever entity, so much later; the others wait.

    Returns
    -------
    DataFrame of shape (n, d + 1)

    Notes
    -----
    Of several rows of an entity with one time the first stands in the stretches; the others look back on the
    same past. O(n log n) time; memory of the numeric cells, once.
    """
    if not data.series.past or data.time is None:
        return frame
    columns = _list_columns(frame, data)
    moments = frame[data.time]
    entities = (
        read_categories(frame[data.id]).to_numpy(dtype=object)
        if data.id
        else np.full(len(frame), None, dtype=object)
    )
    codes = pd.factorize(pd.Series(entities, dtype=object), use_na_sentinel=False)[0]
    order = np.flatnonzero(moments.notna().to_numpy())
    order = order[np.argsort(codes[order], kind="stable")]
    cells = np.column_stack(
        [read_numbers(frame[name])[0].to_numpy(dtype=np.float64)[order] for name in columns]
    ) if columns else np.empty((len(order), 0))  # fmt: skip
    cells = np.where(np.isfinite(cells), cells, np.nan)
    at = moments.dt.as_unit("us").astype("int64").to_numpy()[order]
    grid = _lay_grid(codes[order], at, data.series)
    moments_on_grid = grid.fill(at[:, None].astype(np.float64))[:, 0].astype(np.int64)
    stretches = Stretches(
        tuple(columns), grid.fill(cells), moments_on_grid, grid.stretch, entities[order][grid.left]
    )
    places = np.full(len(frame), -1, dtype=np.int64)
    places[order] = grid.places
    before, after = _measure_reach(stretches, places, grid.fraction > 0, data.series)
    if not is_over and len(at):
        waits = moments.notna() & (moments + data.series.delay > moments.max())
        after[waits.to_numpy()] = -1
    return replace_past(frame, PastArray(stretches, places, before, after))


def refresh_past(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with stretches that hold the cells which the rows have now.

    After cells were changed, later rows then look back on the changed cells; without a past the frame is
    returned as it is. Straight lines in gaps beside changed cells stay.
    """
    past = get_past(frame)
    if past is None:
        return frame
    stretches = past.stretches
    cells = stretches.cells.copy()
    there = past.places >= 0
    for position, name in enumerate(stretches.columns):
        if name in frame.columns:
            cells[past.places[there], position] = read_numbers(frame[name])[0].to_numpy()[there]
    renewed = Stretches(stretches.columns, cells, stretches.moments, stretches.stretch, stretches.entities)
    return replace_past(frame, PastArray(renewed, past.places, past.before, past.after))


def replace_past(frame: pd.DataFrame, past: PastArray) -> pd.DataFrame:
    """Return the rows with `past` as their past."""
    column = pd.DataFrame({PAST: past}, index=frame.index)
    return pd.concat([drop_past(frame), column], axis=1)


def _list_columns(frame: pd.DataFrame, data: Data) -> list[str]:
    """Return the numeric columns of the table; not those that are computed from their past."""
    others = {data.time, data.id, data.label, *data.ignore, *data.categorical, *data.past_names}
    others |= set(data.graph.ends if data.graph else ())
    names = [str(name) for name in frame.columns if name not in others]
    return [name for name in names if not data.columns or name in data.columns if _has_numbers(frame[name])]


def _has_numbers(column: pd.Series[Any]) -> bool:
    if pd.api.types.is_bool_dtype(column.dtype) or isinstance(column.dtype, pd.CategoricalDtype):
        return False
    return column.dtype.kind in "iuf" or (column.dtype.kind not in "mMc" and _reads_as_number(column))


def _reads_as_number(column: pd.Series[Any]) -> bool:
    values, bad = read_numbers(column)
    return int(values.notna().sum()) > int(bad.sum())


@dataclass(frozen=True, eq=False)
class _Grid:
    """Rows on a common step: the place of each row; of each place its stretch and the rows around it."""

    places: Ints
    stretch: Ints
    left: Ints
    right: Ints
    fraction: Floats

    def fill(self, cells: Floats) -> Floats:
        """Return `cells`, shape (n, k), with straight lines at the places between rows; shape (m, k)."""
        filled = cells[self.left]
        between = self.fraction > 0
        rise = cells[self.right[between]] - filled[between]
        filled[between] += rise * self.fraction[between, None]
        return filled


def _lay_grid(codes: npt.NDArray[Any], at: Ints, settings: Series) -> _Grid:
    """Place rows that are sorted by entity and time on the step of the series."""
    nothing = np.empty(0, dtype=np.int64)
    rows = len(at)
    if not rows:
        return _Grid(nothing, nothing, nothing, nothing, np.empty(0))
    new_entity = np.append(True, codes[1:] != codes[:-1])
    is_again = ~new_entity & np.append(False, at[1:] == at[:-1])
    kept = np.flatnonzero(~is_again)
    steps, starts = np.ones(len(kept), dtype=np.int64), new_entity[kept]
    if settings.step is not None:
        distance = np.append(0, np.diff(at[kept]))
        steps = np.maximum(1, np.rint(distance / _count_microseconds(settings.step)).astype(np.int64))
        starts = starts | (steps > settings.gap + 1)
    steps[starts] = 1
    ends = np.cumsum(steps) - 1  # the place of each kept row
    position = np.repeat(np.arange(len(kept)), steps)  # of each place: the kept row at it or after it
    back = ends[position] - np.arange(len(position))
    left = np.where(back > 0, position - 1, position)
    fraction = np.where(back > 0, 1.0 - back / steps[position], 0.0)
    places = np.repeat(
        ends, np.diff(np.append(kept, rows))
    )  # a row of the same time stands where the first does
    return _Grid(places, (np.cumsum(starts) - 1)[position], kept[left], kept[position], fraction)


def _count_microseconds(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def _measure_reach(
    stretches: Stretches, places: Ints, is_line: npt.NDArray[np.bool_], settings: Series
) -> tuple[Ints, Ints]:
    """Return how many places before and after its own each row may read.

    What it reads ends with a row: a line (`is_line`) after the last one leads to a row that is too late.
    """
    before, after = np.zeros(len(places), dtype=np.int64), np.zeros(len(places), dtype=np.int64)
    oldest, latest = _count_microseconds(settings.oldest), _count_microseconds(settings.delay)
    total = len(stretches.moments)
    edges = np.flatnonzero(np.diff(stretches.stretch, prepend=-1, append=-1)) if total else np.zeros(1, int)
    reach_back, reach_on = np.zeros(total, dtype=np.int64), np.zeros(total, dtype=np.int64)
    for first, end in pairwise(edges):
        moments, own = stretches.moments[first:end], np.arange(end - first)
        back = own - np.searchsorted(moments, moments - oldest, side="left")
        reach_back[first:end] = np.minimum(back, settings.past)
        if latest:
            last = np.searchsorted(moments, moments + latest, side="right") - 1
            last_row = np.maximum.accumulate(np.where(is_line[first:end], 0, own))
            reach_on[first:end] = np.maximum(last_row[last] - own, 0)
    there = places >= 0
    before[there], after[there] = reach_back[places[there]], reach_on[places[there]]
    return before, after
