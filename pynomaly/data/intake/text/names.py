"""The names of the columns: those of the header, mended where it fits the rows badly. Pure.

Called by ``sampling``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pynomaly.data.intake.text.decoding import Lines
from pynomaly.data.intake.text.dialect import Dialect, Grid, Row
from pynomaly.errors import ColumnError

__all__ = ["CompletedHeader", "complete_header", "name_columns"]

_ROW_NAMES = ("row_name", "row name", "row.name", "rownames")

_ATTRIBUTE = re.compile(r"""@attribute\s+(?:'([^']+)'|"([^"]+)"|(\S+))""", re.IGNORECASE)

_WIDE_GAP = re.compile(r"\t+|\s{2,}")


@dataclass(frozen=True)
class CompletedHeader:
    """Names for all columns of rows whose header has another number of cells, and why."""

    names: tuple[str, ...]
    why: str


def complete_header(
    text: Lines, rows: Sequence[Row], grid: Grid, dialect: Dialect, hints: dict[str, Any]
) -> CompletedHeader | None:
    """Return names that fit the rows, if the header has a cell less than nearly all of them, or more words.

    A header one cell shorter is that of a table written with the names of its rows. Where blanks separate,
    a header of more words is split at wide gaps; if that does not fit, the columns are numbered.
    """
    if hints.get("names") or "header" in hints:
        return None
    if grid.header is None:
        return _read_attributes(text, rows, grid)
    line, header = rows[grid.header]
    widths = Counter(_measure_row(cells) for _, cells in rows[grid.first :])
    width, count = widths.most_common(1)[0] if widths else (0, 0)
    if count < 0.95 * widths.total() or (length := _measure_row(header)) == width:
        return None
    if length == width - 1 and all(header[:length]):
        first = next(name for name in _ROW_NAMES if name not in header)
        why = "the header has a cell less than the rows, whose first cells are their names"
        return CompletedHeader((first, *header[:length]), why) if len(set(header)) == len(header) else None
    if dialect.separator == "blanks" and length > width:
        words = _WIDE_GAP.split(text.texts[text.numbers.index(line)].strip())
        if len(words) == width and len(set(words)) == width:
            return CompletedHeader(tuple(words), "names of several words, told by the wide gaps between them")
        names = tuple(f"column_{place + 1}" for place in range(width))
        return CompletedHeader(names, f"the header has {length} words for {width} columns")
    return None


def _read_attributes(text: Lines, rows: Sequence[Row], grid: Grid) -> CompletedHeader | None:
    """Return the names that lines like ``@attribute temp numeric`` give, if there are as many as columns."""
    first, cells = rows[grid.first] if grid.first < len(rows) else (1, [])
    matches = [_ATTRIBUTE.match(line) for line in text.texts[: first - 1]]
    names = tuple(next(filter(None, match.groups())) for match in matches if match)
    if not names or len(names) != len(cells) or len(set(names)) < len(names):
        return None
    return CompletedHeader(names, "lines that start with @attribute name the columns")


def _measure_row(cells: Sequence[str]) -> int:
    """Return how many cells a row has without empty ones at its end."""
    return next((place for place in range(len(cells), 0, -1) if cells[place - 1]), 0)


def name_columns(
    header: list[str] | None, above: list[str] | None, width: int, hints: dict[str, Any]
) -> tuple[list[str], dict[str, Any]]:
    """Return the names, and the settings without which the reader would give others.

    Parameters
    ----------
    header, above : list of str or None
        Cells of the header, and of the row above it: a name that comes twice is told apart by it.
    width : int
    hints : dict

    Raises
    ------
    ColumnError
        If a name occurs more than once even with a number behind it.
    """
    if hints.get("names"):
        return list(hints["names"]), {}
    if header is None:
        return [f"column_{place + 1}" for place in range(width)], {"header": False}
    header = [*header[:width], *([""] * (width - len(header)))]
    names = [name or f"Unnamed: {place}" for place, name in enumerate(header)]
    if len(set(names)) == len(names):
        return names, {}
    if above is not None and len(joined := _join_titles(above, header)) == len(set(joined)):
        return joined, {"names": joined}
    counts: dict[str, int] = {}
    numbered: list[str] = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        numbered.append(name if counts[name] == 1 else f"{name}.{counts[name]}")
    if len(set(numbered)) < len(numbered):
        raise ColumnError(f"column {next(n for n in names if names.count(n) > 1)!r} occurs more than once")
    return numbered, {"names": numbered}


def _join_titles(above: Sequence[str], header: Sequence[str]) -> list[str]:
    """Return each name with the title above it, which holds for the columns to its right up to the next."""
    joined: list[str] = []
    title = ""
    for place, name in enumerate(header):
        title = (above[place] if place < len(above) else "") or title
        joined.append(" ".join(filter(None, (title, name))) or f"Unnamed: {place}")
    return joined
