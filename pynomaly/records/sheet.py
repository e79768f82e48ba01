"""Tables as files: CSV, workbooks, Parquet and lines of JSON, in which a spreadsheet runs no formula.

A text cell or a column name of CSV or of a workbook that begins like a formula gets an apostrophe in front
(OWASP, "CSV Injection"): names and categories come from outside, and other people open the file. Numbers,
also those written as text, do not change; a line break is always written the same way. Parquet and JSON keep
every cell exactly. Times of a workbook are text in ISO 8601, because its cells know no offset.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from pynomaly.errors import ConfigError, list_allowed

__all__ = [
    "TABLE_ENDINGS",
    "check_sheet_rows",
    "escape_cell",
    "read_workbook",
    "render_csv",
    "render_lines",
    "render_table",
    "render_workbook",
    "require_ending",
]

TABLE_ENDINGS = (".csv", ".parquet", ".xlsx", ".jsonl")
"""Endings of the names of table files."""

_SHEET_ROWS = 1_048_575

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def render_csv(frame: pd.DataFrame, *, header: bool = True) -> str:
    """Return `frame`, of shape (n, d), as CSV without its index."""
    columns = {}
    for position in range(frame.shape[1]):
        cells: pd.Series[Any] = frame.iloc[:, position]
        numbers = pd.api.types.is_numeric_dtype(cells.dtype) or cells.dtype.kind in "mM"
        columns[position] = cells if numbers else cells.astype(object).map(escape_cell, na_action="ignore")
    safe_frame = pd.DataFrame(columns, index=frame.index)
    return str(
        safe_frame.to_csv(
            index=False, header=[escape_cell(str(n)) for n in frame.columns] if header else False
        )
    )


def escape_cell(cell: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: such text gets an apostrophe in front.

    References
    ----------
    OWASP, CSV Injection.
    """
    if not isinstance(cell, str):
        return cell
    cell = cell.replace("\r\n", "\n").replace(
        "\r", "\n"
    )  # pandas does not quote a lone \r, which starts a new row
    if not cell.lstrip(" \x00").startswith(_FORMULA_STARTS) or _is_number(cell):
        return cell
    return f"'{cell}"


def render_workbook(table: pd.DataFrame, title: str) -> bytes:
    """Return a workbook of one sheet; text is written as it is, so it must be safe already."""
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"

    def clean_cell(value: Any) -> Any:
        if isinstance(value, str):
            return ILLEGAL_CHARACTERS_RE.sub("", value)
        return None if value is None or value != value else value

    sheet.append([clean_cell(name) for name in table.columns])
    for row in table.astype(object).itertuples(index=False):
        sheet.append([clean_cell(value) for value in row])
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def read_workbook(content: bytes) -> pd.DataFrame:
    """Return the first sheet of a workbook that :func:`render_table` wrote, cells as written."""
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(content), read_only=True)
    rows = book.worksheets[0].iter_rows(values_only=True)
    names = [str(name) for name in next(rows, ())]
    return pd.DataFrame(list(rows), columns=names, dtype=object)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii()


def require_ending(path: Path, option: str) -> str:
    """Return the ending of a table file's name.

    Raises
    ------
    ConfigError
        If it is none of :data:`TABLE_ENDINGS`; the message names the `option` that gave the path.
    """
    if path.suffix not in TABLE_ENDINGS:
        raise ConfigError(
            f"{option} {str(path)!r}: expected a name that ends in {', '.join(TABLE_ENDINGS[:-1])} or "
            f"{TABLE_ENDINGS[-1]}; {list_allowed(path.suffix, TABLE_ENDINGS)}"
        )
    return path.suffix


def check_sheet_rows(rows: int, path: Path) -> None:
    """Raise ConfigError if a table of `rows` rows exceeds a sheet."""
    if path.suffix == ".xlsx" and rows > _SHEET_ROWS:
        raise ConfigError(
            f"{path}: a sheet holds {_SHEET_ROWS:,} rows and not {rows:,}; write .parquet or .csv"
        )


def render_table(frame: pd.DataFrame, ending: str) -> bytes:
    """Return a table, of shape (n, d), without its index as the bytes of a file of that ending."""
    if ending == ".csv":
        return render_csv(frame).encode()
    if ending == ".jsonl":
        return render_lines(frame)
    if ending == ".xlsx":
        cells = _blank_missing(frame).map(_spell_sheet_cell)
        return render_workbook(cells.set_axis([escape_cell(str(name)) for name in frame], axis=1), "scores")
    sink = io.BytesIO()
    _unify_types(frame).to_parquet(sink, index=False)
    return sink.getvalue()


def render_lines(frame: pd.DataFrame) -> bytes:
    """Return each row as one line of JSON; missing cells are null, times ISO 8601."""
    records = _blank_missing(frame).to_dict("records")
    options = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    return b"".join(orjson.dumps(record, default=_spell_value, option=options) for record in records)


def _blank_missing(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(object).where(frame.notna(), None)


def _spell_value(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _spell_sheet_cell(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float):
        return value if value not in (np.inf, -np.inf) else str(value)
    return escape_cell(value if isinstance(value, str) else _spell_value(value))


def _unify_types(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with columns of several types as text, which Parquet needs."""
    mixed = {
        name: frame[name].map(str, na_action="ignore")
        for name in frame.columns
        if pd.api.types.is_object_dtype(frame[name].dtype)
        and pd.api.types.infer_dtype(frame[name], skipna=True).startswith("mixed")
    }
    return frame.assign(**mixed)
