"""Read the time of each row: from one column or several, as ISO 8601, by a format, or from numbers.

Times without an offset need ``data.timezone``. Typed cells (dates and times of a workbook, numbers) are
spelled as text where columns are joined. Called by ``sources``, ``serving`` and whatever reads a time column.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from pandas.api import types

from pynomaly.config import Data
from pynomaly.data.frame import require_columns
from pynomaly.data.shape.epoch import read_epoch
from pynomaly.data.shape.time_format import read_formatted
from pynomaly.data.shape.zones import ZONE_PATTERN, apply_zones, localize_times
from pynomaly.errors import WindowError

__all__ = ["list_time_sources", "parse_iso_moments", "parse_moments", "place_moments"]

_OFFSET = r"[Tt ]\d{1,2}.*(?:[Zz]|[+-]\d{1,2}(?::?\d{2})?)$"
"""Matches ISO 8601 text with an offset."""

_COMMA_FRACTION = r"(:\d{2}),(?=\d)"
_BRACKETS = r"([Zz]|[+-]\d{2}(?::?\d{2})?)\s*\[[^\]]*\]$"
_ZONE_BEHIND = rf"^(.*[\d.])\s*?({ZONE_PATTERN})$"

_NO_DATES = frozenset({(1899, 12, 30), (1899, 12, 31), (1900, 1, 1)})
"""Dates that a workbook gives to a cell that holds only a time of day."""


def parse_moments(column: pd.Series[Any], data: Data, entity: pd.Series[Any] | None = None) -> pd.Series[Any]:
    """Read a time column as ``datetime64[us, UTC]``.

    Parameters
    ----------
    column : Series of shape (n,)
        Typed times, or what ``data.time_format``, ``data.epoch`` or else ISO 8601 describes, in the order of
        the source.
    data : Data
    entity : Series of shape (n,), optional
        Whose row it is; see :func:`pynomaly.data.shape.zones.localize_times`.

    Returns
    -------
    Series of shape (n,)
        NaT where a cell is missing or cannot be read.

    Raises
    ------
    WindowError
        If a time is naive and no zone is declared, the column holds numbers and neither a format nor an epoch
        is declared, or no cell can be read.
    """
    if _is_typed(column):
        return _convert_typed(column, data.zone, entity)
    if data.epoch is not None:
        return _read_numbers(column, data, entity)
    if data.time_format is None:
        return parse_iso_moments(column, data.zone, entity)
    text, is_typed = _spell_cells(column)
    return _read_text(text, is_typed, data, entity)


def parse_iso_moments(
    column: pd.Series[Any], zone: ZoneInfo | None, entity: pd.Series[Any] | None = None
) -> pd.Series[Any]:
    """Read a column of ISO 8601 text, or of typed times, as ``datetime64[us, UTC]``.

    A comma may stand before the fraction, and a zone behind the time: ``UTC``, ``GMT+2``, ``CET`` or
    ``Europe/Berlin``, but no word with several meanings, like EST.

    Raises
    ------
    WindowError
        As :func:`parse_moments`.
    """
    if types.is_numeric_dtype(column.dtype):
        raise WindowError(
            f"time column {column.name!r} holds {column.dtype} ({column.iloc[0]!r}); write times in ISO "
            "8601, or set data.epoch or data.time_format"
        )
    if _is_typed(column):
        return _convert_typed(column, zone, entity)
    if (read := _read_repeated_text(column)) is not None:
        return read
    text = column.astype(object).where(column.notna(), "").map(lambda cell: str(cell).strip()).astype(object)
    times = _read_iso_text(text, zone, entity)
    if times.isna().all():
        raise WindowError(
            f"no cell of time column {column.name!r} can be read (first: {column.iloc[0]!r}); "
            "write times in ISO 8601, e.g. 2026-01-05T00:00:00+00:00"
        )
    return _copy_name(times, column)


def list_time_sources(data: Data) -> list[str]:
    """Return the columns of the source that the time is read from; empty without ``data.time``."""
    return list(data.time_columns) or ([data.time] if data.time else [])


def place_moments(frame: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Return `frame` with its times read; joined columns are replaced by one, at the place of the first.

    A frame in which that is done already is returned as it is.

    Raises
    ------
    ColumnError
        If a time column does not exist.
    WindowError
        As :func:`parse_moments`.
    """
    if data.time is None:
        return frame
    entity = frame[data.id] if data.id in frame.columns else None
    sources = [name for name in data.time_columns if name != data.time]
    if not sources or (data.time in frame.columns and not set(sources) & set(frame.columns)):
        require_columns(frame, [data.time])
        return frame.assign(**{data.time: parse_moments(frame[data.time], data, entity)})
    require_columns(frame, data.time_columns)
    text, is_typed = _join_columns(frame, data)
    times = _read_text(text, is_typed, data, entity)
    place = min(list(frame.columns).index(name) for name in data.time_columns)
    rest = frame.drop(columns=list(data.time_columns))
    if data.time in rest.columns:
        rest = rest.drop(columns=data.time)
    rest.insert(min(place, rest.shape[1]), data.time, times)
    return rest


