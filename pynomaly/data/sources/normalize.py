"""Normalise rows from every source: times in UTC, labels in {0, 1, NaN}, a fixed order.

Called by ``sources.read``, the readers in parts, ``inspect`` and ``migration``. Nothing is guessed: a naive
time needs a declared zone, and a label that is neither 0 nor 1 is an error.
"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from pandas.api import types

from pynomaly.data.window import Window
from pynomaly.errors import DataError, WindowError

__all__ = ["parse_labels", "parse_moments", "select_window", "sort_rows"]

_OFFSET = r"[Tt ]\d{2}.*(?:[Zz]|[+-]\d{2}(?::?\d{2})?)$"
"""Matches ISO 8601 text with an offset."""

_LABELS = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0, "": np.nan, "nan": np.nan}


def parse_moments(column: pd.Series[Any], zone: ZoneInfo | None) -> pd.Series[Any]:
    """Read a time column as ``datetime64[us, UTC]``.

    Parameters
    ----------
    column : Series of shape (n,)
        Times, or ISO 8601 text with or without an offset.
    zone : ZoneInfo or None
        Zone of times without an offset. A time that a clock change repeats or skips is unreadable.

    Returns
    -------
    Series of shape (n,)
        NaT where a cell is missing or cannot be read.

    Raises
    ------
    WindowError
        If a time is naive and `zone` is None, the column holds numbers, or no cell can be read.
    """
    if types.is_numeric_dtype(column.dtype):
        raise WindowError(
            f"time column {column.name!r} holds {column.dtype} ({column.iloc[0]!r}); write times in ISO 8601"
        )
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return _to_microseconds(column.dt.tz_convert("UTC"))
    if types.is_datetime64_dtype(column.dtype):
        return _localize_times(column, column.notna(), zone)
    text = column.astype(object).where(column.notna(), "").map(lambda cell: str(cell).strip()).astype(object)
    has_offset = text.str.contains(_OFFSET, regex=True).astype(bool)
    times = pd.to_datetime(text.where(has_offset), format="ISO8601", utc=True, errors="coerce").dt.as_unit(
        "us"
    )
    naive_times = pd.to_datetime(text.where(~has_offset), format="ISO8601", errors="coerce")
    if naive_times.notna().any():
        times = times.fillna(_localize_times(naive_times, naive_times.notna(), zone))
    if times.isna().all():
        raise WindowError(
            f"no cell of time column {column.name!r} can be read (first: {column.iloc[0]!r}); "
            "write times in ISO 8601, e.g. 2026-01-05T00:00:00+00:00"
        )
    return _copy_name(times, column)


def parse_labels(column: pd.Series[Any]) -> pd.Series[Any]:
    """Read a label column as float64 in {0, 1, NaN}.

    Raises
    ------
    DataError
        If a cell is neither 0, 1, true, false nor missing.
    """
    cells = column.astype(object)
    texts = cells.where(cells.notna(), "").map(lambda cell: str(cell).strip().lower())
    wrong = ~texts.isin(_LABELS).to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"label column {column.name!r} holds {column.iloc[row]!r} in row {row}; "
            "allowed: 1 (anomaly), 0 (normal), true, false, or empty for not known"
        )
    return _copy_name(texts.map(_LABELS).astype("float64"), column)


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
    keys = [frame[time].fillna(pd.Timestamp.max.tz_localize("UTC")).astype("int64").to_numpy()]
    if entity is not None:
        # As text, an entity column of mixed types has the same order in every process.
        keys.insert(0, pd.factorize(frame[entity].astype(str).to_numpy(dtype=object), sort=True)[0])
    return frame.iloc[np.lexsort(keys)].reset_index(drop=True)


def _localize_times(naive: pd.Series[Any], present: pd.Series[Any], zone: ZoneInfo | None) -> pd.Series[Any]:
    if zone is None:
        first = naive[present].iloc[0] if present.any() else "no value"
        raise WindowError(
            f"time column {naive.name!r} has moments without an offset (first: {first}); "
            "set data.timezone, e.g. UTC, or write offsets"
        )
    local = naive.dt.as_unit("us").dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    return _to_microseconds(local.dt.tz_convert("UTC"))


def _to_microseconds(column: pd.Series[Any]) -> pd.Series[Any]:
    whole: pd.Series[Any] = column.dt.as_unit("us")
    return whole


def _copy_name(column: pd.Series[Any], like: pd.Series[Any]) -> pd.Series[Any]:
    column.name = like.name
    return column
