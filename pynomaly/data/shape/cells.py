"""Read cells that are not yet numbers or missing: marks for missing, numbers with units, large numbers.

A reader has turned columns of plain numbers into numbers. Here the declared marks become missing in columns
of every type, and the columns that a reader leaves as text are read: ``data.numbers``, ``data.magnitudes``
and those in ``data.missing_in``. A cell that cannot be read stays as it is written, so that quarantine names
it. Called by ``sources`` for each frame that is read, and by ``serving``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from pynomaly.config import Data

__all__ = ["blank_marks", "list_marks", "read_cells"]

_MINUS = "\u2212"
_CURRENCY = "$€£¥₹₽₩₺₫₴₪฿¢"
_PREFIX = rf"(?:(?:[^\W\d_]{{1,3}}\.?)?[{_CURRENCY}]|[^\W\d_]{{1,3}}\.?\s?)?\s*"
_UNIT = rf"\s*(?:[^\W\d_]|[%‰°′″'\"ºª²³·*/^. {_CURRENCY}]|(?<=[^\W\d_])[23](?!\d)|(?<=\^)-?\d(?!\d))*"
_MONEY = rf"\s*[{_CURRENCY}]?"
_POWERS = {"": 0, "k": 3, "m": 6, "mn": 6, "b": 9, "bn": 9, "t": 12}
_BLANKS = r"[ \u00a0\u202f\u2009]"
_APOSTROPHES = "['\u2019]"


def read_cells(frame: pd.DataFrame, data: Data, *, has_raw_text: bool = False) -> pd.DataFrame:
    """Return the rows with their cells read; the frame itself if no setting asks for anything.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Not changed. Its time and label are read already; they, and the id, are left alone.
    data : Data
    has_raw_text : bool
        Whether text columns still have the marks of ``data.decimal`` and ``data.thousands``, as those of a
        table with types of its own do; a reader of text has replaced them.
    """
    has_marks = data.decimal != "." or data.thousands is not None
    if not (data.missing_values or data.missing_in or data.numbers or data.magnitudes or has_marks):
        return frame
    is_raw = has_raw_text and has_marks
    untouched = {name for name in (data.time, data.id, data.label) if name} - set(data.missing_in)
    columns: dict[str, pd.Series[Any]] = {}
    for name in map(str, frame.columns):
        if name in untouched:
            continue
        column = blank_marks(frame[name], list_marks(data, name), data)
        if name in data.magnitudes:
            column = _convert_cells(column, lambda text: _spell_magnitude(text, data))
        elif name in data.numbers:
            column = _convert_cells(column, lambda text: _spell_with_unit(text, data))
        elif (is_raw or name in data.missing_in) and name not in data.categorical:
            column = _convert_cells(column, lambda text: _spell_plain(text, data.decimal, data.thousands))
        if column is not frame[name]:
            columns[name] = blank_marks(column, list_marks(data, name), data)
    return frame.assign(**columns)


def list_marks(data: Data, name: str) -> tuple[str, ...]:
    """Return what means missing in a column."""
    return (*data.missing_values, *data.missing_in.get(name, ()))


def blank_marks(column: pd.Series[Any], marks: Collection[str], data: Data) -> pd.Series[Any]:
    """Return the column with each cell that is one of `marks` missing; the column itself if there is none.

    Text is compared without the blanks around it, numbers as numbers: ``-9999`` is ``-9999.0``, too.
    """
    if not marks or types.is_bool_dtype(column.dtype) or column.dtype.kind in "mM":
        return column
    texts = {mark.strip() for mark in marks}
    numbers = {
        float(number) for mark in texts for number in (_spell_number(mark, data),) if number is not None
    }
    if types.is_numeric_dtype(column.dtype):
        is_mark = column.isin(numbers) if numbers else pd.Series(False, index=column.index)
        return column.astype("float64").where(~is_mark) if is_mark.any() else column
    codes, cells = pd.factorize(column.astype(object).to_numpy(dtype=object))

    def is_mark_cell(cell: Any) -> bool:
        if isinstance(cell, str):
            text = cell.strip()
            number = _spell_number(text, data) if numbers else None
            return text in texts or (number is not None and float(number) in numbers)
        return isinstance(cell, int | float | np.number) and not isinstance(cell, bool) and cell in numbers

    marked = np.array([*map(is_mark_cell, cells), False], dtype=bool)[codes]
    return column.where(~marked) if marked.any() else column


def _convert_cells(column: pd.Series[Any], spell: Callable[[str], str | None]) -> pd.Series[Any]:
    """Return text as numbers where every cell reads as one; else with the readable cells spelled plainly."""
    if not (types.is_string_dtype(column.dtype) or types.is_object_dtype(column.dtype)):
        return column
    codes, cells = pd.factorize(column.astype(object).to_numpy(dtype=object))
    spelled: list[Any] = []
    is_read = True
    for cell in cells:
        number = spell(cell.strip()) if isinstance(cell, str) else cell
        blank = isinstance(cell, str) and not cell.strip()
        is_number = number is not None and not isinstance(number, bool)
        is_read &= blank or (is_number and isinstance(number, str | int | float | np.number))
        spelled.append(np.nan if blank else cell if number is None else number)
    if not len(cells):
        return column
    if is_read:
        numbers = np.array([*(float(number) for number in spelled), np.nan], dtype=np.float64)
        return pd.Series(numbers[codes], index=column.index, name=column.name)
    dtype = column.dtype if isinstance(column.dtype, pd.StringDtype) else object
    texts = np.array([*spelled, None], dtype=object)[codes]
    return pd.Series(texts, index=column.index, name=column.name, dtype=dtype)


def _compile_body(decimal: str, thousands: str | None) -> str:
    """Return the pattern of an unsigned number with its marks."""
    mark = {None: None, " ": _BLANKS, "'": _APOSTROPHES}.get(thousands, re.escape(str(thousands)))
    whole = r"\d+" if mark is None else rf"(?:\d{{1,3}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}|\d+)"
    point = re.escape(decimal)
    return rf"(?:{whole}(?:{point}\d*)?|{point}\d+)"


def _spell_body(body: str, decimal: str) -> str:
    """Return a number without marks and with a decimal point."""
    whole, _, fraction = body.partition(decimal)
    return re.sub(r"\D", "", whole) + (f".{fraction}" if fraction else "") or "0"


def _spell_plain(text: str, decimal: str, thousands: str | None) -> str | None:
    """Return a number with its marks as Python writes it, None for other text."""
    body = _compile_body(decimal, thousands)
    match = re.fullmatch(rf"([+\-{_MINUS}]?)({body})((?:[eE][+-]?\d+)?)", text)
    if match is None:
        return None
    sign, number, power = match.groups()
    return ("-" if sign in ("-", _MINUS) else "") + _spell_body(number, decimal) + power


def _spell_number(text: str, data: Data) -> str | None:
    """Return a number written with the marks of the settings, or plainly."""
    plain = _spell_plain(text, ".", None)
    if plain is None and (data.decimal != "." or data.thousands is not None):
        plain = _spell_plain(text, data.decimal, data.thousands)
    return plain


def _spell_with_unit(text: str, data: Data) -> str | None:
    """Return a number without its currency, percent sign or unit; None for other text.

    A comma between groups of three is a thousands mark where the decimal mark is a point and nothing else is
    declared, and a point is where it is a comma.
    """
    thousands = data.thousands or ("," if data.decimal == "." else ".")
    return _spell_signed(text, _compile_body(data.decimal, thousands), rf"((?:[eE][+-]?\d+)?){_UNIT}", data)


def _spell_magnitude(text: str, data: Data) -> str | None:
    """Return a number that may end in K, M, B or T; None for other text."""
    thousands = data.thousands or ("," if data.decimal == "." else ".")
    rest = rf"\s*([kKmMbBtT]|[mMbB][nN]|){_MONEY}"
    number = _spell_signed(text, _compile_body(data.decimal, thousands), rest, data)
    if number is None:
        return None
    digits = re.match(r"[-\d.]+", number)
    assert digits is not None, "a spelled number begins with digits"
    return f"{digits[0]}e{_POWERS[number[digits.end() :].lower()]}"


def _spell_signed(text: str, body: str, rest: str, data: Data) -> str | None:
    """Return sign, number and the one group of `rest`; parentheses are a minus, too."""
    sign = rf"[+\-{_MINUS}]?\s*"
    inner = rf"({sign}){_PREFIX}({sign})({body}){rest}\s*([\-{_MINUS}]?)"
    match = re.fullmatch(rf"(?:\(\s*{inner}\s*\)|{inner})", text)
    if match is None:
        return None
    half = 5
    in_parentheses = match.group(3) is not None
    groups = match.groups()[:half] if in_parentheses else match.groups()[half:]
    before, between, number, power, behind = groups
    signs = [mark.strip() for mark in (before, between, behind) if mark.strip()]
    if len(signs) + in_parentheses > 1:
        return None
    is_negative = in_parentheses or (bool(signs) and signs[0] != "+")
    return ("-" if is_negative else "") + _spell_body(number, data.decimal) + power
