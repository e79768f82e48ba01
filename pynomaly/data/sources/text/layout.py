"""How a delimited text is laid out: the names of its columns, and where its rows begin.

Called by the reader of delimited text, and by what asks for the names alone.
"""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data
from pynomaly.data.sources import bounded
from pynomaly.data.sources.text import lines
from pynomaly.errors import ColumnError, SourceError

__all__ = [
    "SEPARATORS",
    "count_surplus",
    "format_separator",
    "list_row_lines",
    "name_columns",
    "open_lines",
    "read_names",
    "skip_header",
    "translate_errors",
]

SEPARATORS = (",", ";", "\t", "|")

_BLOCK = 1 << 18


def read_names(file: Path, data: Data) -> list[str]:
    """Return the names of the columns: those of the header, ``data.names``, or ``column_1`` and so on.

    Raises
    ------
    SourceError
        If the file is empty, in another encoding, its header has another separator, it exceeds a limit, or
        ``data.names`` are more or fewer than its columns.
    ColumnError
        If a name occurs more than once, or is not printable.
    """
    with translate_errors(file, data):
        with open_lines(file, data) as content:
            record, _ = lines.read_record(content, data)
        if not record:
            raise SourceError(f"{file} is empty; expected a header and rows")
        first = pd.read_csv(
            io.BytesIO(record),
            sep=format_separator(data),
            quotechar=data.quote,
            header=None,
            nrows=1,
            dtype=str,
            encoding="utf-8-sig",
            skipinitialspace=data.strip_names,
        )
    cells = ["" if pd.isna(name) else str(name) for name in first.iloc[0]]
    names = name_columns(cells, data, file)
    marks = [mark for mark in SEPARATORS if mark != data.separator and mark in names[0]]
    if len(names) == 1 and marks:
        raise SourceError(
            f"{file}: no {data.separator!r} in the header {names[0]!r}; set data.separator to {marks[0]!r}"
        )
    return names


def name_columns(cells: list[str], data: Data, where: object) -> list[str]:
    """Return the names of the columns of a table whose first row has `cells`.

    Raises
    ------
    SourceError, ColumnError
        As :func:`read_names`.
    """
    names = cells
    if data.names:
        if len(data.names) > len(cells) or any(cells[len(data.names) :]):
            raise SourceError(
                f"{where} has {len(cells)} columns, and data.names has {len(data.names)}; "
                "it names each of them in order"
            )
        names = list(data.names)
    elif not data.header:
        names = [f"column_{position + 1}" for position in range(len(cells))]
    elif data.strip_names:
        names = [name.strip() for name in cells]
    bounded.check_names(names, where, data.limits)
    if duplicates := sorted({name for name in names if name and names.count(name) > 1}):
        raise ColumnError(
            f"{where}: column {', '.join(map(repr, duplicates))} occurs more than once in the header"
        )
    return [name or f"Unnamed: {position}" for position, name in enumerate(names)]


@contextmanager
def open_lines(file: Path, data: Data) -> Iterator[io.BufferedReader]:
    """Yield the text from the header on, without comments."""
    with bounded.open_text(file, data.limits, data.encoding) as content:
        lines.skip_preamble(content, data)
        if data.comment is None:
            yield content
        else:
            yield io.BufferedReader(lines.CommentFilter(content, data.comment, data.separator), _BLOCK)


def skip_header(content: io.BufferedReader, data: Data) -> int:
    """Read past the header and the lines of units; return how many lines."""
    records = data.header + data.unit_rows
    return sum(lines.read_record(content, data)[1] for _ in range(records))


def count_surplus(file: Path, data: Data, width: int) -> int:
    """Return how many empty cells a row has at most beyond the header's.

    Raises
    ------
    SourceError
        If one is not empty; the message has the line.
    """
    with open_lines(file, data) as content:
        before = skip_header(content, data)
        line, cells, extra = lines.find_surplus(content, data, width)
    if line:
        with bounded.open_text(file, data.limits, data.encoding) as content:
            line += before + lines.skip_preamble(content, data)
        raise SourceError(
            f"{file} cannot be read: line {line:,} has more cells ({cells}) than the header ({width})"
        )
    return extra


def list_row_lines(file: Path, data: Data) -> NDArray[np.int64]:
    """Return the line on which each row begins, counted from 1 at the start of the file; shape (n,).

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    with translate_errors(file, data):
        with bounded.open_text(file, data.limits, data.encoding) as content:
            before = lines.skip_preamble(content, data)
        with open_lines(file, data) as content:
            before += skip_header(content, data)
            return before + np.fromiter(lines.list_row_lines(content, data), dtype=np.int64)


@contextmanager
def translate_errors(file: Path, data: Data) -> Iterator[None]:
    """Turn pandas' errors and warnings about a text into one SourceError."""
    try:
        with warnings.catch_warnings():
            # Rows wider than the header would lose their last cells with only a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield
    except SourceError:
        raise
    except pd.errors.EmptyDataError as error:
        raise SourceError(f"{file} is empty; expected a header and rows") from error
    except UnicodeDecodeError as error:
        wrong = " ".join(f"0x{byte:02x}" for byte in error.object[error.start : error.end])
        raise SourceError(
            f"{file} cannot be read: it is no {data.encoding}, as the bytes {wrong} are none there; "
            "set data.encoding, for example to 'cp1252'"
        ) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, csv.Error, OSError) as error:
        raise SourceError(f"{file} cannot be read: {' '.join(str(error).split())}") from error


def format_separator(data: Data) -> str:
    """Return the separator as pandas takes it."""
    return r"\s+" if data.separator == "blanks" else data.separator
