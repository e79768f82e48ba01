"""Read a table of numbers: every cell finite, within bounds, columns by name; or say which is not.

A table is looked at in parts that fit in cache, and copied only where it has to be. Called by `base` for
every fit and score, and by `deadline`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly.detectors.exact import Array
from pynomaly.errors import ColumnError, DetectorError, allowed

__all__ = ["LIMIT", "Table", "as_numbers", "column_names", "numeric", "same_names", "within"]

Table: TypeAlias = "pd.DataFrame | npt.NDArray[Any]"

# Larger magnitudes are read as this, so that squares and their sums stay finite.
LIMIT = 1e100


def column_names(frame: pd.DataFrame, owner: str) -> tuple[str, ...]:
    """Names of a frame's columns as text.

    Raises
    ------
    ColumnError
        One is there twice.
    """
    names = tuple(str(column) for column in frame.columns)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ColumnError(
            f"{owner}: column {twice[0]!r} is there {names.count(twice[0])} times; once is allowed"
        )
    return names


def same_names(given: tuple[str, ...], wanted: tuple[str, ...], owner: str) -> None:
    """Refuse names that are not the wanted ones.

    Raises
    ------
    ColumnError
        One is missing, or was not there at the fit.
    """
    for missing in wanted:
        if missing not in given:
            raise ColumnError(f"{owner}: column {missing!r} is missing; {allowed(missing, given)}")
    for extra in given:
        if extra not in wanted:
            raise ColumnError(f"{owner}: column {extra!r} was not there at the fit; {allowed(extra, wanted)}")


def as_numbers(X: Table, columns: tuple[str, ...] | None, owner: str) -> Array:
    """X as a fresh C-ordered float64 array (n, d) of finite numbers within `LIMIT`, n and d at least 1.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n, d)
    columns : tuple of str or None
        The order a frame's columns are put in; None leaves it.
    owner : str
        Who asks, for the message.

    Raises
    ------
    ColumnError
        No columns, one that is not numeric, or an array that is not two-dimensional.
    DetectorError
        No rows, or a cell that is missing, infinite or no number.
    """
    values, names = numeric(X, columns, owner)
    return np.array(within(values, names, owner))


def numeric(X: Table, columns: tuple[str, ...] | None, owner: str) -> tuple[Array, list[str]]:
    """X as float64 of shape (n, d), n and d at least 1, its own memory where it can be; and the names."""
    if isinstance(X, pd.DataFrame):
        values = _from_frame(X, columns, owner)
        names = list(columns or (str(column) for column in X.columns))
    else:
        values = _from_array(X, owner)
        names = list(columns) if columns and len(columns) == values.shape[1] else []
    if values.shape[1] == 0:
        raise ColumnError(f"{owner}: no columns; at least one is needed")
    if values.shape[0] == 0:
        raise DetectorError(f"{owner}: no rows; at least one is needed")
    return values, names


def within(values: Array, names: list[str], owner: str, first: int = 0) -> Array:
    """The same numbers in C order and within `LIMIT`; `first` is the row of the table they begin at."""
    # The least and the largest are not a number where any cell is not, and then neither test holds.
    if values.min() >= -LIMIT and values.max() <= LIMIT:
        return np.ascontiguousarray(values)
    bad = ~np.isfinite(values)
    if bad.any():
        row, place = (int(where) for where in np.argwhere(bad)[0])
        column = repr(names[place]) if names else place
        raise DetectorError(
            f"{owner}: column {column}, row {first + row} is {values[row, place]}; "
            "only finite numbers are allowed"
        )
    return np.ascontiguousarray(np.clip(values, -LIMIT, LIMIT))


def _from_frame(frame: pd.DataFrame, columns: tuple[str, ...] | None, owner: str) -> Array:
    for column, dtype in zip(frame.columns, frame.dtypes, strict=True):
        numeric = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)
        if not numeric:
            raise ColumnError(f"{owner}: column {str(column)!r} is {dtype}; only numeric columns are allowed")
    values: Array = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    if columns is None:
        return values
    place = {str(column): where for where, column in enumerate(frame.columns)}
    return values[:, [place[column] for column in columns]]


def _from_array(X: Any, owner: str) -> Array:
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
