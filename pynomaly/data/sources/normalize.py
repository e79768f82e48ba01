"""Normalise rows from every source: times in UTC, labels in {0, 1, NaN}, a fixed order.

Called by ``sources.read``, the readers in parts, and ``serving``. Nothing is guessed: a naive time needs a
declared zone, and a label that is neither 0 nor 1, nor a declared word, is an error.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data
from pynomaly.data.shape.cells import read_cells
from pynomaly.data.shape.labels import parse_labels
from pynomaly.data.shape.long import spread_settings, widen_rows
from pynomaly.data.shape.moments import parse_moments, place_moments
from pynomaly.data.window import Window
from pynomaly.errors import WindowError

__all__ = ["order_rows", "parse_labels", "parse_moments", "select_window", "shape_rows", "sort_rows"]


def shape_rows(raw: pd.DataFrame, data: Data, *, has_raw_text: bool = False) -> pd.DataFrame:
    """Return rows as they were read in the shape that everything else expects, in the same order.

    A long table becomes wide; its rows come in the order of their first, and have the index of that row.

    Parameters
    ----------
    raw : DataFrame of shape (n, d)
        Not changed. It may lack the label.
    data : Data
    has_raw_text : bool
        As in :class:`pynomaly.data.sources.kind.SourceKind`.

    Returns
    -------
    DataFrame of shape (n, d); of a long table (m, k)
        The time ``datetime64[us, UTC]``, NaT where it cannot be read; the label float64 in {0, 1, NaN}.

    Raises
    ------
    ColumnError
        If the time or the id column does not exist.
    WindowError, DataError
        As :func:`parse_moments` and :func:`parse_labels`.
    """
    frame = raw.copy(deep=False)
    if data.label and data.label in frame:
        frame[data.label] = parse_labels(frame[data.label], data)
    frame = widen_rows(place_moments(frame, data), data)
    return read_cells(frame, spread_settings(data, list(frame.columns)), has_raw_text=has_raw_text)


def select_window(frame: pd.DataFrame, time: str, window: Window) -> pd.DataFrame:
    """Return the rows of `window`; a row without a readable time gets the time of the row before it.

    Raises
    ------
    WindowError
        If no row lies in the window; the message names the time range of the source.
    """
    times = frame[time]
    start, end = pd.Timestamp(window.start), pd.Timestamp(window.end)
    if not ((times >= start) & (times < end)).any():
        time_range = (
            f"{times.min().isoformat()} to {times.max().isoformat()}" if times.notna().any() else "no time"
        )
        raise WindowError(f"no row lies in the window {window}; the source holds {time_range}")
    filled_times = times.ffill().bfill()
    return frame[(filled_times >= start) & (filled_times < end)]


def sort_rows(frame: pd.DataFrame, time: str, entity: str | None) -> pd.DataFrame:
    """Return the rows sorted by time, then entity, then position in the source; unreadable times last."""
    return frame.iloc[order_rows(frame, time, entity)].reset_index(drop=True)


def order_rows(frame: pd.DataFrame, time: str, entity: str | None) -> NDArray[np.intp]:
    """Return the positions of the rows in the order of :func:`sort_rows`, shape (n,)."""
    keys = [frame[time].fillna(pd.Timestamp.max.tz_localize("UTC")).astype("int64").to_numpy()]
    if entity is not None:
        # As text, an entity column of mixed types has the same order in every process.
        keys.insert(0, pd.factorize(frame[entity].astype(str).to_numpy(dtype=object), sort=True)[0])
    return np.lexsort(keys)
