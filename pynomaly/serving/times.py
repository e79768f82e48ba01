"""Reads the times of a request, by the settings that the table itself is read by; errors name row and field.

Called by ``rows``, ``bodies`` and ``openapi``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import orjson
import pandas as pd

from pynomaly.config import Data
from pynomaly.data.shape.epoch import spell_epoch
from pynomaly.data.shape.moments import parse_moments, place_moments
from pynomaly.errors import PynomalyError, RequestError

__all__ = ["read_cells", "read_request_times", "shorten_value", "spell_time", "takes_iso_times"]

_ISO = "2026-01-05T00:00:00+00:00"


def read_request_times(
    parts: Mapping[str, Sequence[dict[str, Any]]],
    name: str,
    fields: Sequence[str],
    entity: pd.Series[Any] | None,
    data: Data,
) -> pd.Series[Any]:
    """Return the time of each row; those of `history` tell the passes of a repeated hour apart.

    Parameters
    ----------
    parts : mapping of str to sequence of dict
        Rows by the key of the request that holds them.
    name : str
        Name of the time column.
    fields : sequence of str
        Fields that hold the time.
    entity : Series of shape (n,) or None
    data : Data

    Returns
    -------
    Series of shape (n,), datetime64[us, UTC]

    Raises
    ------
    RequestError
        If a field is missing or has the wrong type, or a time cannot be read or has no offset.
    """
    takes_numbers = bool(data.epoch or data.time_format or len(fields) > 1)
    columns: dict[str, list[Any]] = {field: [] for field in fields}
    locations = [(part, place) for part, rows in parts.items() for place in range(len(rows))]
    for part, rows in parts.items():
        for field in fields if rows else ():
            cells = read_cells(rows, field, part)
            for place, cell in enumerate(cells):
                is_number = isinstance(cell, int | float) and not isinstance(cell, bool)
                if not isinstance(cell, str) and not (takes_numbers and is_number):
                    raise RequestError(_describe_wrong_time(cell, data), (part, place, field))
            columns[field] += cells
    frame = pd.DataFrame(columns, dtype=object)
    try:
        times = _parse_times(frame, name, entity, data)
    except PynomalyError as error:
        part, place = locations[_find_unreadable_row(frame, name, data)]
        raise RequestError(str(error), (part, place, fields[0])) from None
    if times.isna().any():
        row = int(np.flatnonzero(times.isna())[0])
        part, place = locations[row]
        cell = " ".join(map(str, frame.iloc[row])) if len(fields) > 1 else frame.iloc[row, 0]
        raise RequestError(_describe_wrong_time(cell, data), (part, place, fields[0]))
    return times


def read_cells(rows: Sequence[dict[str, Any]], name: str, part: str) -> list[Any]:
    """Return one field of each row.

    Raises
    ------
    RequestError
        If a row lacks it; the message suggests a similar name.
    """
    try:
        return [row[name] for row in rows]
    except KeyError:
        place = next(place for place, row in enumerate(rows) if name not in row)
        near = get_close_matches(name, list(rows[place]), n=1)
        hint = f"; the row has {near[0]!r}" if near else ""
        raise RequestError(f"it is missing{hint}", (part, place, name)) from None


def takes_iso_times(fields: Sequence[str], data: Data) -> bool:
    """Return whether the time of a row is one text of ISO 8601."""
    return data.epoch is None and data.time_format is None and len(fields) == 1


def spell_time(moment: object, fields: Sequence[str], data: Data) -> dict[str, Any]:
    """Return the fields that hold a time of a golden row, as the table writes them."""
    if takes_iso_times(fields, data):
        return {fields[0]: _ISO if moment is None else str(moment)}
    moment = pd.Timestamp(str(moment or _ISO))
    if data.epoch is not None and data.epoch != "excel":
        return {fields[0]: spell_epoch(moment, data.epoch)}
    local = moment.tz_convert(data.zone or "UTC")
    if data.epoch == "excel":
        return {fields[0]: (local.tz_localize(None) - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1)}
    time_format = (data.time_format or "%Y-%m-%d %H:%M:%S").rstrip("*").strip()
    cells = local.strftime(time_format).split(" ", len(fields) - 1)
    return dict(zip(fields, [*cells, *[""] * len(fields)], strict=False))


def shorten_value(value: Any) -> str:
    """Return a value of a request as JSON text of at most 60 characters, for an error message."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


def _parse_times(frame: pd.DataFrame, name: str, entity: pd.Series[Any] | None, data: Data) -> pd.Series[Any]:
    if frame.shape[1] == 1:
        return parse_moments(frame.iloc[:, 0].rename(name), data, entity)
    placed = frame if entity is None or data.id in frame else frame.assign(**{str(data.id): entity})
    return place_moments(placed, data)[name]


def _find_unreadable_row(frame: pd.DataFrame, name: str, data: Data) -> int:
    for place in range(len(frame)):
        try:
            time = _parse_times(frame.iloc[[place]].reset_index(drop=True), name, None, data)
        except PynomalyError:
            return place
        if time.isna().any():
            return place
    return 0


def _describe_wrong_time(cell: Any, data: Data) -> str:
    needed = f"a time like {_ISO}"
    if data.epoch is not None:
        needed = f"a number (data.epoch: {data.epoch})"
    elif data.time_format is not None:
        needed = f"a time by the format {data.time_format!r}"
    return f"it is {shorten_value(cell)}; {needed} is needed"
