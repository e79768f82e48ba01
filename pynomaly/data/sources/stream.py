"""Rows of a stream as they were kept: Parquet files under ``data.path``, each part of one window.

Written by :mod:`pynomaly.data.streams`, by columns that were read already: a cell has its
type, and a time is a time. Only the files of the windows that are asked for are opened. Called through
``SOURCES``.
"""

from __future__ import annotations

import pandas as pd

from pynomaly.config import Data
from pynomaly.data.places import resolve_place
from pynomaly.data.sources import parquet
from pynomaly.data.sources.kind import SourceKind
from pynomaly.data.window import Window
from pynomaly.errors import SourceError

__all__ = ["SOURCE", "find_span", "list_kept_windows", "name_window", "read_rows"]


def list_kept_windows(path: str) -> tuple[Window, ...]:
    """Return the windows whose rows are kept under `path`, oldest first."""
    try:
        addresses = tuple(resolve_place(path).list_addresses())
    except FileNotFoundError:
        return ()
    keys = {name_window(address) for address in addresses}
    return tuple(sorted(window for key in keys if (window := Window.of_key(key)) is not None))


def read_rows(data: Data, path: str, columns: list[str] | None, window: Window | None = None) -> pd.DataFrame:
    """Read the rows kept for the windows that overlap `window`; None reads all.

    Raises
    ------
    SourceError
        If nothing is kept yet, or not of this time.
    """
    kept = list_kept_windows(path)
    if not kept:
        raise SourceError(
            f"{path} keeps no rows of a stream yet; `pynomaly stream` keeps those of a window when it closes"
        )
    wanted = {item.key for item in kept if window is None or _overlap(item, window)}
    if not wanted:
        wanted = {kept[-1].key}  # the caller's error names the range
    return parquet.read_rows(data, path, columns, None, lambda file: name_window(file) in wanted)


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


def _overlap(first: Window, second: Window) -> bool:
    return first.start < second.end and second.start < first.end


def name_window(file: str) -> str:
    """Return the key of the window that a file is named by; "" for a file of another kind."""
    name = file.rsplit("/", 1)[-1]
    return name.split(".", 1)[0] if name.endswith(".parquet") else ""


SOURCE = SourceKind(read_rows, find_span=find_span, is_shaped=True)
