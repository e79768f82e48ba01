"""The lines of a text to the cells that are looked at, and how they split. Called by ``typed``."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Limits
from pynomaly.data.intake.findings import Choice, Sureness
from pynomaly.data.intake.sample import EDGE, FILES, MOST_ROWS, Sample
from pynomaly.data.intake.text.decoding import Lines, detect_encoding, read_lines
from pynomaly.data.intake.text.dialect import Dialect, Grid, Row, detect_dialect, find_header, split_rows
from pynomaly.data.intake.text.names import complete_header, name_columns
from pynomaly.errors import SourceError

__all__ = ["build_sample", "choose_header", "sample_text"]


def sample_text(files: Sequence[Path], limits: Limits, hints: dict[str, Any]) -> Sample:
    """Return the cells of text files that are looked at."""
    chosen = choose_files(files)
    first = chosen[0]
    encoding = (
        Choice("encoding", hints["encoding"], "as asked")
        if "encoding" in hints
        else detect_encoding(first, limits)
    )
    texts = [read_lines(file, limits, str(encoding.value)) for file in chosen]
    dialect = detect_dialect(texts[0])
    separator, quote = hints.get("separator", dialect.separator), hints.get("quote", dialect.quote)
    comment = hints.get("comment", dialect.comment)
    dialect = Dialect(separator, quote, comment, dialect.clean)
    skipped = int(hints.get("skip_rows", 0))
    rows = [_split_lines_of(text, dialect, skipped) for text in texts]
    grid = choose_header(rows[0], hints)
    completed = complete_header(texts[0], rows[0], grid, dialect, hints)
    if completed is not None:
        grid = Grid(None, grid.first, completed.why)
        sample = build_sample(rows, grid, {**hints, "names": completed.names})
        sample.settings |= {"names": list(completed.names), "header": False}
    else:
        sample = build_sample(rows, grid, hints)
    sample.whole = all(text.is_whole for text in texts) and len(chosen) == len(files)
    _estimate_rows(sample, texts, rows, grid, len(files))
    _note_dialect(sample, encoding, dialect, texts[0], rows[0], grid, hints)
    return sample


def choose_files(files: Sequence[Path]) -> list[Path]:
    """Return at most :data:`FILES` files at even distances, the first and the last among them."""
    if len(files) <= FILES:
        return list(files)
    return [files[round(place * (len(files) - 1) / (FILES - 1))] for place in range(FILES)]


def _split_lines_of(text: Lines, dialect: Dialect, skipped: int) -> list[Row]:
    pairs = [
        (number, line)
        for number, line in zip(text.numbers, text.texts, strict=True)
        if number > skipped
        and not (dialect.comment and line.lstrip().startswith(dialect.comment))
        and not (number == 1 and line.lower().startswith("sep=") and len(line.strip()) == 5)
    ]
    numbers, texts = [number for number, _ in pairs], [line for _, line in pairs]
    # The head is split alone: a piece may start inside quotation marks.
    head = sum(number <= text.head for number in numbers)
    rows = split_rows(numbers[:head], texts[:head], dialect.separator, dialect.quote)
    if head < len(texts):
        if rows:
            rows = rows[: len(rows) - 1]  # the last may go on behind the head
        rows += split_rows(numbers[head:], texts[head:], dialect.separator, dialect.quote)
    if not rows:
        raise SourceError("no line holds a value")
    return rows


def choose_header(rows: list[Row], hints: dict[str, Any]) -> Grid:
    """Return where the header lies: as the hints say, or as the rows tell."""
    if hints.get("header") is False:
        return Grid(None, int(hints.get("unit_rows", 0)), "as asked")
    if hints.get("header") or "unit_rows" in hints:
        return Grid(0, 1 + int(hints.get("unit_rows", 0)), "as asked")
    return find_header(rows)


def build_sample(files: list[list[Row]], grid: Grid, hints: dict[str, Any]) -> Sample:
    """Build the frame of text cells from the rows of each file; later files have the same header."""
    rows = files[0]
    header = rows[grid.header][1] if grid.header is not None else None
    body = list(rows[grid.first :])
    repeats = [line for line, cells in body if cells == header]
    body = [row for row in body if row[1] != header] if repeats else body
    counts = pd.Series([len(cells) for _, cells in body])
    if body:
        width = max(len(header) if header else 0, int(counts.mode().iloc[0]))
    else:
        raise SourceError("the table has a header but no rows" if header else "the table has no rows")
    width = _drop_empty_edge(header, body, width)
    above = rows[grid.header - 1][1] if grid.header else None
    names, settings = name_columns(header, above, width, hints)
    lines = [line for line, _ in body]
    for other in files[1:]:
        others = other[grid.first :]
        if header is not None and grid.header is not None:
            other_names = [cell.strip() for cell in other[grid.header][1][: len(header)]]
            if sorted(other_names) == sorted(cell.strip() for cell in header) and other_names != header:
                order = [other_names.index(cell) for cell in header]
                others = [(line, [cells[at] for at in order if at < len(cells)]) for line, cells in others]
        body += others
        lines += [line for line, _ in others]
    body, kept = _thin_rows(body)
    grid_cells = [[*cells[:width], *([""] * (width - len(cells)))] for _, cells in body]
    frame = pd.DataFrame(grid_cells, columns=names, dtype=object)
    sample = Sample(frame, np.asarray(lines, dtype=np.int64)[kept], len(lines), True, settings=settings)
    if repeats:
        shown = ", ".join(str(line) for line in repeats[:3])
        sample.notes.append(f"the header comes again in line {shown}; such a row goes to quarantine")
    sample.header_line = rows[grid.header][0] if grid.header is not None else None
    return sample


def _drop_empty_edge(header: list[str] | None, body: list[Row], width: int) -> int:
    """Return the width without a last column that has neither a name nor a value: a trailing separator."""
    while width > 1 and not (header and len(header) >= width and header[width - 1]):
        if header is None or any(len(cells) >= width and cells[width - 1] for _, cells in body):
            break
        if header and len(header) >= width:
            break  # the reader names it, and it is left out as empty
        width -= 1
    return width


def _thin_rows(body: list[Row]) -> tuple[list[Row], np.ndarray[Any, np.dtype[np.int64]]]:
    """Keep at most :data:`MOST_ROWS` rows: both edges whole, between them unbroken runs at even distances."""
    if len(body) <= MOST_ROWS:
        return body, np.arange(len(body))
    runs = 16
    length = (MOST_ROWS - 2 * EDGE) // runs
    starts = np.linspace(EDGE, len(body) - EDGE - length, runs).astype(int)
    places = np.unique(
        np.concatenate(
            [np.arange(EDGE), *(np.arange(start, start + length) for start in starts),
             np.arange(len(body) - EDGE, len(body))]
        )
    )  # fmt: skip
    return [body[place] for place in places], places


def _estimate_rows(sample: Sample, texts: list[Lines], rows: list[list[Row]], grid: Grid, files: int) -> None:
    """Count the rows, from the lines where not all were read."""
    counts = [
        len(parts) - grid.first if text.is_whole else text.count - (parts[grid.first][0] - 1)
        for text, parts in zip(texts, rows, strict=True)
    ]
    sample.rows = round(sum(counts) / len(counts) * files)


def _note_dialect(
    sample: Sample,
    encoding: Choice,
    dialect: Dialect,
    text: Lines,
    rows: list[Row],
    grid: Grid,
    hints: dict[str, Any],
) -> None:
    """Write down the choices on the text, and the settings that differ from the defaults."""
    sample.choices.append(encoding)
    if encoding.value != "utf-8":
        sample.settings["encoding"] = encoding.value
    width = len(sample.names)
    sure: Sureness = "sure" if dialect.clean > 0.95 else "likely"
    sample.settings["separator"] = dialect.separator
    sample.choices.append(
        Choice(
            "separator",
            dialect.separator,
            f"{width} columns in {dialect.clean:.0%} of the lines looked at",
            sure,
        )
    )
    if dialect.quote != '"':
        sample.settings["quote"] = dialect.quote
        sample.choices.append(Choice("quote", dialect.quote, "cells stand in these marks"))
    table_start = rows[grid.header if grid.header is not None else grid.first][0]
    inside = [
        n
        for n, line in zip(text.numbers, text.texts, strict=True)
        if dialect.comment and n > table_start and line.lstrip().startswith(dialect.comment)
    ]
    if inside or ("comment" in hints and dialect.comment):
        sample.settings["comment"] = dialect.comment
        sample.choices.append(
            Choice(
                "comment",
                dialect.comment,
                f"line {inside[0] if inside else '-'} starts with it and is no row",
            )
        )
    before = list(text.texts[: table_start - 1])
    if dialect.comment and "comment" in sample.settings:
        before = [line for line in before if not line.lstrip().startswith(dialect.comment)]
    sep_line = bool(before) and before[0].lower().startswith("sep=") and len(before[0].strip()) == 5
    skip = len(before) - sep_line
    if skip and any(line.strip() for line in before[sep_line:]):
        shown = next(line for line in before[sep_line:] if line.strip())
        sample.settings["skip_rows"] = skip
        what = "the header" if grid.header is not None else "the rows"
        sample.choices.append(
            Choice(
                "skip_rows", skip, f"{skip} lines stand before {what}; the first: {shown[:60]!r}", "likely"
            )
        )
    if grid.header is None:
        sample.settings["header"] = False
        called = "" if "names" in sample.settings else f"; columns are called column_1 to column_{width}"
        sample.choices.append(Choice("header", False, f"{grid.why}{called}", "likely"))
        if called == "":
            sample.choices.append(Choice("names", "completed", grid.why, "likely"))
        return
    units = grid.first - grid.header - 1
    if units:
        sample.settings["unit_rows"] = units
        shown = ", ".join(cell for cell in rows[grid.header + 1][1] if cell)[:60]
        sample.choices.append(
            Choice("unit_rows", units, f"{units} line below the header holds units: {shown}", "likely")
        )
    line = text.texts[text.numbers.index(table_start)]
    padded = any(cell != cell.strip() for cell in _split_raw(line, dialect))
    if padded:
        sample.settings["strip_names"] = True
        sample.choices.append(Choice("strip_names", True, "blanks stand around the names of columns"))
    if "names" in sample.settings:
        sample.choices.append(
            Choice("names", "numbered", "a name occurs more than once in the header", "likely")
        )


def _split_raw(line: str, dialect: Dialect) -> list[str]:
    if dialect.separator == "blanks":
        return line.split()

    return next(csv.reader([line], delimiter=dialect.separator, quotechar=dialect.quote), [])
