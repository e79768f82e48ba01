"""Delimited text, plain or compressed (``.gz``, ``.bz2``, ``.xz``, ``.zip``), UTF-8, with a header row.

The header is read here first: pandas renames duplicated columns and turns a surplus one into an index
without a word. Numbers keep their exact value. What is too long, or unpacks without end, is refused while it
is read (``data.limits``). Called through ``SOURCES``.
"""

from __future__ import annotations

import warnings
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from pynomaly.config import Data, Limits
from pynomaly.data.places import is_address, place
from pynomaly.data.sources import bounded
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, SourceError

__all__ = ["SEPARATORS", "existing", "header", "rows"]

SEPARATORS = (",", ";", "\t", "|")

_COMMA_NUMBER = r"^\s*([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)\s*$"


def rows(data: Data, path: str, columns: list[str] | None, window: Window | None = None) -> pd.DataFrame:
    """Read the whole file, or some columns of it; text has no index, so a window reads all of it, too.

    Parameters
    ----------
    data : Data
        Separator, decimal mark, and the columns that stay text: time, id and the categorical ones.
    path : str
    columns : list of str or None
        None reads all.

    Returns
    -------
    DataFrame of shape (n, d), n >= 1
        A column with a cell that is not a number stays text.

    Raises
    ------
    SourceError
        If the file is missing, empty, not UTF-8, ragged, split by another separator, or past a limit.
    ColumnError
        If a name is duplicated or cannot be shown, or one of `columns` does not exist.
    """
    if not is_address(path):
        return _rows(data, existing(path), columns)
    try:
        with place(path).local() as copy:
            try:
                return _rows(data, copy, columns)
            except (SourceError, ColumnError) as error:
                raise type(error)(str(error).replace(str(copy), path)) from error
    except FileNotFoundError as error:
        raise SourceError(f"nothing lies at {path}: {error.strerror}") from error
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error


def _rows(data: Data, file: Path, columns: list[str] | None) -> pd.DataFrame:
    names = header(file, data.separator, data.limits)
    if columns and (unknown := [name for name in columns if name not in names]):
        near = get_close_matches(unknown[0], names, n=1)
        raise ColumnError(f"{file}: no column {unknown[0]!r}; {_hint(near)}it has {names}")
    text = {name: "str" for name in (data.time, data.id, *data.categorical) if name in names}
    try:
        with bounded.text(file, data.limits) as content, warnings.catch_warnings():
            # Rows wider than the header would lose their last cells with no more than a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                content,
                sep=data.separator,
                decimal=data.decimal,
                encoding="utf-8-sig",
                dtype=text,
                usecols=columns,
                index_col=False,
                low_memory=False,
                float_precision="round_trip" if data.decimal == "." else None,
            )
    except SourceError:
        raise
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError, OSError) as error:
        raise SourceError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    if frame.empty:
        raise SourceError(f"{file} has a header ({len(names)} columns) but no rows")
    return _with_points(frame, set(text)) if data.decimal == "," else frame


def header(file: Path, separator: str, limits: Limits) -> list[str]:
    """Column names as written.

    Raises
    ------
    SourceError
        If the file is empty, not UTF-8, its header is split by another separator, or it is past a limit.
    ColumnError
        If a name occurs more than once, or cannot be shown.
    """
    try:
        with bounded.text(file, limits) as content:
            first = pd.read_csv(content, sep=separator, header=None, nrows=1, dtype=str, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        raise SourceError(f"{file} is empty; expected a header and rows") from None
    except SourceError:
        raise
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise SourceError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    names = ["" if pd.isna(name) else str(name) for name in first.iloc[0]]
    if len(names) == 1 and (other := [mark for mark in SEPARATORS if mark != separator and mark in names[0]]):
        raise SourceError(
            f"{file}: no {separator!r} in the header {names[0]!r}; set data.separator to {other[0]!r}"
        )
    bounded.checked_names(names, file, limits)
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise ColumnError(f"{file}: column {', '.join(map(repr, twice))} occurs more than once in the header")
    return [name or f"Unnamed: {position}" for position, name in enumerate(names)]


def existing(path: str, *, folder: bool = False) -> Path:
    """The file (or folder, if allowed) at `path`.

    Raises
    ------
    SourceError
        If nothing is there, naming what is near, or a folder is where a file belongs.
    """
    place = Path(path).expanduser()
    if place.is_file() or (folder and place.is_dir()):
        return place
    if place.is_dir():
        raise SourceError(f"{place} is a folder; a file belongs here")
    beside = sorted(item.name for item in place.parent.iterdir()) if place.parent.is_dir() else []
    near = get_close_matches(place.name, beside, n=3)
    raise SourceError(
        f"no file {str(place)!r}; {_hint(near)}the folder {place.parent} holds {beside[:10] or 'nothing'}"
    )


def _hint(near: list[str]) -> str:
    return f"did you mean {near[0]!r}? " if near else ""


def _with_points(frame: pd.DataFrame, text: set[str]) -> pd.DataFrame:
    """Spell the readable numbers of half-readable columns with a point, as every later reader expects."""
    for name in frame.columns:
        if name not in text and pd.api.types.is_string_dtype(frame[name].dtype):
            frame[name] = frame[name].str.replace(_COMMA_NUMBER, r"\1.\2", regex=True)
    return frame
