"""A sheet of a workbook to the cells that are looked at; its header is found as in a text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from pynomaly.config import Data, Limits
from pynomaly.data.intake.findings import Choice
from pynomaly.data.intake.sample import Sample
from pynomaly.data.intake.text.dialect import Row
from pynomaly.data.intake.text.sampling import build_sample, choose_files, choose_header
from pynomaly.data.sources.excel import measure_sheets, read_cells
from pynomaly.errors import SourceError

__all__ = ["sample_workbook", "spell_cell"]


def sample_workbook(files: Sequence[Path], limits: Limits, hints: dict[str, Any]) -> Sample:
    """Read the sheet of each file as a grid of text; the header is found as in a text."""
    chosen = choose_files(files)
    sheets = measure_sheets(chosen[0], limits)
    sheet = hints.get("sheet") or max(sheets, key=lambda name: sheets[name])
    grids = [_read_grid(file, sheet, limits, int(hints.get("skip_rows", 0))) for file in chosen]
    kept = grids[0]
    header = choose_header(kept, hints)
    sample = build_sample(grids, header, hints)
    sample.rows = round(sum(len(rows) - header.first for rows in grids) / len(grids) * len(files))
    sample.whole = sample.whole and len(chosen) == len(files)
    if len(sheets) > 1:
        sample.settings["sheet"] = sheet
        others = ", ".join(repr(name) for name in sheets if name != sheet)
        sample.choices.append(
            Choice("sheet", sheet, f"the sheet with the most cells; others: {others}", "likely")
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


def _read_grid(file: Path, sheet: str, limits: Limits, skipped: int) -> list[Row]:
    """Return the rows of a sheet that hold something, with their numbers, behind those that are skipped."""
    data = Data(source="excel", path=str(file), sheet=sheet, limits=limits)
    numbered = enumerate(read_cells(data, file), 1)
    rows = [(number, [spell_cell(cell) for cell in cells]) for number, cells in numbered if number > skipped]
    if not (filled := [row for row in rows if any(row[1])]):
        raise SourceError(f"{file}: sheet {sheet!r} is empty")
    return filled


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