def _is_typed(column: pd.Series[Any]) -> bool:
    return isinstance(column.dtype, pd.DatetimeTZDtype) or types.is_datetime64_dtype(column.dtype)


def _convert_typed(
    column: pd.Series[Any], zone: ZoneInfo | None, entity: pd.Series[Any] | None
) -> pd.Series[Any]:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        times: pd.Series[Any] = column.dt.tz_convert("UTC").dt.as_unit("us")
        return times
    return localize_times(column, zone, entity)


def _read_numbers(column: pd.Series[Any], data: Data, entity: pd.Series[Any] | None) -> pd.Series[Any]:
    times = read_epoch(column, str(data.epoch))
    if times.isna().all():
        raise WindowError(
            f"no cell of time column {column.name!r} can be read as data.epoch {data.epoch!r} "
            f"(first: {column.iloc[0]!r}); numbers are needed"
        )
    if data.epoch == "excel":  # a spreadsheet shows local time
        return localize_times(times, data.zone, entity)
    return _copy_name(times.dt.tz_localize("UTC"), column)


def _read_text(
    text: pd.Series[Any], is_typed: pd.Series[Any], data: Data, entity: pd.Series[Any] | None
) -> pd.Series[Any]:
    """Read spelled cells: typed dates as ISO 8601, the rest as the settings say."""
    if data.time_format is None:
        times = _read_iso_text(text, data.zone, entity)
    else:
        times = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us, UTC]", name=text.name)
        local, zones = read_formatted(text.where(~is_typed, ""), data.time_format)
        if is_typed.any():
            dates = pd.to_datetime(text.where(is_typed), format="ISO8601", errors="coerce", utc=True)
            local = local.fillna(dates.dt.tz_localize(None).dt.as_unit("us"))
        if zones is not None:
            with_zone = zones.notna()
            times[with_zone] = apply_zones(
                local[with_zone], zones[with_zone], None if entity is None else entity[with_zone]
            )
            local = local.where(~with_zone)
        if local.notna().any():
            times = times.fillna(localize_times(local, data.zone, entity))
    if times.isna().all():
        allowed = f"data.time_format {data.time_format!r}" if data.time_format else "ISO 8601"
        raise WindowError(
            f"no cell of time column {text.name!r} can be read as {allowed} (first: {text.iloc[0]!r})"
        )
    return _copy_name(times, text)


def _read_repeated_text(column: pd.Series[Any]) -> pd.Series[Any] | None:
    """Read text that holds a time with an offset in every cell, each once; None where some cell does not.

    Machines that are read together send the same times: a hundred of them take a third of the time.
    """
    if not isinstance(column.dtype, pd.StringDtype):
        return None
    codes, cells = pd.factorize(column)
    if not len(cells) or (codes < 0).any():
        return None
    text = pd.Series(cells, dtype=object).str.strip()
    if not text.str.contains(_OFFSET, regex=True).all():
        return None
    times = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce").dt.as_unit("us")
    if times.isna().any():
        return None
    return pd.Series(times.array.take(codes), index=column.index, name=column.name)


