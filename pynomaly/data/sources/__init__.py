"""Read the rows of a window from a pipeline's source, always in one shape.

Each kind in ``pynomaly.config.SOURCE_KINDS`` is a module of its name with a `SOURCE`. Their rows are
normalised here: times in UTC, rows sorted by time and entity, labels 0, 1 or unknown.

Called by `intake`, `migration`, `streams`, `console.queries`, `serving` and `steps`. May import `places`,
`shape`, `relations`, the modules of `data` and the wings below `data`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd

from pynomaly.config import SOURCE_KINDS, Data
from pynomaly.data import series
from pynomaly.data.frame import require_columns
from pynomaly.data.origin import Origin, RowLines, find_unread_cells
from pynomaly.data.past import attach_past
from pynomaly.data.places import is_address
from pynomaly.data.relations import add_relations
from pynomaly.data.shape.counters import difference_counters
from pynomaly.data.shape.moments import list_time_sources, place_moments
from pynomaly.data.sources.described import drop_cell_settings, drop_file_settings
from pynomaly.data.sources.kind import Reader, SourceKind
from pynomaly.data.sources.normalize import order_rows, select_window, shape_rows
from pynomaly.data.sources.text.files import has_ending, is_glob, list_names
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, PynomalyError, SourceError, WindowError, list_allowed

__all__ = [
    "SOURCES",
    "Reader",
    "SourceKind",
    "TracedRows",
    "WindowReader",
    "find_source_kind",
    "infer_source_kind",
    "look_back",
    "read_source",
    "read_span",
    "trace_rows",
]

SOURCES: dict[str, SourceKind] = {
    name: import_module(f"pynomaly.data.sources.{name}").SOURCE for name in SOURCE_KINDS
}
"""Every kind of source by its name in the settings."""


def read_source(
    data: Data, window: Window | None = None, as_of: datetime | None = None, path: str | None = None
) -> pd.DataFrame:
    """Read the rows of a window, with their features of ``data.series`` and ``data.graph``, and increases.

    Parameters
    ----------
    data : Data
        The pipeline's source and its columns.
    window : Window, optional
        Read the rows whose time lies in it. A row with an unreadable time belongs to the window of the row
        before it, so that validation quarantines it once. None reads everything.
    as_of : datetime, optional
        Aware. Labels that became known later (``time + label_delay``) are NaN.
    path : str, optional
        Read this file, folder or glob instead of ``data.path``; its name gives its kind. It may lack the
        label. Where its kind is not that of ``data.path``, the settings that describe the pipeline's own file
        (``sheet``, ``encoding``, ``skip_rows``, ``comment``, ``header``, ``names``, ``unit_rows``) do not
        hold for it: new rows in a workbook have no preamble because the CSV file had one.

    Returns
    -------
    DataFrame of shape (n, d)
        Range index; the time column is ``datetime64[us, UTC]`` (NaT where it cannot be read), the label
        float64 in {0, 1, NaN}; sorted by time, then entity, then position in the source.

    Raises
    ------
    SourceError
        If the source is missing, unreadable or empty.
    ColumnError
        If a name is duplicated, or the time, id or label column does not exist.
    WindowError
        If times are naive and no zone is declared, or no row lies in `window`.
    DataError
        If a label is neither 0, 1, true, false nor missing.
    """
    return trace_rows(data, window, as_of, path).frame


@dataclass(frozen=True, eq=False)
class TracedRows:
    """Rows as :func:`read_source` returns them, with their places in the source.

    Attributes
    ----------
    frame : DataFrame of shape (n, d)
    origin : Origin
        Where each row stands in the source.
    raw : DataFrame of shape (m, k) or None
        Every row of the source in its order, as it was read; kept where asked for.
    """

    frame: pd.DataFrame
    origin: Origin
    raw: pd.DataFrame | None = None


def trace_rows(
    data: Data,
    window: Window | None = None,
    as_of: datetime | None = None,
    path: str | None = None,
    *,
    keep_raw: bool = False,
) -> TracedRows:
    """Read rows as :func:`read_source` does, and keep where each of them stands in the source.

    Errors are those of :func:`read_source`.
    """
    parsed = _parse_rows(data, window, as_of, path)
    before = None if path is None or window is not None else _read_before(data, parsed.frame)
    rows = _select_rows(data, parsed, window, as_of, before)
    return replace(rows, raw=parsed.raw) if keep_raw else rows


@dataclass(frozen=True, eq=False)
class _ParsedRows:
    """Rows with times and labels read, in the source's order; the index is the position there."""

    frame: pd.DataFrame
    raw: pd.DataFrame
    unread: dict[int, str | None]
    find_lines: Callable[[], RowLines | None] | None


