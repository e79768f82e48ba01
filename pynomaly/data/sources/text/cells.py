"""Cells of text that are numbers: which columns are read as numbers, and how a number may be written.

Called by the readers of files whose cells are text or of any type.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from pynomaly.config import Data

__all__ = ["list_text_columns", "read_numbers"]

_WHOLE = r"\s*[+-]?\d{1,18}\s*"
_DIGITS = {".": r"\d+\.?\d*|\.\d+", ",": r"\d+,?\d*|,\d+"}
_NUMBERS = {
    mark: rf"(?i)\s*[+-]?(?:(?:{digits})(?:e[+-]?\d+)?|inf|infinity|nan)\s*"
    for mark, digits in _DIGITS.items()
}
_COMMA_NUMBER = r"^\s*([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)\s*$"
_BLANKS = "\u00a0\u202f\u2009"  # blanks that stand between thousands, too


def list_text_columns(data: Data) -> tuple[str, ...]:
    """Return the columns that stay text as written, because a later step reads or compares their cells."""
    long = [data.long.name] if data.long else []
    label = [data.label] if data.label_values else []
    named = (data.time, *data.time_columns, data.id, *label, *long, *data.missing_in)
    return tuple(filter(None, (*named, *data.categorical, *data.numbers, *data.magnitudes)))


def read_numbers(frame: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Read columns of text as numbers where every cell that is present is one.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Changed in place.
    data : Data
        ``decimal``, ``thousands``, ``missing_values``; with ``strip_names``, blanks around cells are left
        out, and a cell of blanks is missing. Columns that stay text are only stripped.

    Returns
    -------
    DataFrame of shape (n, d)
        A column with another cell stays text; numbers in it have a decimal point and no thousands marks.
    """
    kept = list_text_columns(data)
    for name in frame.columns:
        cells = frame[name]
        if not (types.is_string_dtype(cells.dtype) and not isinstance(cells.dtype, pd.CategoricalDtype)):
            continue
        if data.strip_names:
            cells = cells.str.strip()
            cells = cells.mask(cells == "")
        if name not in kept:
            cells = _convert_column(cells, data)
        if cells is not frame[name]:
            frame[name] = cells
    return frame


def _convert_column(cells: pd.Series[Any], data: Data) -> pd.Series[Any]:
    if data.missing_values:
        cells = cells.mask(cells.str.strip().isin(data.missing_values))
    if data.thousands is not None:
        cells = _drop_thousands(cells, data.thousands, data.decimal)
    present = cells[cells.notna()]
    is_numeric = bool(len(present)) and bool(present.str.fullmatch(_NUMBERS[data.decimal]).all())
    if data.decimal == ",":
        cells = cells.str.replace(_COMMA_NUMBER, r"\1.\2", regex=True)
        if data.thousands is None and not data.missing_values and not data.strip_names:
            return cells
    if not is_numeric:
        return cells
    if len(present) == len(cells) and bool(present.str.fullmatch(_WHOLE).all()):
        return pd.Series([int(cell) for cell in cells], index=cells.index, name=cells.name, dtype="int64")
    numbers = np.array([float(cell) if isinstance(cell, str) else np.nan for cell in cells])
    for value in filter(_is_number, data.missing_values):
        numbers[numbers == float(value)] = np.nan
    return pd.Series(numbers, index=cells.index, name=cells.name)


def _drop_thousands(cells: pd.Series[Any], mark: str, decimal: str) -> pd.Series[Any]:
    marks = f"[ {_BLANKS}]" if mark == " " else re.escape(mark)
    number = rf"^\s*[+-]?\d{{1,3}}(?:{marks}\d{{3}})+(?:{re.escape(decimal)}\d*)?(?:[eE][+-]?\d+)?\s*$"
    has_mark = cells.str.contains(number, regex=True, na=False).astype(bool)
    if not has_mark.any():
        return cells
    return cells.where(~has_mark, cells.str.replace(marks, "", regex=True))


def _is_number(text: str) -> bool:
    return re.fullmatch(_NUMBERS["."], text) is not None
