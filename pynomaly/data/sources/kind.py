"""What the package needs to know of a kind of source; each module of a kind has one, called `SOURCE`.

Called by :mod:`pynomaly.data.sources`, which lists the kinds, and by the one-pass training sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from pynomaly.config import Data
from pynomaly.data.origin import RowLines
from pynomaly.data.window import Window

__all__ = ["Reader", "SourceKind"]

Reader = Callable[[Data, str, list[str] | None, Window | None], pd.DataFrame]
"""``(data, path, columns, window)`` to unchanged rows; None reads all. Rows outside the window may come."""


@dataclass(frozen=True)
class SourceKind:
    """How the rows of one kind of source are read; only `read_rows` is required.

    Attributes
    ----------
    read_rows : Reader
    endings : tuple of str
        Endings of file names that mean this kind, lower case.
    read_dataset : callable, optional
        ``(data, window, as_of)`` to rows: instead of `read_rows`, for a table that depends on the moment.
    find_span : callable, optional
        ``data`` to the window of all rows, None without times: instead of the smallest and the largest time.
    read_edges : callable, optional
        ``data`` to the smallest and the largest time, for a source that need not be read for that.
    count_rows : callable, optional
        ``(data, window)`` to an upper bound of the rows. Without it, rows are never sampled while being read.
    read_chunks : callable, optional
        ``(data, window, rows)`` to parts of the rows, in an order that is the same in each run.
    list_lines : callable, optional
        ``(data, path)`` to the lines on which its rows begin, for a source that is text.
    has_row_groups : bool
        Whether it is a Parquet table, which is sampled and scored by row groups.
    reads_whole : bool
        Whether every row must be read to find those of a window.
    is_shaped : bool
        Whether its cells were read already, so that no setting says how they are written.
    has_raw_text : bool
        Whether its text cells still have the marks of ``data.decimal`` and ``data.thousands``, because it has
        types of its own.
    """

    read_rows: Reader
    endings: tuple[str, ...] = ()
    read_dataset: Callable[[Data, Window | None, datetime | None], pd.DataFrame] | None = None
    find_span: Callable[[Data], Window | None] | None = None
    read_edges: Callable[[Data], pd.Series[Any]] | None = None
    count_rows: Callable[[Data, Window | None], int] | None = None
    read_chunks: Callable[[Data, Window | None, int], Iterator[pd.DataFrame]] | None = None
    list_lines: Callable[[Data, str], RowLines] | None = None
    has_row_groups: bool = False
    reads_whole: bool = False
    has_raw_text: bool = False
    is_shaped: bool = False
