"""The time of the rows: the column that orders them, or columns that are joined.

A date is joined with a time of day, or year, month, day and hour with each other. Called by ``reading``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.data.intake.cells.profile import Profile
from pynomaly.data.intake.cells.spelling import split_name
from pynomaly.data.intake.times.formats import CLOCK, describe_clock
from pynomaly.data.intake.times.moments import (
    EPOCHS,
    GENERIC,
    NEEDED,
    Moments,
    find_moments,
    find_textual,
    read_moments,
    spell_whole,
)
from pynomaly.data.intake.times.years import find_years

__all__ = ["find_time", "join_cells"]

_START = {
    "start", "begin", "pickup", "from", "created", "opened", "arrival", "order", "trans", "transaction",
    "event",
}  # fmt: skip

_END = {
    "end", "stop", "dropoff", "to", "until", "closed", "updated", "modified", "finish", "finished",
    "departure", "birth", "dob", "expiry", "due", "delivered", "last",
}  # fmt: skip

_PARTS = {
    "year": ("year", "yr", "jahr", "annee", "année", "ano", "año", "yyyy", "anno"),
    "month": ("month", "mo", "mon", "mnth", "monat", "mes", "mois", "mm", "mese"),
    "day": ("day", "dy", "dd", "tag", "dia", "día", "jour", "dom", "mday", "giorno"),
    "doy": ("doy", "jday", "yday", "julian", "dayofyear"),
    "hour": ("hour", "hr", "hh", "stunde", "hora", "heure", "hours", "hrs", "ora"),
    "minute": ("minute", "min", "mi", "minutes", "mins"),
    "second": ("second", "sec", "ss", "seconds", "secs"),
}

_RANGES = {"year": (1900, 2100), "month": (1, 12), "day": (1, 31), "doy": (1, 366), "hour": (0, 24),
           "minute": (0, 59), "second": (0, 60)}  # fmt: skip


def find_time(
    profiles: Mapping[str, Profile], typed: Mapping[str, str], requested: Sequence[str] | None
) -> tuple[Moments | None, dict[str, Moments]]:
    """Return the time of the rows, and every single column that reads as times.

    Parameters
    ----------
    profiles : mapping
        Profile of each column.
    typed : mapping
        Columns that the file itself types.
    requested : sequence of str or None
        The column or columns that the user names.
    """
    single: dict[str, Moments] = {}
    for name, profile in profiles.items():
        if requested and name not in requested:
            continue
        moments = find_moments(profile, typed.get(name))
        if moments is not None and (requested or moments.share > 0.5):
            single[name] = moments
    if requested:
        if len(requested) == 1:
            return single.get(requested[0]), single
        return _join_requested(profiles, tuple(requested), single), single
    candidates = [
        moments
        for moments in single.values()
        if moments.share > NEEDED and moments.times.min() < moments.times.max()
    ]
    joined = _find_joined(profiles, single)
    if joined is not None:
        whole = [m for m in candidates if not m.has_dates_only and m.columns[0] not in joined.columns]
        if not whole or max(m.order for m in whole) < joined.order - 0.05:
            return joined, single
    if not candidates:
        return find_years(profiles), single
    return max(candidates, key=_rank_moments), single


def _rank_moments(moments: Moments) -> tuple[float, ...]:
    """Return how well a column orders the rows: by its name, order, resolution and completeness."""
    words = set(split_name(moments.columns[0]))
    name = 1.0 * bool(words & GENERIC) + 0.5 * bool(words & _START) - 1.5 * bool(words & _END)
    unique = moments.times.nunique() / max(1, len(moments.times))
    numeric = 0.3 if moments.format in (*EPOCHS, "excel") or moments.format.startswith("%Y%m%d") else 0.0
    fine = 0.05 * bool((moments.times.dropna().dt.microsecond != 0).any())
    return (
        round(moments.share, 1) + 0.5 * name + round(moments.order, 1) + round(unique, 1) - numeric + fine,
    )


def _find_joined(profiles: Mapping[str, Profile], single: Mapping[str, Moments]) -> Moments | None:
    """Return a date joined with a time of day, or year, month, day and the rest, if the columns are there."""
    dates = [m for m in single.values() if m.has_dates_only and m.share > NEEDED]
    dates.sort(key=_rank_moments, reverse=True)
    for date in dates[:2]:
        if date.times.nunique() == len(date.times):
            continue
        for name, profile in profiles.items():
            if name not in date.columns and (clock := _read_clock(profile, single)):
                parts = (*date.columns, name)
                minute = _find_part(profiles, "minute", parts) if clock == "%H" else None
                if minute:
                    parts, clock = (*parts, minute), "%H %M"
                joined = _join_with(profiles, parts, date, clock)
                if joined is not None and joined.times.nunique() > date.times.nunique():
                    return joined
    return _join_calendar(profiles) if not any(m.share > NEEDED for m in dates) else None


def _read_clock(profile: Profile, single: Mapping[str, Moments]) -> str | None:
    """Return the format of a column of times of day, None if it is none."""
    words = set(split_name(profile.name))
    filled = [cell for cell in profile.counts if cell]
    if not filled:
        return None
    if profile.is_number and profile.style == "plain":
        values = profile.present
        named_hour = words & set(_PARTS["hour"])
        if (
            profile.is_whole
            and named_hour
            and values.min() >= 0
            and values.max() <= 24
            and profile.distinct > 1
        ):
            return "%H"
        named = words & (GENERIC | {"hhmm", "mst", "lst", "est", "pst", "cet", "hour", "hr"})
        if (
            profile.is_whole
            and named
            and values.min() >= 0
            and values.max() <= 2400
            and (values % 100 < 60).all()
            and values.max() > 24
        ):
            return "%H%M"
        return None
    matches = [CLOCK.match(cell) for cell in filled[:: max(1, len(filled) // 300)]]
    hits = [match for match in matches if match]
    if len(hits) >= 0.9 * len(matches) and hits:
        return (describe_clock(" " + hits[0].string) or "").lstrip()
    digits = [re.fullmatch(r"(\d{4}|\d{6})(\s*(?:UTC|GMT|Z|Uhr|h))?", cell) for cell in filled[:300]]
    if all(digits) and digits[0] is not None and (digits[0].group(2) or words & GENERIC):
        return ("%H%M" if len(digits[0].group(1)) == 4 else "%H%M%S") + (digits[0].group(2) or "")
    return None


def _find_part(profiles: Mapping[str, Profile], part: str, taken: Iterable[str]) -> str | None:
    """Return the column that holds a part of the date: by its name and by the range of its values."""
    low, high = _RANGES[part]
    for name, profile in profiles.items():
        words = split_name(name)
        known = _PARTS[part]
        if (
            name in taken
            or not profile.is_number
            or not (set(words) & set(known) if len(words) > 1 else name.lower().strip() in known)
        ):
            continue
        values = profile.present
        if (
            len(values)
            and profile.is_whole
            and values.min() >= low
            and values.max() <= high
            and len(words) <= 2
        ):
            return name
    return None


def _join_with(
    profiles: Mapping[str, Profile], columns: tuple[str, ...], date: Moments, clock: str
) -> Moments | None:
    cells = join_cells(profiles, columns)
    text = date.settings.get("time_format") or date.settings.get("epoch")
    if date.settings.get("epoch"):
        return None
    settings = {"time_format": f"{text or '%Y-%m-%d'} {clock}"}
    if not text and clock in ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f"):
        settings = {}
    times = read_moments(cells, settings)
    if times is None or times.notna().mean() < 0.8:
        return None
    shown = settings.get("time_format", "iso")
    has_offset = "%z" in shown
    full = {"time": list(columns), **settings, **({} if has_offset else {"timezone": "UTC"})}
    return Moments(
        columns,
        full,
        shown,
        times,
        f"{' and '.join(map(repr, columns))} are a date and its time of day",
        date.sure,
        date.otherwise,
    )


def _join_calendar(profiles: Mapping[str, Profile]) -> Moments | None:
    year = _find_part(profiles, "year", ())
    if year is None:
        return None
    columns, formats = [year], ["%Y"]
    month = _find_part(profiles, "month", columns)
    day = _find_part(profiles, "day", columns) if month else None
    doy = _find_part(profiles, "doy", columns) if not month else None
    if month:
        columns, formats = [*columns, month], [*formats, "%m"]
    if day:
        columns, formats = [*columns, day], [*formats, "%d"]
    if doy:
        columns, formats = [*columns, doy], [*formats, "%j"]
    if not month and not doy:
        return None
    if day or doy:
        for part, code in (("hour", "%H"), ("minute", "%M"), ("second", "%S")):
            name = _find_part(profiles, part, columns)
            if name is None:
                clock_column = _find_clock(profiles, columns) if part == "hour" else None
                if clock_column is not None:
                    columns.append(clock_column[0])
                    formats.append(clock_column[1])
                break
            columns.append(name)
            formats.append(code)
    cells = join_cells(profiles, tuple(columns))
    settings = {"time_format": " ".join(formats)}
    times = read_moments(cells, settings)
    if times is None or times.notna().mean() < 0.8 or times.nunique() < 2:
        return None
    full = {"time": columns, **settings, "timezone": "UTC"}
    return Moments(tuple(columns), full, settings["time_format"], times,
                   f"{', '.join(map(repr, columns))} are the parts of a date")  # fmt: skip


def _find_clock(profiles: Mapping[str, Profile], taken: Sequence[str]) -> tuple[str, str] | None:
    """Return a column of times of day and its format, None if there is none."""
    for name, profile in profiles.items():
        if name not in taken and (clock := _read_clock(profile, {})):
            return name, clock
    return None


def join_cells(profiles: Mapping[str, Profile], columns: tuple[str, ...]) -> pd.Series[Any]:
    """Return the cells of the columns, joined by blanks, as the readers join them."""
    parts = [
        profiles[name].cells.map(lambda cell: cell[:-9] if cell.endswith(" 00:00:00") else cell)
        for name in columns
    ]
    parts = [spell_whole(part) for part in parts]
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.str.cat(part, sep=" ")
    return joined.rename(" ".join(columns))


def _join_requested(
    profiles: Mapping[str, Profile], columns: tuple[str, ...], single: Mapping[str, Moments]
) -> Moments | None:
    """Return the join of the columns that the user names."""
    date = single.get(columns[0])
    if date is not None and len(columns) >= 2 and (clock := _read_clock(profiles[columns[1]], single)):
        return _join_with(profiles, columns, date, clock if len(columns) == 2 else f"{clock} %M")
    chosen = {name: profiles[name] for name in columns}
    calendar = _join_calendar(chosen)
    if calendar is not None and calendar.columns == columns:
        return calendar
    cells = join_cells(profiles, columns)
    merged = Profile(
        " ".join(columns),
        cells,
        profiles[columns[0]].counts.__class__(cells),
        {},
        np.full(len(cells), np.nan),
    )
    moments = find_textual(merged, cells)
    if moments is None:
        return None
    return Moments(
        columns, {**moments.settings, "time": list(columns)}, moments.format, moments.times, "as asked"
    )
