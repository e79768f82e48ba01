"""Delimited text, plain or compressed (``.gz``, ``.bz2``, ``.xz``, ``.zip``), UTF-8, with a header row.

The header is read here first, because pandas silently renames duplicated columns and turns a surplus column
into an index. Numbers keep their exact value. A file that is too long or unpacks to too much is an error
while it is read (``data.limits``). Called through ``SOURCES``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import IO

import pandas as pd
from pandas.io.parsers import TextFileReader

from pynomaly.config import Data, Limits
from pynomaly.data.places import is_address, resolve_place
from pynomaly.data.sources import bounded
from pynomaly.data.sources.kind import SourceKind
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, SourceError

__all__ = ["SEPARATORS", "SOURCE", "count_lines", "read_chunks", "read_header", "read_rows", "require_path"]

SEPARATORS = (",", ";", "\t", "|")

_BLOCK = 1 << 20
_SURPLUS = "\0more than the header has"
_COMMA_NUMBER = r"^\s*([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)\s*$"


def read_rows(data: Data, path: str, columns: list[str] | None, window: Window | None = None) -> pd.DataFrame:
    """Read the whole file, or some of its columns; text has no index, so a window does not limit the read.

    Parameters
    ----------
    data : Data
        Separator, decimal mark, and the columns that stay text: time, id and the categorical ones.
    path : str
    columns : list of str or None
        None reads all columns.

    Returns
    -------
    DataFrame of shape (n, d), n >= 1
        A column stays text if one of its cells is not a number.

    Raises
    ------
    SourceError
        If the file is missing, empty, not UTF-8, ragged, has another separator, or exceeds a limit.
    ColumnError
        If a name is duplicated or not printable, or one of `columns` does not exist.
    """
    with _open_local(path) as file:
        names = _read_names(file, data, columns)
        with bounded.open_text(file, data.limits) as content, _translate_errors(file):
            frame = _open_reader(data, content, None, columns).read()
    if frame.empty:
        raise SourceError(f"{path} has a header ({len(names)} columns) but no rows")
    return _replace_commas(frame, data) if data.decimal == "," else frame


def read_chunks(data: Data, path: str, size: int) -> Iterator[pd.DataFrame]:
    """Yield the same rows in parts of at most `size`; each part decides anew whether a column is numeric.

    Raises
    ------
    SourceError, ColumnError
        As :func:`read_rows`, for the parts read so far.
    """
    rows_before = 0
    with _open_local(path) as file:
        names = _read_names(file, data, None)
        with bounded.open_text(file, data.limits) as content:
            with _translate_errors(file):
                # pandas accepts a first line of a part that is too wide, so surplus cells get a column.
                parts = _open_reader(data, content, [*names, _SURPLUS], None, size)
            while True:
                with _translate_errors(file):
                    part = next(parts, None)
                if part is None:
                    return
                has_surplus = part.pop(_SURPLUS).notna().to_numpy()
                if has_surplus.any():
                    row = rows_before + int(has_surplus.argmax()) + 1
                    raise SourceError(
                        f"{file} cannot be read: row {row} has more cells than the header ({len(names)})"
                    )
                rows_before += len(part)
                yield _replace_commas(part, data) if data.decimal == "," else part


def count_lines(data: Data, path: str) -> int:
    """Count the lines below the header: an upper bound of the rows, because a cell may hold line breaks."""
    count, ends_with_break = 0, True
    with _open_local(path) as file, bounded.open_text(file, data.limits) as content:
        while block := content.read(_BLOCK):
            count, ends_with_break = count + block.count(b"\n"), block.endswith(b"\n")
    return count - 1 + (not ends_with_break)


@contextmanager
def _open_local(path: str) -> Iterator[Path]:
    """Yield the file itself, or a local copy of the file at an address; messages name the address."""
    if not is_address(path):
        yield require_path(path)
        return
    try:
        with resolve_place(path).open_local() as copy:
            try:
                yield copy
            except (SourceError, ColumnError) as error:
                raise type(error)(str(error).replace(str(copy), path)) from error
    except FileNotFoundError as error:
        raise SourceError(f"nothing lies at {path}: {error.strerror}") from error
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error


@contextmanager
def _translate_errors(file: Path) -> Iterator[None]:
    """Turn pandas' errors and warnings about a text into one SourceError."""
    try:
        with warnings.catch_warnings():
            # Rows wider than the header would lose their last cells with only a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield
    except SourceError:
        raise
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError, OSError) as error:
        raise SourceError(f"{file} cannot be read: {' '.join(str(error).split())}") from error


