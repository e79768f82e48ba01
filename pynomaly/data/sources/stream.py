"""Rows of a stream as they were kept: Parquet files under ``data.path``, each part of one window.

Written by :mod:`pynomaly.data.streams`, by columns that were read already: a cell has its
type, and a time is a time. Only the files of the windows that are asked for are opened. Called through
``SOURCES``.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from pynomaly.config import Data
from pynomaly.data.places import resolve_place
from pynomaly.data.sources import parquet
from pynomaly.data.sources.kind import SourceKind
from pynomaly.data.window import Window
from pynomaly.errors import SourceError

__all__ = ["SOURCE", "find_span", "list_kept_windows", "name_window", "read_rows"]

_SECOND = 15
"""Characters of a moment in the key of a window, up to its second."""


def list_kept_windows(path: str) -> tuple[Window, ...]:
    """Return the windows whose rows are kept under `path`, oldest first."""
    return tuple(sorted(_group_by_window(resolve_place(path).list_names())))


def _group_by_window(names: Iterable[str]) -> dict[Window, list[str]]:
    """Return the names of the files of each kept window, in the order of their rows."""
    files: dict[Window, list[str]] = {}
    for name in names:
        if (window := Window.of_key(name_window(name))) is not None:
            files.setdefault(window, []).append(name)
    return files


def read_rows(data: Data, path: str, columns: list[str] | None, window: Window | None = None) -> pd.DataFrame:
    """Read the rows kept for the windows that overlap `window`; None reads all.

    Raises
    ------
    SourceError
        If nothing is kept yet, or not of this time.
    """
    names = tuple(resolve_place(path).list_names())
    near = names if window is None else _choose_near(names, window)
    kept = _group_by_window(near)
    wanted = [item for item in kept if window is None or _overlap(item, window)]
    if not wanted and not (kept := _group_by_window(names)):
        raise SourceError(
            f"{path} keeps no rows of a stream yet; `pynomaly stream` keeps those of a window when it closes"
        )
    wanted = wanted or [max(kept)]  # the caller's error names the range
    files = sorted(name for item in wanted for name in kept[item])
    return parquet.read_rows(data, path, columns, names=files)


def find_span(data: Data) -> Window | None:
    """Return the window from the first to the last kept window.

    Raises
    ------
    SourceError
        If nothing is kept yet.
    """
    kept = list_kept_windows(str(data.path))
    if not kept:
        raise SourceError(f"{data.path} keeps no rows of a stream yet; start `pynomaly stream`")
    return Window(kept[0].start, max(item.end for item in kept))


def _choose_near(names: Iterable[str], window: Window) -> list[str]:
    """Return the names of files that may hold rows of a window, by their text: there may be 100,000."""
    start, _, end = window.key.partition("--")
    start, end = start[:_SECOND], end[:_SECOND]
    return [name for name in names if name[:_SECOND] <= end and name.partition("--")[2][:_SECOND] >= start]


def _overlap(first: Window, second: Window) -> bool:
    return first.start < second.end and second.start < first.end


def name_window(file: str) -> str:
    """Return the key of the window that a file is named by; "" for a file of another kind."""
    return file.split(".", 1)[0] if file.endswith(".parquet") else ""


SOURCE = SourceKind(read_rows, find_span=find_span, is_shaped=True)