class WindowReader:
    """Reads windows of one source; a file that must be read whole is read once for all of them.

    The rows of such a file stay in memory as long as the reader: it belongs to one run.

    Parameters
    ----------
    data : Data
        The pipeline's source and its columns.
    """

    def __init__(self, data: Data) -> None:
        self._data = data
        self._whole: _ParsedRows | None = None

    def read(self, window: Window | None, as_of: datetime | None = None) -> pd.DataFrame:
        """Return what :func:`read_source` returns for `window`; errors are the same."""
        return self.trace(window, as_of).frame

    def trace(self, window: Window | None, as_of: datetime | None = None) -> TracedRows:
        """Return what :func:`trace_rows` returns for `window`; errors are the same."""
        if not _require_kind(self._data.source).reads_whole or self._data.time is None:
            return trace_rows(self._data, window, as_of)
        if self._whole is None:
            parsed = _parse_rows(self._data, None, None, None)
            self._whole = replace(parsed, raw=parsed.raw.iloc[:0])
        return _select_rows(self._data, self._whole, window, as_of)


def _parse_rows(data: Data, window: Window | None, as_of: datetime | None, path: str | None) -> _ParsedRows:
    """Return the source's rows with times and labels read, in the source's order; more than the window's."""
    if window is not None and data.time is None:
        raise WindowError(f"the table has no data.time, so the window {window} cannot be read from it")
    read_window = _add_history(data, window)
    name = data.source if path is None else infer_source_kind(path, data.source)
    kind = _require_kind(name)
    if name != data.source and "path" in SOURCE_KINDS[data.source]:
        data = drop_file_settings(data)
    if kind.is_shaped:
        data = drop_cell_settings(data)
    if kind.read_dataset is not None and path is None:
        raw = kind.read_dataset(data, read_window, as_of)
    else:
        raw = kind.read_rows(data, path or _source_path(data), None, read_window)
    raw = raw.reset_index(drop=True)
    known_label = [data.label] if data.label and (path is None or data.label in raw.columns) else []
    require_columns(raw, [*list_time_sources(data), *filter(None, (data.id,)), *known_label])
    frame = shape_rows(raw, data, has_raw_text=kind.has_raw_text)
    unread = find_unread_cells(raw, frame, data.time, list_time_sources(data))
    return _ParsedRows(frame, raw, unread, _trace_lines(kind, data, path or _source_path(data), len(raw)))


def _trace_lines(kind: SourceKind, data: Data, path: str, rows: int) -> Callable[[], RowLines | None] | None:
    """Return what finds the lines of the rows, once, when that is asked; None for a source without lines."""
    list_lines = kind.list_lines
    if list_lines is None:
        return None

    @cache
    def find_lines() -> RowLines | None:
        try:
            lines = list_lines(data, path)
        except SourceError:  # it was read a moment ago, and is gone
            return None
        return lines if len(lines.numbers) == rows else None

    return find_lines


def _add_history(data: Data, window: Window | None) -> Window | None:
    """Return the window with the rows before it that its rows look back on, and those that they wait for."""
    if window is None or not data.lookback:
        return window
    return Window(window.start - data.lookback, window.end + data.series.delay)


def look_back(
    frame: pd.DataFrame, data: Data, *, is_over: bool = False, since: datetime | None = None
) -> pd.DataFrame:
    """Return rows sorted by time with their counters' increases, series features, relations and past.

    `is_over` is that of :func:`pynomaly.data.past.attach_past`; relations of rows before `since` are missing.
    """
    frame = difference_counters(frame, data)
    if data.time is not None and data.series.columns:
        frame = series.add_past_features(frame, data.time, data.id, data.series)
    if data.time is not None and data.graph is not None:
        asked = None if since is None else (frame[data.time] >= since).to_numpy()
        frame = add_relations(frame, data.time, data.graph, asked)
    return attach_past(frame, data, is_over=is_over)


