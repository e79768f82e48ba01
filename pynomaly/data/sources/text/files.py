"""The files of a source: one, those of a folder, those that a glob matches, or one at an address.

The tables of several files are read one after the other, in the order of their paths, and must have the same
columns. Called by the readers of files.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

import pandas as pd
from pandas.api import types

from pynomaly.config import Limits
from pynomaly.data.places import is_address, resolve_place
from pynomaly.data.sources import bounded
from pynomaly.errors import ColumnError, SourceError, list_allowed

__all__ = [
    "PACKED",
    "arrange_columns",
    "has_ending",
    "is_glob",
    "join_tables",
    "list_files",
    "list_names",
    "open_local",
    "pick_columns",
    "require_path",
]

PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""Endings of packed text."""

_NO_TABLES = ("readme", "license", "changelog")


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
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise SourceError(
        f"no file {str(place)!r}; {hint}the folder {place.parent} holds {siblings[:10] or 'nothing'}"
    )


@contextmanager
def open_local(path: str) -> Iterator[Path]:
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


def has_ending(name: str, endings: Sequence[str]) -> bool:
    """Return whether a file's name ends in one of `endings`, or in one of them and that of a packed file."""
    name = name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return name.endswith(tuple(endings))


def is_glob(path: str) -> bool:
    """Return whether `path` is a pattern like ``data/2026-*.csv``, and no file of that very name."""
    return not is_address(path) and glob.has_magic(path) and not Path(path).expanduser().exists()


def _list_folder(folder: Path) -> list[Path]:
    """Return every file under `folder` in the order of the paths, but hidden ones and what is to be read."""
    return sorted(
        item
        for item in folder.rglob("*")
        if item.is_file()
        and not any(part.startswith((".", "_")) for part in item.relative_to(folder).parts)
        and not _is_about_files(item.name)
    )


def _is_about_files(name: str) -> bool:
    return Path(name).name.lower().startswith(_NO_TABLES)


def list_names(path: str) -> list[str]:
    """Return the paths of all files that a folder holds or a glob matches, of any ending; may be none."""
    if is_glob(path):
        matches = sorted(glob.glob(str(Path(path).expanduser()), recursive=True))
        return [item for item in matches if Path(item).is_file() and not _is_about_files(item)]
    return [str(item) for item in _list_folder(Path(path).expanduser())]


def list_files(path: str, endings: Sequence[str]) -> list[str]:
    """Return the files that `path` stands for: itself, those of a folder, or those that a glob matches.

    Parameters
    ----------
    path : str
        A file, an address, a folder or a glob (``*``, ``?``, ``[...]``, and ``**`` for any folders).
    endings : sequence of str
        Of a folder the files with these endings, packed or not, are taken; of a glob all that it matches. A
        file whose name begins with ``readme``, ``license`` or ``changelog`` is none of them.

    Raises
    ------
    SourceError
        If no file matches.
    """
    if is_address(path):
        return [path]
    if is_glob(path):
        if paths := list_names(path):
            return paths
        raise SourceError(f"no file matches {path!r}")
    place = Path(path).expanduser()
    if not place.is_dir():
        return [path]
    if paths := [item for item in list_names(path) if has_ending(item, endings)]:
        return paths
    raise SourceError(f"no file under {place} ends in {', '.join(endings)}")


def join_tables(
    paths: Sequence[str], read_table: Callable[[str], pd.DataFrame], limits: Limits
) -> pd.DataFrame:
    """Read the table of each file and concatenate them.

    Raises
    ------
    SourceError
        As `read_table`; or if the files together hold more than ``limits.cells``.
    ColumnError
        If a file has other columns than the first; their order may differ.
    """
    if len(paths) == 1:
        return read_table(paths[0])
    tables: list[pd.DataFrame] = []
    rows = 0
    for path in paths:
        table = read_table(path)
        if tables:
            table = arrange_columns(table, list(tables[0].columns), path, paths[0])
        rows += len(table)
        bounded.check_size(rows, table.shape[1], f"{paths[0]} to {path}", limits)
        tables.append(table)
    filled = [table for table in tables if len(table)] or tables[:1]
    for name in filled[0].columns:
        parts = [table[name] for table in filled]
        if len({types.is_numeric_dtype(part) and not types.is_bool_dtype(part) for part in parts}) > 1:
            for table, part in zip(filled, parts, strict=True):
                table[name] = part.map(str, na_action="ignore").astype("str")  # as one file of them would be
    return pd.concat(filled, ignore_index=True)


def arrange_columns(table: pd.DataFrame, names: list[str], path: str, first: str) -> pd.DataFrame:
    """Return the columns of the file `path` in the order of the file `first`.

    Raises
    ------
    ColumnError
        If one of them has a column that the other lacks.
    """
    if list(table.columns) == names:
        return table
    for wrong, owner, other in (
        ([name for name in names if name not in table.columns], first, path),
        ([name for name in table.columns if name not in names], path, first),
    ):
        if wrong:
            raise ColumnError(
                f"{path} has other columns than {first}: {wrong[0]!r} is in {owner} and not in {other}; "
                "files that are read together have the same columns, in any order"
            )
    return table[names]


def pick_columns(frame: pd.DataFrame, path: str, columns: Sequence[str] | None) -> pd.DataFrame:
    """Return the columns of a table by name and in that order; all of them for None or no name.

    Raises
    ------
    ColumnError
        If one does not exist; the message names the nearest.
    """
    for name in columns or ():
        if name not in frame.columns:
            raise ColumnError(f"{path}: no column {name!r}; {list_allowed(name, list(frame.columns))}")
    return frame[list(columns)] if columns else frame