def _read_names(file: Path, data: Data, columns: list[str] | None) -> list[str]:
    names = read_header(file, data.separator, data.limits)
    if columns and (unknown := [name for name in columns if name not in names]):
        near = get_close_matches(unknown[0], names, n=1)
        raise ColumnError(f"{file}: no column {unknown[0]!r}; {_format_hint(near)}it has {names}")
    return names


def _list_text_columns(data: Data) -> tuple[str, ...]:
    """Return the columns that stay text."""
    return tuple(filter(None, (data.time, data.id, *data.categorical)))


def _open_reader(
    data: Data,
    content: IO[bytes],
    names: list[str] | None,
    columns: list[str] | None,
    size: int | None = None,
) -> TextFileReader:
    """Return pandas' reader; `names` replace the header's names, and lines may be as wide as these."""
    return pd.read_csv(
        content,
        names=names,
        header=None if names else 0,
        skiprows=1 if names else None,
        sep=data.separator,
        decimal=data.decimal,
        encoding="utf-8-sig",
        dtype=dict.fromkeys(_list_text_columns(data), "str"),
        usecols=columns,
        index_col=False,
        low_memory=False,
        float_precision="round_trip" if data.decimal == "." else None,
        iterator=True,
        chunksize=size,
    )


def read_header(file: Path, separator: str, limits: Limits) -> list[str]:
    """Return the column names as written in the file.

    Raises
    ------
    SourceError
        If the file is empty, not UTF-8, its header has another separator, or it exceeds a limit.
    ColumnError
        If a name occurs more than once, or is not printable.
    """
    try:
        with bounded.open_text(file, limits) as content:
            first = pd.read_csv(content, sep=separator, header=None, nrows=1, dtype=str, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        raise SourceError(f"{file} is empty; expected a header and rows") from None
    except SourceError:
        raise
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise SourceError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    names = ["" if pd.isna(name) else str(name) for name in first.iloc[0]]
    if len(names) == 1 and (
        other_marks := [mark for mark in SEPARATORS if mark != separator and mark in names[0]]
    ):
        raise SourceError(
            f"{file}: no {separator!r} in the header {names[0]!r}; set data.separator to {other_marks[0]!r}"
        )
    bounded.check_names(names, file, limits)
    if duplicates := sorted({name for name in names if name and names.count(name) > 1}):
        raise ColumnError(
            f"{file}: column {', '.join(map(repr, duplicates))} occurs more than once in the header"
        )
    return [name or f"Unnamed: {position}" for position, name in enumerate(names)]


def require_path(path: str, *, folder: bool = False) -> Path:
    """Return the file (or folder, if `folder` is True) at `path`.

    Raises
    ------
    SourceError
        If nothing exists there (the message suggests similar names), or it is a folder and must be a file.
    """
    place = Path(path).expanduser()
    if place.is_file() or (folder and place.is_dir()):
        return place
    if place.is_dir():
        raise SourceError(f"{place} is a folder; a file belongs here")
    siblings = sorted(item.name for item in place.parent.iterdir()) if place.parent.is_dir() else []
    near = get_close_matches(place.name, siblings, n=3)
    raise SourceError(
        f"no file {str(place)!r}; {_format_hint(near)}"
        f"the folder {place.parent} holds {siblings[:10] or 'nothing'}"
    )


def _format_hint(near: list[str]) -> str:
    return f"did you mean {near[0]!r}? " if near else ""


def _replace_commas(frame: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Write a decimal point in the readable numbers of text columns, as later readers expect."""
    for name in frame.columns:
        if name not in _list_text_columns(data) and pd.api.types.is_string_dtype(frame[name].dtype):
            frame[name] = frame[name].str.replace(_COMMA_NUMBER, r"\1.\2", regex=True)
    return frame


SOURCE = SourceKind(
    read_rows,
    endings=(".csv",),
    count_rows=lambda data, window: count_lines(data, str(data.path)),
    read_chunks=lambda data, window, rows: read_chunks(data, str(data.path), rows),
    reads_whole=True,
)