def _select_rows(
    data: Data,
    parsed: _ParsedRows,
    window: Window | None,
    as_of: datetime | None,
    before: pd.DataFrame | None = None,
) -> TracedRows:
    """Return the rows of the window in their order, with their past and the labels of `as_of`."""
    frame = _arrange_rows(data, parsed.frame, window, as_of, before)
    places = frame.index.to_numpy(dtype=np.int64)
    origin = Origin(places, parsed.unread, parsed.find_lines)
    return TracedRows(frame.reset_index(drop=True), origin)


def _arrange_rows(
    data: Data,
    frame: pd.DataFrame,
    window: Window | None,
    as_of: datetime | None,
    before: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the same with the index of `frame`; rows `before` are looked back on only."""
    if data.time is None:
        return frame
    read_window = _add_history(data, window)
    if window is not None and read_window is not None:
        if read_window != window:
            with_history = select_window(frame, data.time, read_window)
            with_history = with_history.iloc[order_rows(with_history, data.time, data.id)]
            frame = look_back(with_history, data, is_over=True, since=window.start).sort_index()
        frame = select_window(frame, data.time, window)
    if as_of is not None and data.label in frame.columns:
        label_known = frame[data.time] + data.label_delay <= pd.Timestamp(as_of)
        frame = frame.assign(**{str(data.label): frame[data.label].where(label_known)})
    frame = frame.iloc[order_rows(frame, data.time, data.id)]
    if window is not None:
        return frame
    if before is None:
        return look_back(frame, data)
    first = frame[data.time].min().to_pydatetime()
    return look_back(pd.concat([before, frame]), data, since=first).iloc[len(before) :]


def _read_before(data: Data, frame: pd.DataFrame) -> pd.DataFrame | None:
    """Return the rows of the pipeline's own source that rows of another file look back on, sorted by time.

    None if nothing looks back, or the source has none just before them or cannot be read.
    """
    if data.time is None or not data.lookback or frame[data.time].isna().all():
        return None
    first = frame[data.time].min().to_pydatetime()
    try:
        parsed = _parse_rows(data.drop_lookback(), Window(first - data.lookback, first), None, None)
        rows = select_window(parsed.frame, data.time, Window(first - data.lookback, first))
    except PynomalyError:
        return None
    return rows.iloc[order_rows(rows, data.time, data.id)]


def read_span(data: Data) -> Window | None:
    """Return the window from the first to the last time in the source; None for a table without time.

    Raises
    ------
    SourceError, ColumnError, WindowError
        As :func:`read_source`.
    """
    if data.time is None:
        return None
    kind = _require_kind(data.source)
    if kind.find_span is not None:
        return kind.find_span(data)
    has_order = not data.time_columns and data.time_format is None  # else the smallest text is not the first
    if kind.read_edges is not None and has_order:
        edges = kind.read_edges(data).to_frame()
    else:
        edges = kind.read_rows(data, _source_path(data), list_time_sources(data), None)
    times = place_moments(edges, data)[data.time]
    first, last = times.min(), times.max()
    return Window(first.to_pydatetime(), last.to_pydatetime() + timedelta(microseconds=1))


def _require_kind(source: str) -> SourceKind:
    if source not in SOURCES:
        raise ConfigError(f"no source {source!r}; {list_allowed(source, SOURCES)}")
    return SOURCES[source]


def infer_source_kind(path: str, otherwise: str) -> str:
    """Return the kind of source from the ending of `path`, or `otherwise` if the ending is unknown.

    The ending of a packed file (``.gz``) does not count. A folder or a glob has the kind of most of its files
    whose ending is known; of equally many the first in ``SOURCES``.
    """
    if is_glob(path) or (not is_address(path) and Path(path).expanduser().is_dir()):
        kinds = [_infer_file_kind(name) for name in list_names(path)]
        known = [name for name in SOURCES if name in kinds]
        return max(known, key=kinds.count) if known else otherwise
    return _infer_file_kind(path) or otherwise


def _infer_file_kind(path: str) -> str | None:
    return next((name for name, kind in SOURCES.items() if has_ending(path, kind.endings)), None)


def find_source_kind(data: Data) -> SourceKind:
    """Return the kind of source of `data`; a file whose name ends in that of another kind is of that one."""
    if "path" not in SOURCE_KINDS[data.source] or SOURCES[data.source].is_shaped:
        return SOURCES[data.source]
    return SOURCES[infer_source_kind(data.path or "", data.source)]


def _source_path(data: Data) -> str:
    return data.path or data.query or str(data.dataset)
