"""Delimited text, plain or packed (``.gz``, ``.bz2``, ``.xz``, ``.zst``, ``.zip``), in any encoding.

A path is a file, a folder or a glob; its files have the same columns. What precedes the rows is read here
first (a preamble, the header, lines of units), because pandas silently renames duplicated columns and turns a
surplus column into an index. Numbers keep their exact value. Empty cells beyond the header's, as trailing
separators leave them, are left out. A file that is too long or unpacks to too much is an error while it is
read (``data.limits``). Called through ``SOURCES``.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import IO

import pandas as pd
from pandas.io.parsers import TextFileReader

from pynomaly.config import Data
from pynomaly.data.origin import RowLines
from pynomaly.data.sources.kind import SourceKind
from pynomaly.data.sources.text.cells import list_text_columns, read_numbers
from pynomaly.data.sources.text.files import (
    arrange_columns,
    join_tables,
    list_files,
    open_local,
    require_path,
)
from pynomaly.data.sources.text.layout import (
    SEPARATORS,
    count_surplus,
    format_separator,
    list_row_lines,
    open_lines,
    read_names,
    skip_header,
    translate_errors,
)
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, SourceError

__all__ = [
    "SEPARATORS",
    "SOURCE",
    "count_lines",
    "list_lines",
    "read_chunks",
    "read_names",
    "read_rows",
    "require_path",
]

ENDINGS = (".csv", ".tsv", ".txt", ".dat", ".log", ".jtl", ".data")

_BLOCK = 1 << 20
_SURPLUS = "\0beyond the header"


def read_rows(data: Data, path: str, columns: list[str] | None, window: Window | None = None) -> pd.DataFrame:
    """Read whole files, or some of their columns; text has no index, so a window does not limit the read.

    Parameters
    ----------
    data : Data
        How the text is written, and the columns that stay text.
    path : str
        A file, a folder, a glob, or the address of a file.
    columns : list of str or None
        None reads all columns.

    Returns
    -------
    DataFrame of shape (n, d), n >= 1
        A column stays text if one of its cells is not a number.

    Raises
    ------
    SourceError
        If a file is missing, empty, in another encoding, ragged, has another separator, or exceeds a limit.
    ColumnError
        If a name is duplicated or not printable, one of `columns` does not exist, or files differ in columns.
    """
    paths = list_files(path, ENDINGS)
    frame = join_tables(paths, lambda file: _read_file(data, file, columns), data.limits)
    if frame.empty:
        raise SourceError(f"{path} has a header ({frame.shape[1]} columns) but no rows")
    return frame


def read_chunks(data: Data, path: str, size: int) -> Iterator[pd.DataFrame]:
    """Yield the same rows in parts of at most `size`; each part decides anew whether a column is numeric.

    Raises
    ------
    SourceError, ColumnError
        As :func:`read_rows`, for the parts read so far.
    """
    paths, names = list_files(path, ENDINGS), None
    for file_path in paths:
        with open_local(file_path) as file:
            for part in _read_parts(data, file, size):
                names = names or list(part.columns)
                yield arrange_columns(part, names, file_path, paths[0])


def count_lines(data: Data, path: str) -> int:
    """Count the lines below the header: an upper bound of the rows, because a cell may hold line breaks."""
    total = 0
    for file_path in list_files(path, ENDINGS):
        with open_local(file_path) as file, translate_errors(file, data), open_lines(file, data) as content:
            skip_header(content, data)
            count, ends_with_break = 0, True
            while block := content.read(_BLOCK):
                count, ends_with_break = count + block.count(b"\n"), block.endswith(b"\n")
            total += count + (not ends_with_break)
    return total


def list_lines(data: Data, path: str) -> RowLines:
    """Return the lines on which the rows begin, of each file.

    Raises
    ------
    SourceError
        If a file is missing or cannot be read.
    """
    paths, lines = list_files(path, ENDINGS), []
    for file_path in paths:
        with open_local(file_path) as file:
            lines.append(list_row_lines(file, data))
    return RowLines(tuple(paths), tuple(lines))


def _read_file(data: Data, path: str, columns: list[str] | None) -> pd.DataFrame:
    """Return the rows of one file; none if it has only a header."""
    with open_local(path) as file, translate_errors(file, data):
        names = _require_names(file, data, columns)
        if data.header and not data.names and not data.strip_names and not data.unit_rows:
            try:
                with open_lines(file, data) as content:
                    reader = _open_reader(data, content, names, columns, has_header=True)
                    return _finish_rows(reader.read(), data)
            except (pd.errors.ParserError, pd.errors.ParserWarning):
                extra = count_surplus(file, data, len(names))
                if not extra:
                    raise
        else:
            extra = 1
        try:
            return _read_named(data, file, names, columns, extra)
        except pd.errors.ParserError:
            return _read_named(data, file, names, columns, count_surplus(file, data, len(names)))


def _read_named(
    data: Data, file: Path, names: list[str], columns: list[str] | None, extra: int
) -> pd.DataFrame:
    """Return the rows below the header; `extra` empty cells may follow the named ones."""
    surplus = [f"{_SURPLUS} {number}" for number in range(extra)]
    with open_lines(file, data) as content:
        skip_header(content, data)
        try:
            reader = _open_reader(data, content, [*names, *surplus], columns and [*columns, *surplus])
            frame = reader.read()
        except pd.errors.EmptyDataError:
            return pd.DataFrame({name: [] for name in columns or names})
    return _finish_rows(_drop_surplus(frame, file, data, len(names)), data)


def _read_parts(data: Data, file: Path, size: int, extra: int = 1, skip: int = 0) -> Iterator[pd.DataFrame]:
    """Yield the rows of one file but the first `skip`, a multiple of `size`."""
    with translate_errors(file, data):
        names = _require_names(file, data, None)
    surplus = [f"{_SURPLUS} {number}" for number in range(extra)]
    rows = 0
    with open_lines(file, data) as content:
        with translate_errors(file, data):
            skip_header(content, data)
            try:
                # pandas accepts a first line of a part that is too wide, so surplus cells get columns.
                parts = _open_reader(data, content, [*names, *surplus], None, size)
            except pd.errors.EmptyDataError:
                return
        while True:
            with translate_errors(file, data):
                try:
                    part = next(parts, None)
                except pd.errors.ParserError:
                    width = count_surplus(file, data, len(names))
                    if width <= extra:
                        raise
                    break
                if part is None:
                    return
                rows += len(part)
                part = _finish_rows(_drop_surplus(part, file, data, len(names)), data)
            if rows > skip:
                yield part
    yield from _read_parts(data, file, size, width, max(rows, skip))


def _require_names(file: Path, data: Data, columns: list[str] | None) -> list[str]:
    names = read_names(file, data)
    if columns and (unknown := [name for name in columns if name not in names]):
        near = get_close_matches(unknown[0], names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ColumnError(f"{file}: no column {unknown[0]!r}; {hint}it has {names}")
    return names


def _drop_surplus(frame: pd.DataFrame, file: Path, data: Data, width: int) -> pd.DataFrame:
    surplus = [name for name in frame.columns if name.startswith(_SURPLUS)]
    if frame[surplus].notna().to_numpy().any():
        count_surplus(file, data, width)
    return frame.drop(columns=surplus)


def _finish_rows(frame: pd.DataFrame, data: Data) -> pd.DataFrame:
    if data.decimal == "," or data.thousands or data.strip_names or data.missing_values:
        return read_numbers(frame, data)
    return frame


def _open_reader(
    data: Data,
    content: IO[bytes],
    names: list[str],
    columns: list[str] | None,
    size: int | None = None,
    *,
    has_header: bool = False,
) -> TextFileReader:
    """Return pandas' reader of the rows; `names` are those of the columns, also where the text has them."""
    texts = [*list_text_columns(data), *(name for name in names if name.startswith(_SURPLUS))]
    missing = {name: list(data.missing_values) for name in names if name not in texts}
    return pd.read_csv(
        content,
        names=None if has_header else names,
        header=0 if has_header else None,
        sep=format_separator(data),
        quotechar=data.quote,
        decimal=data.decimal,
        encoding="utf-8-sig",
        dtype=dict.fromkeys(texts, "str"),
        na_values=missing if data.missing_values else None,
        usecols=columns,
        index_col=False,
        skipinitialspace=data.strip_names,
        low_memory=False,
        float_precision="round_trip" if data.decimal == "." else None,
        iterator=True,
        chunksize=size,
    )


SOURCE = SourceKind(
    read_rows,
    endings=ENDINGS,
    count_rows=lambda data, window: count_lines(data, str(data.path)),
    read_chunks=lambda data, window, rows: read_chunks(data, str(data.path), rows),
    list_lines=list_lines,
    reads_whole=True,
)
