"""Sheets of workbooks: ``.xlsx``, ``.xlsm``, ``.xls``, ``.xlsb`` and ``.ods``, read by python-calamine.

Cells keep their types: numbers are numbers, dates are dates. Empty rows are left out, and so are empty
columns left and right of the table. Called through ``SOURCES``.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.config import Data, Limits
from pynomaly.data.sources import bounded
from pynomaly.data.sources.kind import SourceKind
from pynomaly.data.sources.text.cells import build_frame, spell_cell
from pynomaly.data.sources.text.files import join_tables, list_files, open_local, pick_columns
from pynomaly.data.sources.text.layout import name_columns
from pynomaly.data.window import Window
from pynomaly.errors import SourceError, list_allowed

__all__ = ["SOURCE", "measure_sheets", "read_cells", "read_rows"]

ENDINGS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")

_BLOCK = 1 << 20
_REFERENCE = re.compile(rb'\br="([A-Z]{1,3})(\d{1,7})"')
_FREE_AREA = 50_000_000  # cells from the first to the last that a sheet may span, however few are filled
_FREE_BYTES = 1 << 20


def read_rows(data: Data, path: str, columns: list[str] | None, window: Window | None = None) -> pd.DataFrame:
    """Read a sheet, or that sheet of each workbook of a folder or a glob.

    Parameters
    ----------
    data : Data
        ``sheet`` (none is the first), ``skip_rows`` (rows of the sheet, also empty ones), ``comment``,
        ``header``, ``names``, ``strip_names``, ``unit_rows``.
    path : str
    columns : list of str or None

    Returns
    -------
    DataFrame of shape (n, d), n >= 1
        A column of cells of several types is text; whole numbers are ``int64`` if no cell is missing.

    Raises
    ------
    SourceError
        If a file is missing, is no workbook or has a password, there is no such sheet or no row,
        ``data.names`` are more or fewer than the columns, or it holds more than ``data.limits`` allow.
    ColumnError
        If a name is duplicated or not printable, or one of `columns` does not exist.
    """
    frame = join_tables(list_files(path, ENDINGS), lambda file: _read_table(data, file), data.limits)
    if frame.empty:
        raise SourceError(f"{path} has a header ({frame.shape[1]} columns) but no rows")
    return pick_columns(frame, path, columns)


def _read_table(data: Data, path: str) -> pd.DataFrame:
    with open_local(path) as file:
        rows = read_cells(data, file)[data.skip_rows :]
        mark = data.comment
        rows = [row for row in rows if any(not _is_empty(cell) for cell in row)]
        if mark is not None:
            rows = [row for row in rows if not str(next(c for c in row if not _is_empty(c))).startswith(mark)]
        if not rows:
            raise SourceError(f"{file} is empty; expected a header and rows")
        filled = [any(not _is_empty(cell) for cell in column) for column in zip(*rows, strict=True)]
        first, last = filled.index(True), len(filled) - filled[::-1].index(True)
        rows = [row[first:last] for row in rows]
        names = name_columns(["" if _is_empty(cell) else spell_cell(cell) for cell in rows[0]], data, file)
        rows = rows[data.header + data.unit_rows :]
        return build_frame({name: _take_column(rows, place) for place, name in enumerate(names)}, data)


def _take_column(rows: list[list[Any]], place: int) -> list[Any]:
    """Return the cells of a column; numbers of a sheet are floats, and whole ones become whole."""
    cells = [None if _is_empty(row[place]) else row[place] for row in rows]
    numbers = [cell for cell in cells if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15]
    return [int(cell) for cell in numbers] if len(numbers) == len(cells) else cells


def _is_empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def read_cells(data: Data, file: Path) -> list[list[Any]]:
    """Return the rows of ``data.sheet``, or of the first sheet, from its first cell on.

    Raises
    ------
    SourceError
        If the file is no workbook or has no such sheet, or it holds more than ``data.limits`` allow.
    """
    from python_calamine import CalamineError

    workbook = _open_workbook(file, data.limits)
    sheets = _list_names(workbook, file)
    name = data.sheet or sheets[0]
    if name not in sheets:
        raise SourceError(f"{file}: no sheet {name!r}; data.sheet names one; {list_allowed(name, sheets)}")
    try:
        sheet = workbook.get_sheet_by_name(name)
        last_row, last_column = sheet.end or (0, 0)
        bounded.check_size(last_row + 1, last_column + 1, f"{file}: sheet {name!r}", data.limits)
        rows: list[list[Any]] = sheet.to_python(skip_empty_area=False)
    except CalamineError as error:
        raise SourceError(f"{file}: sheet {name!r} cannot be read: {error}") from error
    return rows


def measure_sheets(file: Path, limits: Limits) -> dict[str, int]:
    """Return the number of cells that each sheet of a workbook spans, in their order.

    Raises
    ------
    SourceError
        If the file is no workbook, or it unpacks to more than `limits` allow.
    """
    workbook = _open_workbook(file, limits)
    ends = {name: workbook.get_sheet_by_name(name).end or (0, 0) for name in _list_names(workbook, file)}
    return {name: (row + 1) * (column + 1) for name, (row, column) in ends.items()}


def _list_names(workbook: Any, file: Path) -> list[str]:
    from python_calamine import SheetTypeEnum

    names = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    if not names:
        raise SourceError(f"{file} has no sheet with cells")
    return names


def _open_workbook(file: Path, limits: Limits) -> Any:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        if zipfile.is_zipfile(file):
            _check_archive(file, limits)
        return CalamineWorkbook.from_path(file)
    except (CalamineError, OSError, zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        if isinstance(error, SourceError):
            raise
        reason = " ".join(str(error).split())
        raise SourceError(f"{file} cannot be read as a workbook: {reason}") from error


def _check_archive(file: Path, limits: Limits) -> None:
    """Raise if a workbook unpacks to too much, or a few of its cells span a huge sheet."""
    with zipfile.ZipFile(file) as archive:
        size = sum(item.file_size for item in archive.infolist())
        if size > limits.text_mib << 20:
            raise SourceError(
                f"{file} unpacks to more than {limits.text_mib:,} MiB; data.limits.text_mib sets that"
            )
        if size > _FREE_BYTES and size > limits.ratio * file.stat().st_size:
            raise SourceError(
                f"{file} unpacks to more than {limits.ratio:,} times its size; data.limits.ratio sets that"
            )
        for item in archive.infolist():
            if item.filename.startswith("xl/worksheets/") and item.filename.endswith(".xml"):
                _check_span(file, archive, item)


def _check_span(file: Path, archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> None:
    """Raise if memory would be taken for many times the cells that there are."""
    count, rows, width, rest = 0, 0, b"", b""
    with archive.open(item) as content:
        while block := content.read(_BLOCK):
            found_cells = _REFERENCE.findall(rest + block)
            count += len(found_cells)
            rows = max(rows, max((int(row) for _, row in found_cells), default=0))
            width = max({width, *(column for column, _ in found_cells)}, key=lambda name: (len(name), name))
            rest = block[-32:]
    columns = sum((letter - 64) * 26**place for place, letter in enumerate(reversed(width)))
    if rows * columns > _FREE_AREA and rows * columns > 50 * count:
        raise SourceError(
            f"{file}: {item.filename} has about {count:,} cells that span {rows:,} rows of {columns:,} "
            "columns; delete the cells far outside the table"
        )


SOURCE = SourceKind(read_rows, endings=ENDINGS, reads_whole=True)
