"""Turn a long table, one row for each time, entity and quantity, into one row for each time and entity.

Called by ``sources`` for each frame that is read, when ``data.long`` is set. The rows of one time must be
read together, so a long table is never read in parts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Data
from pynomaly.data.frame import read_categories, read_numbers, require_columns
from pynomaly.errors import ColumnError, DataError, SourceError

__all__ = ["spread_settings", "widen_rows"]


def widen_rows(frame: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Return one row for each time and entity, with a column for each quantity.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Times and labels are read already; the rows are in the order of the source.
    data : Data
        ``long`` names the columns with the quantity's name and its value.

    Returns
    -------
    DataFrame of shape (m, k), m <= n
        Time, id and label as far as they are set, then the quantities by name; other columns are left out. A
        quantity that a time does not have is missing, of one that it has twice the last counts. A quantity
        that the settings name (as a feature, a category, a counter) has a column even without a row. The
        label is 1 if one of the joined rows is an anomaly. A row whose time cannot be read stays alone. The
        index is that of the first row of each. The frame itself if ``data.long`` is not set.

    Raises
    ------
    ColumnError
        If a column does not exist, or a quantity is named like the time, id or label column.
    DataError
        If a row has a value but no quantity.
    SourceError
        If the table would have more columns or cells than ``data.limits`` allow.
    """
    if data.long is None:
        return frame
    assert data.time is not None, "the settings demand a time"
    require_columns(frame, [data.long.name, data.long.value])
    names = read_categories(frame[data.long.name]).map(lambda name: name.strip(), na_action="ignore")
    nameless = names.isna()
    if (lost := nameless & frame[data.long.value].notna()).any():
        row = int(np.flatnonzero(lost)[0])
        raise DataError(
            f"column {data.long.name!r} (data.long.name) is empty in row {row}, whose value is "
            f"{frame[data.long.value].iloc[row]!r}; each row needs the name of its quantity"
        )
    frame, names = frame[~nameless], names[~nameless]
    roles = [name for name in (data.time, data.id, data.label) if name and name in frame.columns]
    columns, quantities = pd.factorize(names.to_numpy(dtype=object), sort=True)
    if clashes := [name for name in quantities if name in roles]:
        raise ColumnError(
            f"a quantity is named {clashes[0]!r}, as a column of data.time, data.id or data.label is"
        )
    rows = _number_rows(frame, data)
    first = np.unique(rows, return_index=True)[1]
    _check_size(len(first), len(quantities), data)
    wide = frame[roles].iloc[first].reset_index(drop=True)
    if data.label in roles:
        wide[data.label] = frame[data.label].groupby(rows).max().reset_index(drop=True)
    places = frame.index[first]
    values = frame[data.long.value].to_numpy()
    order = np.argsort(columns, kind="stable")  # one quantity after the other, each in the source's order
    ends = np.searchsorted(columns[order], np.arange(len(quantities) + 1))
    spread: dict[str, Any] = {}
    for place, name in enumerate(quantities):
        chosen = order[ends[place] : ends[place + 1]]
        spread[str(name)] = _spread_values(values[chosen], rows[chosen], len(first))
    if frame[data.long.value].dtype.kind not in "iufb":
        spread = {name: _read_column(column, name, data) for name, column in spread.items()}
    absent = {name: np.nan for name in _list_declared(data) if name not in spread and name not in roles}
    wide = pd.concat([wide, pd.DataFrame({**spread, **absent}, index=wide.index)], axis=1)
    return wide.set_axis(places, axis=0)


def spread_settings(data: Data, columns: list[str]) -> Data:
    """Return the settings in which what is said of the value column is said of each quantity."""
    if data.long is None:
        return data
    value = data.long.value
    update: dict[str, Any] = {}
    for key in ("numbers", "magnitudes"):
        if value in getattr(data, key):
            update[key] = (*getattr(data, key), *columns)
    if value in data.missing_in:
        update["missing_in"] = {**dict.fromkeys(columns, data.missing_in[value]), **data.missing_in}
    return data.model_copy(update=update) if update else data


def _number_rows(frame: pd.DataFrame, data: Data) -> np.ndarray:
    """Return for each row the number of its wide row, in the order of their first rows."""
    moments = frame[data.time]
    keys = moments.astype("int64").to_numpy().astype(object)
    alone = np.flatnonzero(moments.isna().to_numpy())
    entities = frame[data.id].astype(str).to_numpy(dtype=object) if data.id else np.full(len(frame), "")
    pairs = pd.MultiIndex.from_arrays([keys, entities])
    numbers, _ = pd.factorize(pairs)
    numbers[alone] = numbers.max(initial=-1) + 1 + np.arange(len(alone))
    return pd.factorize(numbers)[0]


def _spread_values(values: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Return the values in their wide rows, shape (count,); the last of a row counts."""
    column = np.full(count, np.nan, dtype=np.float64 if values.dtype.kind in "iuf" else object)
    column[rows] = values  # of a repeated index, numpy keeps the last value
    return column


def _read_column(cells: np.ndarray, name: str, data: Data) -> pd.Series[Any]:
    """Return a quantity of a column of text as numbers, if every cell is one."""
    column = pd.Series(cells, name=name, dtype=object)
    assert data.long is not None, "asked for a long table"
    left = {*data.categorical, *data.numbers, *data.magnitudes, *data.missing_in}
    if name in left or data.long.value in left:
        return column
    numbers, bad = read_numbers(column)
    is_flag = column.map(lambda cell: isinstance(cell, bool)).any()
    return column if bad.any() or is_flag else numbers


def _list_declared(data: Data) -> list[str]:
    """Return the quantities that the settings name."""
    named = (*data.columns, *data.categorical, *data.counters, *data.series.columns)
    return list(dict.fromkeys(named))


def _check_size(rows: int, columns: int, data: Data) -> None:
    if columns > data.limits.columns:
        raise SourceError(
            f"the long table has {columns:,} quantities in {data.long and data.long.name!r}; "
            f"data.limits.columns allows {data.limits.columns:,}"
        )
    if rows * columns > data.limits.cells:
        raise SourceError(
            f"the long table would have {rows:,} rows of {columns:,} quantities; "
            f"data.limits.cells allows {data.limits.cells:,} cells"
        )
