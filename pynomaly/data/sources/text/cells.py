"""Cells of text that are numbers: which columns are read as numbers, and how a number may be written.

Called by the readers of files whose cells are text or of any type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from pynomaly.config import Data

__all__ = ["build_frame", "list_text_columns", "read_numbers", "spell_cell"]

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
    ends = data.graph.ends if data.graph else ()
    named = (data.time, *data.time_columns, data.id, *ends, *label, *long, *data.missing_in)
    return tuple(filter(None, (*named, *data.categorical, *data.numbers, *data.magnitudes)))


def build_frame(columns: Mapping[str, Sequence[Any]], data: Data) -> pd.DataFrame:
    """Return a table of cells of any type; None and empty text are missing.

    Parameters
    ----------
    columns : dict of name to sequence of shape (n,)
        Cells: text, numbers, booleans, dates, times or spans of time.
    data : Data
        Names the columns that become text, and how numbers in text are written.

    Returns
    -------
    DataFrame of shape (n, d)
        A column of one type keeps it: numbers (spans of time in seconds), booleans, or ``datetime64[us]``;
        one of several types is text.
    """
    kept = set(list_text_columns(data))
    frame = pd.DataFrame({name: _build_column(list(columns[name]), name, data, kept) for name in columns})
    return read_numbers(frame, data)


def _build_column(cells: list[Any], name: str, data: Data, kept: set[str]) -> pd.Series[Any]:
    if set(map(type, cells)) == {str} and "" not in cells:
        return pd.Series(cells, dtype="str")
    cells = [None if cell == "" or (isinstance(cell, float) and cell != cell) else cell for cell in cells]
    kinds = {type(cell) for cell in cells if cell is not None}
    has_all = None not in cells
    if not kinds:
        return pd.Series([np.nan] * len(cells), dtype="float64")
    if kinds <= {date, datetime} and (name not in kept or name == data.time):
        days = [
            cell and (cell if isinstance(cell, datetime) else datetime.combine(cell, time()))
            for cell in cells
        ]
        return pd.Series(days, dtype="datetime64[us]")
    if name not in kept:
        if kinds == {timedelta}:
            cells = [cell and cell.total_seconds() for cell in cells]
        if kinds == {bool}:
            return pd.Series(cells, dtype="bool" if has_all else "object")
        if kinds <= {int, float} or kinds == {timedelta}:
            whole = has_all and kinds == {int} and all(abs(cell) < 1 << 63 for cell in cells)
            return pd.Series(
                [np.nan if cell is None else cell for cell in cells], dtype="int64" if whole else "float64"
            )
    point = (
        data.decimal
        if name not in kept or name in (*data.numbers, *data.magnitudes, *data.missing_in)
        else "."
    )
    return pd.Series([cell if cell is None else spell_cell(cell, point) for cell in cells], dtype="str")


def spell_cell(cell: Any, decimal: str = ".") -> str:
    """Return a cell as text: whole numbers without a point, times in ISO 8601."""
    if isinstance(cell, float):
        text = str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
        return text.replace(".", decimal)
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, timedelta):
        seconds = cell.total_seconds()
        return f"{int(seconds // 3600):02d}:{int(seconds % 3600 // 60):02d}:{seconds % 60:02.0f}"
    return cell.isoformat() if isinstance(cell, date | time) else str(cell)


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
        if not _is_text(cells):
            continue
        if data.strip_names:
            cells = cells.str.strip()
            cells = cells.mask(cells == "")
        if name not in kept:
            cells = _convert_column(cells, data)
        if cells is not frame[name]:
            frame[name] = cells
    return frame


def _is_text(cells: pd.Series[Any]) -> bool:
    if isinstance(cells.dtype, pd.StringDtype):
        return True
    return types.is_object_dtype(cells.dtype) and types.infer_dtype(cells, skipna=True) == "string"


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
    marks = {" ": f"[ {_BLANKS}]", "'": "['\u2019]"}.get(mark, re.escape(mark))
    groups = rf"(?:{marks}\d{{2,3}})*{marks}\d{{3}}"  # of two digits but the last in India
    number = rf"^\s*[+-]?\d{{1,3}}{groups}(?:{re.escape(decimal)}\d*)?(?:[eE][+-]?\d+)?\s*$"
    has_mark = cells.str.contains(number, regex=True, na=False).astype(bool)
    if not has_mark.any():
        return cells
    return cells.where(~has_mark, cells.str.replace(marks, "", regex=True))


def _is_number(text: str) -> bool:
    return re.fullmatch(_NUMBERS["."], text) is not None
