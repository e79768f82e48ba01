"""A sheet of a workbook to the cells that are looked at; its header is found as in a text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from pynomaly.config import Limits
from pynomaly.data.intake.findings import Choice
from pynomaly.data.intake.sample import Sample
from pynomaly.data.intake.text.sampling import build_sample, choose_header
from pynomaly.data.sources import bounded
from pynomaly.errors import SourceError

__all__ = ["sample_workbook", "spell_cell"]


def sample_workbook(files: Sequence[Path], limits: Limits, hints: dict[str, Any]) -> Sample:
    """Read the sheet as a grid of text; its header is found as in a text."""
    from python_calamine import CalamineError, CalamineWorkbook

    file = files[0]
    try:
        with file.open("rb") as content:
            book = CalamineWorkbook.from_filelike(content)
            sheets = list(book.sheet_names)
            sheet = hints.get("sheet") or _choose_sheet(book, sheets)
            if sheet not in sheets:
                raise SourceError(f"{file}: no sheet {sheet!r}; it has {sheets}")
            grid = book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    except (CalamineError, OSError, ValueError) as error:
        raise SourceError(f"{file} cannot be read as a workbook: {error}") from error
    bounded.check_size(len(grid), max(map(len, grid), default=0), file, limits)
    rows = [(number, [spell_cell(cell) for cell in cells]) for number, cells in enumerate(grid, 1)]
    kept = [row for row in rows if any(row[1])]
    skipped = int(hints.get("skip_rows", 0))
    kept = [row for row in kept if row[0] > skipped]
    if not kept:
        raise SourceError(f"{file}: sheet {sheet!r} is empty")
    header = choose_header(kept, hints)
    sample = build_sample([kept], header, hints)
    sample.rows = len(kept) - header.first
    if len(sheets) > 1:
        sample.settings["sheet"] = sheet
        others = ", ".join(repr(name) for name in sheets if name != sheet)
        sample.choices.append(
            Choice("sheet", sheet, f"the sheet with the most rows; others: {others}", "likely")
        )
    start = kept[header.header if header.header is not None else header.first][0]
    if start > 1:
        sample.settings["skip_rows"] = start - 1
        sample.choices.append(
            Choice("skip_rows", start - 1, f"{start - 1} lines stand before the header", "likely")
        )
    if header.header is None:
        sample.settings["header"] = False
        sample.choices.append(Choice("header", False, header.why, "likely"))
    elif units := header.first - header.header - 1:
        sample.settings["unit_rows"] = units
        sample.choices.append(Choice("unit_rows", units, "lines below the header hold units", "likely"))
    return sample


def _choose_sheet(book: Any, sheets: list[str]) -> str:
    """Return the sheet with the most cells."""

    def cells(name: str) -> int:
        sheet = book.get_sheet_by_name(name)
        return int((getattr(sheet, "height", 0) or 0) * (getattr(sheet, "width", 0) or 0))

    return max(sheets, key=lambda name: (cells(name), -sheets.index(name)))


def spell_cell(cell: object) -> str:
    """Spell a typed cell as a text file would hold it."""
    if cell is None or cell == "":
        return ""
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell).strip()
