"""Which rows the labels of a table mean: by time and entity, or by their line in the pipeline's file.

Labels are only added, and a row may come later than its label; so one that meets no row stays, and is named
with the nearest row. Called by the adding of labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pandas as pd

from pynomaly.config import Data
from pynomaly.data.shape.moments import list_time_sources, place_moments
from pynomaly.data.sources import read_span, trace_rows
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, DataError, SourceError, WindowError

__all__ = ["LabelMatch", "add_times_by_line", "match_labels", "read_label_times"]

_AROUND = timedelta(days=2)
_EXAMPLES = 3
_HOURS = sorted(range(-14, 15), key=abs)
LINE_COLUMNS = ("line", "row")
"""Columns of a table of labels that may name the line of a row instead of its time."""


@dataclass(frozen=True)
class LabelMatch:
    """How many labels meet a row of the source.

    Attributes
    ----------
    met, unmet : int
    examples : tuple of dict
        Of the first labels that met none: ``time``, ``entity``, and ``nearest``, the time of the nearest row.
    shift_hours : int or None
        Hours by which all of these must be shifted to meet a row.
    note : str
        Why it could not be found out, or "".
    """

    met: int = 0
    unmet: int = 0
    examples: tuple[dict[str, Any], ...] = field(default=())
    shift_hours: int | None = None
    note: str = ""


def read_label_times(table: pd.DataFrame, data: Data) -> pd.Series[Any]:
    """Return the times of labels that are written as those of the pipeline's file; NaT for others.

    Parameters
    ----------
    table : DataFrame of shape (n, d)
        Every cell as text.
    data : Data
        ``time_format``, ``epoch``, ``timezone`` and the joined columns.
    """
    unread = pd.Series(pd.NaT, index=table.index, dtype="datetime64[us, UTC]")
    is_iso = data.time_format is None and data.epoch is None and not data.time_columns
    if is_iso or not set(list_time_sources(data)) <= set(table.columns) or not len(table):
        return unread
    try:
        return place_moments(table, data)[data.time]
    except WindowError:  # none of them is written so
        return unread


def add_times_by_line(table: pd.DataFrame, data: Data, where: str) -> pd.DataFrame:
    """Return a table of labels by line with the time and the entity of these rows of the pipeline's source.

    A table with times, or without a column of :data:`LINE_COLUMNS`, is returned as it is.

    Raises
    ------
    SourceError
        If a line is no number, or no row stands there.
    DataError
        If the source cannot be read.
    """
    column = next((name for name in LINE_COLUMNS if name in table.columns), None)
    has_time = data.time in table.columns or set(list_time_sources(data)) <= set(table.columns)
    if has_time or column is None or data.time is None:
        return table
    rows = trace_rows(data)
    files = rows.origin.list_files(range(len(rows.frame)))
    if files is not None and "file" not in table.columns:
        raise ColumnError(f"{where}: lines of several files need a column 'file', as in a file of scores")
    names = files or [""] * len(rows.frame)
    places = {
        (name, number): place
        for place, (name, number) in enumerate(zip(names, rows.origin.numbers.tolist(), strict=True))
    }
    asked = table["file"] if files is not None else [""] * len(table)
    found_places = []
    for number, (name, line) in enumerate(zip(asked, table[column], strict=True), 1):
        text = str(line).strip()
        place = places.get((str(name), int(text))) if text.isdecimal() else None
        if place is None or pd.isna(rows.frame[data.time].iloc[place]):
            raise SourceError(
                f"{where}, row {number}: no row with a time stands in {column} {text!r}; the rows of the "
                f"pipeline's data stand in {rows.origin.numbers.min():,} to {rows.origin.numbers.max():,}"
            )
        found_places.append(place)
    chosen = rows.frame.iloc[found_places]
    keys = {data.time: [moment.isoformat() for moment in chosen[data.time]]}
    if data.id:
        keys[data.id] = chosen[data.id].tolist()
    return table.assign(**keys)


def match_labels(data: Data, keys: Sequence[tuple[str, str]]) -> LabelMatch:
    """Compare labels with the rows of the pipeline's source.

    Parameters
    ----------
    data : Data
    keys : sequence of (str, str)
        Entity ("" without one) and time in ISO 8601 of each label.
    """
    if not keys:
        return LabelMatch()
    moments = [pd.Timestamp(time) for _, time in keys]
    try:
        rows = _read_keys(data, Window((min(moments) - _AROUND).to_pydatetime(), max(moments) + _AROUND))
        edges = () if rows else read_span(data)
    except DataError as error:
        return LabelMatch(note=f"not compared with the rows: {error}")
    known = set(rows)
    pairs = [(entity, moment) for (entity, _), moment in zip(keys, moments, strict=True)]
    unmet = [pair for pair in pairs if pair not in known]
    examples = tuple(
        {"entity": entity, "time": moment.isoformat(), "nearest": _find_nearest(entity, moment, rows, edges)}
        for entity, moment in unmet[:_EXAMPLES]
    )
    shift = next(
        (
            hours
            for hours in _HOURS
            if unmet and all((entity, moment + timedelta(hours=hours)) in known for entity, moment in unmet)
        ),
        None,
    )
    return LabelMatch(len(pairs) - len(unmet), len(unmet), examples, shift)


def _read_keys(data: Data, window: Window) -> list[tuple[str, pd.Timestamp]]:
    """Return entity and time of the rows of a window; none if there is no row."""
    try:
        frame = trace_rows(data, window).frame
    except WindowError:
        return []
    frame = frame[frame[data.time].notna()]
    entities = frame[data.id].astype(str).tolist() if data.id else [""] * len(frame)
    return list(zip(entities, frame[data.time].tolist(), strict=True))


def _find_nearest(
    entity: str, moment: pd.Timestamp, rows: Sequence[tuple[str, pd.Timestamp]], edges: Any
) -> str:
    times = [time for name, time in rows if name == entity] or [time for _, time in rows]
    if not times and edges:
        times = [pd.Timestamp(edges.start), pd.Timestamp(edges.end) - timedelta(microseconds=1)]
    return min(times, key=lambda time: abs(time - moment)).isoformat() if times else ""
