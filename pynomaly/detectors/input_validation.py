"""Validates input tables: finite numbers within bounds, columns by name; errors name the bad cell.

Checks work on any part of a table, so that the caller can keep a block in cache, and copy only where
necessary. Called by `base` for every fit and score, and by `deadline`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.detectors.numerics.exact import Array
from pynomaly.errors import ColumnError, DetectorError, list_allowed

__all__ = [
    "LIMIT",
    "Table",
    "column_names",
    "require_finite",
    "require_same_columns",
    "to_finite_array",
    "to_float_array",
]

Table: TypeAlias = "pd.DataFrame | npt.NDArray[Any]"

# Larger magnitudes are clipped to this, so that squares and their sums stay finite.
LIMIT = 1e100


def column_names(frame: pd.DataFrame, owner: str) -> tuple[str, ...]:
    """Return the names of a frame's columns as text.

    Raises
    ------
    ColumnError
        A name occurs more than once.
    """
    names = tuple(str(column) for column in frame.columns)
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        count = names.count(duplicates[0])
        raise ColumnError(f"{owner}: column {duplicates[0]!r} is there {count} times; once is allowed")
    return names


def require_same_columns(columns: tuple[str, ...], wanted: tuple[str, ...], owner: str) -> None:
    """Raise unless both tuples hold the same names, in any order.

    Raises
    ------
    ColumnError
        A name is missing, or was not there at the fit.
    """
    for missing in wanted:
        if missing not in columns:
            raise ColumnError(f"{owner}: column {missing!r} is missing; {list_allowed(missing, columns)}")
    for extra in columns:
        if extra not in wanted:
            raise ColumnError(
                f"{owner}: column {extra!r} was not there at the fit; {list_allowed(extra, wanted)}"
            )


def to_finite_array(X: Table, columns: tuple[str, ...] | None, owner: str) -> Array:
    """Return X as a new C-ordered float64 array (n, d) of finite numbers within `LIMIT`, n and d at least 1.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n, d)
    columns : tuple of str or None
        Order into which a frame's columns are put; None keeps their order.
    owner : str
        Name of the caller, for error messages.

    Raises
    ------
    ColumnError
        No columns, a column that is not numeric, or an array that is not two-dimensional.
    DetectorError
        No rows, or a cell that is missing, infinite or not a number.
    """
    values, names = to_float_array(X, columns, owner)
    return np.array(require_finite(values, names, owner))


def to_float_array(X: Table, columns: tuple[str, ...] | None, owner: str) -> tuple[Array, list[str]]:
    """Return X as float64 (n, d), n and d at least 1, not copied where possible, and the column names."""
    if isinstance(X, pd.DataFrame):
        values = _convert_frame(X, columns, owner)
        names = list(columns or (str(column) for column in X.columns))
    else:
        values = _convert_array(X, owner)
        names = list(columns) if columns and len(columns) == values.shape[1] else []
    if values.shape[1] == 0:
        raise ColumnError(f"{owner}: no columns; at least one is needed")
    if values.shape[0] == 0:
        raise DetectorError(f"{owner}: no rows; at least one is needed")
    return values, names


def require_finite(values: Array, names: list[str], owner: str, first: int = 0) -> Array:
    """Return the numbers in C order, clipped to `LIMIT`; `first` is the row of the table they begin at.

    Raises
    ------
    DetectorError
        A cell is missing or infinite; the message names its column and row.
    """
    # If any cell is NaN, minimum and maximum are NaN, and both comparisons are false.
    if values.min() >= -LIMIT and values.max() <= LIMIT:
        return np.ascontiguousarray(values)
    bad = ~np.isfinite(values)
    if bad.any():
        row, place = (int(index) for index in np.argwhere(bad)[0])
        column = repr(names[place]) if names else place
        raise DetectorError(
            f"{owner}: column {column}, row {first + row} is {values[row, place]}; "
            "only finite numbers are allowed"
        )
    return np.ascontiguousarray(np.clip(values, -LIMIT, LIMIT))


def _convert_frame(frame: pd.DataFrame, columns: tuple[str, ...] | None, owner: str) -> Array:
    for column, dtype in zip(frame.columns, frame.dtypes, strict=True):
        is_real = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)
        if not is_real:
            raise ColumnError(f"{owner}: column {str(column)!r} is {dtype}; only numeric columns are allowed")
    values: Array = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    if columns is None:
        return values
    place_of = {str(column): place for place, column in enumerate(frame.columns)}
    return values[:, [place_of[column] for column in columns]]


def _convert_array(X: Any, owner: str) -> Array:
    try:
        values = np.asarray(X)
        if values.dtype.kind not in "fiubO":
            raise TypeError(f"dtype {values.dtype} is not numeric")
        numbers: Array = values.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise DetectorError(f"{owner}: the rows are not numbers: {error}") from error
    if numbers.ndim != 2:
        raise ColumnError(f"{owner}: shape {numbers.shape}; allowed: (rows, columns)")
    return numbers
