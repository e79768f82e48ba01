"""Turn counters, which only rise, into their increases (``data.counters``).

A meter's reading says nothing of a row alone, and later readings lie beyond all that a model has seen. A
row's increase is the difference to the row before of the same entity. A fall is a reset: the counter began
again at zero, so the increase is the new reading, as in Prometheus. Missing are the first row of an entity, a
row after a missing reading, and one more than ``data.series.history`` after the row before. The increase
depends on these two rows alone, so it has the same bits in each window that is read with that history before
it. Called by ``sources`` and by ``serving``.

References
----------
Prometheus, query functions: ``increase`` and counter resets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pynomaly.config import Data
from pynomaly.data.frame import read_numbers, require_columns

__all__ = ["difference_counters"]


def difference_counters(
    frame: pd.DataFrame, data: Data, counters: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the rows with each counter's increase in its place.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Sorted by time; NaT where a time cannot be read. Such a row has no increase and is before no other.
    data : Data
    counters : sequence of str, optional
        Columns to difference; those of `data` if not given.

    Returns
    -------
    DataFrame of shape (n, d)
        Same rows and index; counters are float64. A cell that is no number stays as it is written, so that
        validation names it.

    Raises
    ------
    ColumnError
        If a counter does not exist.
    """
    names = data.counters if counters is None else counters
    if not names:
        return frame
    require_columns(frame, names)
    moments = frame[data.time]
    entities = pd.factorize(frame[data.id].astype(str))[0] if data.id else np.zeros(len(frame), dtype=np.intp)
    order = np.flatnonzero(moments.notna().to_numpy())
    order = order[np.argsort(entities[order], kind="stable")]  # one entity after the other, sorted by time
    at, codes = moments.astype("int64").to_numpy()[order], entities[order]
    history = int(data.series.history.total_seconds() * 1e6)
    follows = (codes[1:] == codes[:-1]) & (at[1:] - at[:-1] <= history)
    columns = {}
    for name in names:
        numbers, bad = read_numbers(frame[name])
        readings = numbers.to_numpy(dtype=np.float64)[order]
        readings = np.where(np.isfinite(readings), readings, np.nan)
        rise = readings[1:] - readings[:-1]
        increases = np.full(len(frame), np.nan)
        increases[order[1:]] = np.where(follows, np.where(rise < 0, readings[1:], rise), np.nan)
        column = pd.Series(increases, index=frame.index, name=name)
        columns[name] = column.astype(object).where(~bad, frame[name]) if bad.any() else column
    return frame.assign(**columns)
