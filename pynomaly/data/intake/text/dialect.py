"""Text to a grid of cells: separator, quotation mark, lines before the header, header or none, unit rows.

Pure: takes the lines that were read and returns choices. Called by ``sampling``.

Notes
-----
A separator is judged by how many lines it splits into the same number of cells and by how clean these are,
after van den Burg, Nazabal, Sutton: Wrangling messy CSV files by detecting row and type patterns (2019). A
header is told from rows by the kinds of the cells below it.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pynomaly.data.intake.cells.spelling import classify_cell, looks_like_moment
from pynomaly.data.intake.text.decoding import Lines
from pynomaly.errors import SourceError

__all__ = ["SEPARATORS", "Dialect", "Grid", "Row", "detect_dialect", "find_header", "split_rows"]

SEPARATORS = (",", ";", "\t", "|", "blanks")

_TRIED = 400

_LOOKED = 200

_COMMENT = re.compile(r"\s*(#|%|//|!|--(?=\s)|@(?=(?i:relation|attribute|data)\b))")

_INNER_QUOTE = re.compile(r'"\s*[,;\t|]|[,;\t|]\s*"')

_BLANK_CELL = re.compile(r'"([^"]*)"|(\S+)')

_SEP_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)

_FULL = 0.6

_AGGREGATES = {
    "avg", "smp", "min", "max", "tot", "std", "mean", "sum", "average", "sample", "total", "minimum",
    "maximum", "median", "inst", "value", "double", "float", "int", "integer", "string", "timestamp",
    "datetime", "numeric", "text", "bool", "boolean", "long", "date",
}  # fmt: skip
"""Words below a header that say how a value was made, or its type."""

Row = tuple[int, list[str]]
"""Number of the line on which a row starts, and its cells without blanks around them."""


@dataclass(frozen=True)
class Dialect:
    """How the lines of a text split into cells.

    Attributes
    ----------
    separator : str
        One character, or ``blanks``.
    quote : str
    comment : str or None
        Lines inside the table that start with it are no rows.
    clean : float
        Share of the lines that split into the most common number of cells.
    """

    separator: str
    quote: str = '"'
    comment: str | None = None
    clean: float = 1.0


@dataclass(frozen=True)
class Grid:
    """Where the parts of a table lie among its rows.

    Attributes
    ----------
    header : int or None
        Position of the header among the rows; None without one.
    first : int
        Position of the first row of values.
    why : str
        How the header was told from the rows.
    """

    header: int | None
    first: int
    why: str


def detect_dialect(lines: Lines) -> Dialect:
    """Return how the lines split into cells.

    Raises
    ------
    SourceError
        If no line holds anything.
    """
    texts = [line for line in lines.texts[:_TRIED] if line.strip()]
    if not texts:
        raise SourceError("the file holds only blank lines")
    comment = _detect_comment(texts)
    named = _SEP_LINE.fullmatch(texts[0])
    body = [
        line for line in texts[1 if named else 0 :] if not (comment and line.lstrip().startswith(comment))
    ]
    body = body or texts
    quote = _detect_quote(body)
    if named:
        return Dialect(named.group(1), quote, comment)
    scored = {mark: _score_separator(body, mark, quote) for mark in SEPARATORS}
    best = max(scored, key=lambda mark: (scored[mark][0], -SEPARATORS.index(mark)))
    if scored[best][0] == 0:  # one column
        return Dialect(",", quote, comment)
    return Dialect(best, quote, comment, scored[best][1])


def _detect_comment(texts: Sequence[str]) -> str | None:
    """Return the mark with which lines start that are no rows, if more than the first do."""
    marks = Counter(match.group(1) for line in texts if (match := _COMMENT.match(line)))
    if not marks:
        return None
    mark, count = marks.most_common(1)[0]
    return mark if count < len(texts) / 2 else None


def _detect_quote(body: Sequence[str]) -> str:
    singles = sum(len(re.findall(r"(?:^|[,;\t|])\s*'[^']*'\s*(?=$|[,;\t|])", line)) for line in body)
    doubles = sum(line.count('"') for line in body)
    return "'" if singles > doubles and singles >= len(body) / 2 else '"'


def _score_separator(body: Sequence[str], separator: str, quote: str) -> tuple[float, float]:
    """Return how well a separator fits, and the share of lines with the most common number of cells."""
    rows = [cells for _, cells in split_rows(range(1, len(body) + 1), body, separator, quote)]
    below = rows[len(rows) // 3 :] or rows  # lines before the header have other widths
    widths = Counter(len(cells) for cells in below)
    if not widths:  # nothing but an opened quotation mark
        return 0.0, 0.0
    width, count = widths.most_common(1)[0]
    if width < 2:
        return 0.0, 0.0
    others = [mark for mark in (",", ";", "\t", "|") if mark != separator]
    cells = [cell for row in below[:_LOOKED] if len(row) == width for cell in row]
    clean = sum(_is_clean(cell, others) for cell in cells) / len(cells)
    share = count / len(below)
    penalty = 0.7 if separator == "blanks" else 1.0  # blanks also stand inside cells
    return share * clean * penalty * (1 + min(width, 50) / 1000), share


def _is_clean(cell: str, others: Sequence[str]) -> bool:
    if _INNER_QUOTE.search(cell):
        return False
    if any(mark in cell for mark in others):
        return classify_cell(cell) not in ("text", "marked") or (
            " " in cell and ";" not in cell and "|" not in cell
        )
    return cell.count('"') % 2 == 0


def split_rows(numbers: Sequence[int] | range, texts: Sequence[str], separator: str, quote: str) -> list[Row]:
    """Return the rows with the number of the line on which each starts; blank lines are no rows.

    Raises
    ------
    SourceError
        If a quotation mark is opened and never closed within a cell of 128 KiB.
    """
    if separator == "blanks":
        pairs = zip(numbers, texts, strict=True)
        return [(number, _split_at_blanks(line, quote)) for number, line in pairs if line.strip()]
    rows: list[Row] = []
    reader = csv.reader(
        (line + "\n" for line in texts), delimiter=separator, quotechar=quote, skipinitialspace=True
    )
    start = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((numbers[start], [cell.strip() for cell in cells]))
            elif len(cells) > 1:
                rows.append((numbers[start], [""] * len(cells)))
            start = reader.line_num
    except csv.Error as error:
        line = numbers[min(start, len(numbers) - 1)]
        raise SourceError(f"line {line} cannot be split into cells: {error}") from error
    return rows


def _split_at_blanks(line: str, quote: str) -> list[str]:
    if quote != '"' or '"' not in line:
        return line.split()
    return [quoted or plain for quoted, plain in _BLANK_CELL.findall(line)]


def find_header(rows: Sequence[Row]) -> Grid:
    """Return where the header and the first row of values lie.

    The kinds of the cells in the later rows tell a row of values: its numbers and moments stand where theirs
    do. What stands directly above the first such row is the header, with unit rows between.
    """
    looked = rows[:_LOOKED]
    width = Counter(len(cells) for _, cells in looked[len(looked) // 3 :]).most_common(1)[0][0]
    typed = _find_typed_columns(looked[len(looked) // 2 :], width)
    if not typed:
        return _find_header_of_text(looked, width)
    first = next(
        (place for place, (_, cells) in enumerate(looked) if _is_row(cells, typed, width)), len(looked)
    )
    first = _skip_facts(looked, first, typed, width)
    if (
        first
        and first < len(looked)
        and _continues_series(looked[0][1], looked[1][1] if len(looked) > 1 else [])
    ):
        first = max(first, 1)
    if first == 0:
        cells = looked[0][1]
        if _continues_series(cells, looked[1][1] if len(looked) > 1 else []):
            return Grid(0, 1, "the first row counts up: numbered columns")
        return Grid(None, 0, "the first row holds values of the same kinds as the rows below")
    full = [place for place in range(first) if _is_full(looked[place][1], width)]
    if not full:
        return Grid(None, first, f"no line above the values has {width} cells")
    header = full[-1]
    while header - 1 in full and _looks_like_units(looked[header][1], looked[header - 1][1], typed):
        header -= 1
    return Grid(header, first, "text above columns of numbers")


def _find_typed_columns(rows: Sequence[Row], width: int) -> dict[int, str]:
    """Return the kind of each column whose cells are mostly numbers or mostly moments."""
    typed: dict[int, str] = {}
    for column in range(width):
        cells = [cells[column] for _, cells in rows if column < len(cells)]
        kinds = Counter(_kind(cell) for cell in cells)
        kinds.pop("missing", None)
        total = sum(kinds.values())
        for kind in ("number", "moment"):
            if total and kinds[kind] / total > 0.5:
                typed[column] = kind
    return typed


def _kind(cell: str) -> str:
    kind = classify_cell(cell)
    if kind in ("empty", "missing"):
        return "missing"
    if kind == "text":
        return (
            "moment"
            if looks_like_moment(cell) or re.fullmatch(r"\d{1,2}[:.]\d{2}\S*( - \S+)?", cell)
            else "text"
        )
    return "moment" if kind == "marked" and looks_like_moment(cell) else "number"


def _is_row(cells: Sequence[str], typed: dict[int, str], width: int) -> bool:
    """Return whether the cells are of the kinds of their columns."""
    if len(cells) < min(width, 2):
        return False
    kinds = [
        (_kind(cells[column]) if column < len(cells) else "missing", kind) for column, kind in typed.items()
    ]
    same = sum(here == kind for here, kind in kinds)
    other = sum(here not in (kind, "missing") for here, kind in kinds)
    return same > 0 and same > other


def _skip_facts(rows: Sequence[Row], first: int, typed: dict[int, str], width: int) -> int:
    """Return the first row of values behind facts on the file (`Samples 240 240`) that look like rows.

    They end with a line of names, and each of them has a cell of another kind than its column.
    """
    names = None
    for place in range(first, len(rows) // 2):
        kinds = _compare_kinds(rows[place][1], typed)
        if kinds and all(kinds):
            break
        if not any(kinds) and _is_full(rows[place][1], width):
            names = place
    if names is None:
        return first
    after = range(names + 1, len(rows))
    return next((later for later in after if _is_row(rows[later][1], typed, width)), first)


def _compare_kinds(cells: Sequence[str], typed: dict[int, str]) -> list[bool]:
    """Return for each cell of a typed column that is not missing whether it is of the column's kind."""
    kinds = [(_kind(cells[column]), kind) for column, kind in typed.items() if column < len(cells)]
    return [here == kind for here, kind in kinds if here != "missing"]


