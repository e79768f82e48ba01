"""Read times that are numbers (``data.epoch``): a count since 1970, or the serial day of a spreadsheet.

Called by ``moments``.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

__all__ = ["read_epoch", "spell_epoch"]

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_NUMBER = re.compile(r"([+-]?)([0-9]{1,25})(?:\.([0-9]*))?")
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 and 9999 in microseconds since 1970."""

_DAY_MS = 86_400_000
_DAYS_TO_1970 = 25_569

_MISSING = np.iinfo(np.int64).min


def read_epoch(column: pd.Series[Any], unit: str) -> pd.Series[Any]:
    """Read numbers, or text of numbers, as times.

    Parameters
    ----------
    column : Series of shape (n,)
    unit : {"s", "ms", "us", "ns", "excel"}
        ``excel`` counts days since 1899-12-30, as spreadsheets show them, and is rounded to milliseconds.

    Returns
    -------
    Series of shape (n,), datetime64[us]
        In UTC; of ``excel`` in local time. Exact to the microsecond, nanoseconds are cut; NaT where a cell is
        no number, or its year does not lie from 1 to 9999.
    """
    if not types.is_numeric_dtype(column.dtype):
        whole = pd.to_numeric(column, errors="coerce")  # quick, and exact where every cell is a whole number
        column = whole if whole.dtype == np.int64 else column
    if types.is_integer_dtype(column.dtype) and not column.isna().any():
        counts = column.to_numpy(dtype=np.int64)
        micros = _round_floats(counts.astype(np.float64), unit) if unit == "excel" else _scale(counts, unit)
    elif types.is_numeric_dtype(column.dtype) and not column.isna().all():
        micros = _round_floats(column.to_numpy(dtype=np.float64, na_value=np.nan), unit)
    else:
        codes, cells = pd.factorize(column.to_numpy(dtype=object))
        micros = np.array([*(_read_cell(cell, unit) for cell in cells), _MISSING], dtype=np.int64)[codes]
    outside = (micros < _FIRST) | (micros > _LAST)
    times = np.where(outside, _MISSING, micros).astype("datetime64[us]")
    return pd.Series(times, index=column.index, name=column.name)


def spell_epoch(moment: pd.Timestamp, unit: str) -> int | float:
    """Return the number that stands for an aware time, whole where it can be."""
    micros = int(moment.as_unit("us").asm8.astype(np.int64))
    if unit == "ns":
        return micros * 1000
    size = 1_000_000 // _PER_SECOND[unit]
    return micros // size if micros % size == 0 else micros / size


def _scale(counts: NDArray[np.int64], unit: str) -> NDArray[np.int64]:
    if unit == "ns":
        return counts // 1000
    size = 1_000_000 // _PER_SECOND[unit]
    fits = (counts >= _FIRST // size) & (counts <= _LAST // size)
    return np.where(fits, np.where(fits, counts, 0) * size, _MISSING)


def _round_floats(counts: NDArray[np.float64], unit: str) -> NDArray[np.int64]:
    """Return microseconds since 1970; the whole part of a count is scaled alone, so nothing is lost."""
    usable = np.isfinite(counts) & (np.abs(counts) < 2.0**62)
    counts = np.where(usable, counts, 0.0)
    if unit == "excel":
        usable &= np.abs(counts) < 4_000_000
        counts = np.where(usable, counts, 0.0)
        days = np.floor(counts)
        millis = np.rint((counts - days) * _DAY_MS).astype(np.int64)
        micros = ((days.astype(np.int64) - _DAYS_TO_1970) * _DAY_MS + millis) * 1000
    else:
        whole = np.floor(counts)
        micros = _scale(whole.astype(np.int64), unit)
        part = 0.0 if unit == "ns" else (counts - whole) * (1_000_000 // _PER_SECOND[unit])
        micros = np.where(micros == _MISSING, _MISSING, micros + np.rint(part).astype(np.int64))
    return np.where(usable, micros, _MISSING)


def _read_cell(cell: Any, unit: str) -> int:
    """Return the microseconds of one cell, the smallest int64 if it is no number."""
    text = str(cell).strip()
    match = _NUMBER.fullmatch(text)
    if match is None or unit == "excel" or isinstance(cell, float):
        try:
            number = float(text)
        except ValueError:
            return _MISSING
        return int(_round_floats(np.array([number]), unit)[0])
    sign, whole, fraction = match.groups()
    count = int(whole + (fraction or "").ljust(25, "0")[:25])  # in units of 1e-25
    denominator = _PER_SECOND[unit] * 10**25
    half = 0 if unit == "ns" else denominator // 2
    micros = (count * (-1_000_000 if sign == "-" else 1_000_000) + half) // denominator
    return micros if _FIRST <= micros <= _LAST else _MISSING
