"""Tables as CSV whose cells a spreadsheet does not run as formulas.

A text cell or a column name that begins like a formula gets an apostrophe in front (OWASP, "CSV Injection"):
names and categories come from outside, and other people open the file. Numbers, also those written as text,
do not change; a line break is always written the same way. Parquet output keeps every cell exactly.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["escape_cell", "render_csv"]

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


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii()