def _continues_series(cells: Sequence[str], below: Sequence[str]) -> bool:
    """Return whether at least three numbers of a first row have equal steps, which those below have not."""

    def steps(row: Sequence[str]) -> set[float]:
        numbers = [float(cell) for cell in row if re.fullmatch(r"\d+", cell)]
        return (
            {b - a for a, b in pairwise(numbers)}
            if len(numbers) >= 3 and len(numbers) > len(row) / 2
            else set()
        )

    own = steps(cells)
    return len(own) == 1 and own != {0.0} and steps(below) != own


def _is_full(cells: Sequence[str], width: int) -> bool:
    return sum(bool(cell) for cell in cells) >= max(1, _FULL * (width - 1))


def _looks_like_units(cells: Sequence[str], above: Sequence[str], typed: dict[int, str]) -> bool:
    """Return whether a row below a possible header holds units: short, and other words than names."""
    own = [cell for column, cell in enumerate(cells) if column in typed and cell]
    names = [cell for column, cell in enumerate(above) if column in typed and cell]
    if not own:
        return True
    if len(names) < len(own) or len(set(names)) < len(names):
        return False
    shorter = sum(len(cell) for cell in own) / len(own) <= sum(len(cell) for cell in names) / len(names)
    repeated = len(set(own)) < len(own)
    bracketed = sum(bool(re.fullmatch(r"[\[(].*[\])]|[%°µ].*|.{1,4}", cell)) for cell in own) >= 0.6 * len(
        own
    )
    aggregates = sum(cell.lower() in _AGGREGATES for cell in own) >= 0.6 * len(own)
    return repeated or aggregates or (shorter and bracketed)


def _find_header_of_text(rows: Sequence[Row], width: int) -> Grid:
    """Tell a header from rows in a table of text alone: its names do not come again below."""
    place = next((place for place, (_, cells) in enumerate(rows) if _is_full(cells, width)), 0)
    names = rows[place][1]
    below = {cell for _, cells in rows[place + 1 :] for cell in cells}
    if len(set(names)) == len(names) and not (set(names) - {""}) & below:
        return Grid(place, place + 1, "names that do not come again below")
    return Grid(None, place, "the first row holds values that come again below")