def _read_iso_text(
    text: pd.Series[Any], zone: ZoneInfo | None, entity: pd.Series[Any] | None
) -> pd.Series[Any]:
    """Read stripped text; NaT where it is blank or not ISO 8601."""
    has_offset = text.str.contains(_OFFSET, regex=True).astype(bool)
    times = pd.to_datetime(text.where(has_offset), format="ISO8601", utc=True, errors="coerce").dt.as_unit(
        "us"
    )
    if times.notna().all():
        return times
    local = pd.to_datetime(text.where(~has_offset), format="ISO8601", errors="coerce", utc=True)
    local = local.dt.tz_localize(None).dt.as_unit("us")
    unread = times.isna() & local.isna() & (text != "")
    if unread.any():
        cells = text[unread].str.replace(_COMMA_FRACTION, r"\1.", regex=True)
        cells = cells.str.replace(_BRACKETS, r"\1", regex=True)
        parts = cells.str.extract(_ZONE_BEHIND)
        zones = parts[1].where(parts[1].notna(), None).astype(object)
        bodies = parts[0].where(parts[0].notna(), cells).str.strip()
        spelled = pd.to_datetime(bodies, format="ISO8601", errors="coerce", utc=True)
        spelled = spelled.dt.tz_localize(None).dt.as_unit("us")
        with_zone = zones.notna()
        times[spelled.index[with_zone]] = apply_zones(
            spelled[with_zone], zones[with_zone], None if entity is None else entity[spelled.index[with_zone]]
        )
        local = local.fillna(spelled[~with_zone])
    if local.notna().any():
        times = times.fillna(localize_times(_copy_name(local, text), zone, entity))
    return times


def _join_columns(frame: pd.DataFrame, data: Data) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Return the joined text, "" where a part is missing, and which rows hold a typed date."""
    joined: pd.Series[Any] | None = None
    is_typed = pd.Series(False, index=frame.index)
    missing = pd.Series(False, index=frame.index)
    for name in data.time_columns:
        text, typed = _spell_cells(frame[name])
        text = text.str.replace(r"^(\d+)\.0+$", r"\1", regex=True)
        joined = text if joined is None else joined + " " + text
        is_typed |= typed
        missing |= text == ""
    assert joined is not None, "time_columns holds a name"
    return joined.where(~missing, "").rename(data.time), is_typed


def _spell_cells(column: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Return the cells as stripped text, "" where missing, and which of them are typed dates."""
    no_date = pd.Series(False, index=column.index)
    if isinstance(column.dtype, pd.StringDtype):
        return column.astype(object).where(column.notna(), "").str.strip(), no_date
    codes, cells = pd.factorize(column.astype(object).to_numpy(dtype=object))
    texts = np.array([*map(_spell_cell, cells), ""], dtype=object)
    dates = np.array([*(isinstance(cell, date) and _has_date(cell) for cell in cells), False])
    spelled = pd.Series(texts[codes], index=column.index, name=column.name, dtype=object)
    return spelled, pd.Series(dates[codes], index=column.index)


def _has_date(cell: date) -> bool:
    return (cell.year, cell.month, cell.day) not in _NO_DATES


def _spell_cell(cell: Any) -> str:
    if isinstance(cell, datetime):
        if not _has_date(cell):
            return cell.time().isoformat()
        is_midnight = cell.time() == time() and cell.tzinfo is None
        return cell.date().isoformat() if is_midnight else cell.isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(int(cell.total_seconds()), 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell).strip()


def _copy_name(column: pd.Series[Any], like: pd.Series[Any]) -> pd.Series[Any]:
    column.name = like.name
    return column
