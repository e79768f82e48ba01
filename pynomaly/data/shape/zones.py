"""Turn local times into UTC: offsets and zone names in the text, and the hour that a clock change repeats.

An hour that the clock runs through twice has two readings. The order of the rows decides: the first pass is
the time before the change (summer time), and from where local time steps back or repeats it is the second.
Called by ``moments``.
"""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.errors import WindowError

__all__ = ["ZONE_PATTERN", "apply_zones", "localize_times"]

ZONE_PATTERN = r"(?:(?:UTC|GMT)\s?)?[+-]\d{1,2}(?::?\d{2})?|[A-Za-z]+(?:/[A-Za-z0-9_+\-]+){1,2}|[A-Za-z]{1,5}"
"""Regular expression of an offset, a zone word or the name of a zone; it has no groups."""

_OFFSET = re.compile(r"(?:(?:UTC|GMT)\s?)?([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)

_WORDS = {"Z": 0, "UTC": 0, "GMT": 0, "UT": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3}
"""Hours before UTC of the words with one meaning. EST, CST, IST, BST and their like have several."""

_HOUR = 3_600_000_000
_NEAR = 2 * _HOUR

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def apply_zones(
    local: pd.Series[Any], zones: pd.Series[Any], entity: pd.Series[Any] | None
) -> pd.Series[Any]:
    """Return local times in UTC, each by the offset or zone name that was written with it.

    Parameters
    ----------
    local : Series of shape (n,), datetime64[us]
    zones : Series of shape (n,)
        Text as :data:`ZONE_PATTERN` matches it.
    entity : Series of shape (n,) or None

    Returns
    -------
    Series of shape (n,), datetime64[us, UTC]
        NaT where the zone is not known, or has several meanings.
    """
    moments = pd.Series(pd.NaT, index=local.index, dtype="datetime64[us, UTC]")
    for written in zones[local.notna()].unique():
        rows = (zones == written) & local.notna()
        zone = _find_zone(str(written))
        if isinstance(zone, ZoneInfo):
            moments[rows] = localize_times(local[rows], zone, None if entity is None else entity[rows])
        elif zone is not None:
            moments[rows] = (local[rows] - zone).dt.tz_localize("UTC")
    return moments


def localize_times(
    local: pd.Series[Any], zone: ZoneInfo | None, entity: pd.Series[Any] | None = None
) -> pd.Series[Any]:
    """Return local times of one zone in UTC.

    Parameters
    ----------
    local : Series of shape (n,), naive datetime64
        In the order of the source.
    zone : ZoneInfo or None
    entity : Series of shape (n,), optional
        Whose row it is; the order of the rows is followed for each entity alone.

    Returns
    -------
    Series of shape (n,), datetime64[us, UTC]
        NaT for times that a clock change skips. In an hour that it repeats, the rows of an entity are of the
        first pass until local time steps back or repeats, and of the second from there on; newest-first rows
        are followed backwards, and in rows without order the second row of a time is the later one. Rows
        with one pass alone are of the one that fits the step to the rows around them; where both fit, or no
        row lies near, of the first. Repeated times do not count where the entity repeats times elsewhere.

    Raises
    ------
    WindowError
        If `zone` is None.
    """
    if zone is None:
        present = local.dropna()
        first = present.iloc[0] if len(present) else "no value"
        raise WindowError(
            f"time column {local.name!r} has moments without an offset (first: {first}); "
            "set data.timezone, e.g. UTC, or write offsets"
        )
    local = local.dt.as_unit("us")
    moments: pd.Series[Any] = local.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert(
        "UTC"
    )
    open_rows = np.flatnonzero((moments.isna() & local.notna()).to_numpy())
    if not open_rows.size:
        return moments
    passes = [
        local.iloc[open_rows].dt.tz_localize(
            zone, ambiguous=np.full(open_rows.size, summer), nonexistent="NaT"
        )
        for summer in (True, False)
    ]
    repeated = passes[0].notna().to_numpy()
    rows = open_rows[repeated]
    if not rows.size:
        return moments
    first, second = (each.dt.tz_convert("UTC").astype("int64").to_numpy()[repeated] for each in passes)
    codes = (
        np.zeros(len(local), dtype=np.intp)
        if entity is None
        else pd.factorize(entity.astype(str).to_numpy(dtype=object))[0]
    )
    known: Ints = np.array(moments.astype("int64"), dtype=np.int64)
    known[moments.isna().to_numpy()] = np.iinfo(np.int64).min
    readable = local.notna().to_numpy()
    clock: Ints = np.array(local.astype("int64"), dtype=np.int64)
    is_second = np.zeros(len(local), dtype=bool)
    candidates = np.zeros((2, len(local)), dtype=np.int64)
    candidates[:, rows] = first, second
    by_entity = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[by_entity], np.unique(codes[rows])[:, None] + np.array([0, 1]))
    for start, end in bounds:
        places = by_entity[start:end]
        places = places[readable[places]]
        is_second[places] = _find_second_pass(clock[places], known[places], candidates[:, places])
    chosen = np.where(is_second[rows], second, first)
    moments.iloc[rows] = pd.to_datetime(chosen, unit="us", utc=True)
    return moments


def _find_zone(written: str) -> ZoneInfo | pd.Timedelta | None:
    if offset := _OFFSET.fullmatch(written):
        sign, hours, minutes = offset.groups()
        length = pd.Timedelta(hours=int(hours), minutes=int(minutes or 0))
        return -length if sign == "-" else length
    if written.upper() in _WORDS:
        return pd.Timedelta(hours=_WORDS[written.upper()])
    if "/" not in written or written not in available_timezones():
        return None
    try:
        return ZoneInfo(written)
    except ZoneInfoNotFoundError:  # a list of names without the zone's file
        return None


def _find_second_pass(clock: Ints, known: Ints, candidates: Ints) -> Bools:
    """Return which rows of one entity are of the second pass; False for rows with one reading."""
    is_open = known == np.iinfo(np.int64).min
    day = clock // (24 * _HOUR)
    steps = np.diff(clock)
    outside = ~(is_open[1:] & is_open[:-1] & (day[1:] == day[:-1]))
    backward, forward = int((steps[outside] < 0).sum()), int((steps[outside] > 0).sum())
    repeats = int((steps[outside] == 0).sum()) * 10 > outside.sum()
    unordered = min(backward, forward) * 4 > int(outside.sum())
    order = np.arange(clock.size)
    if unordered:
        order = np.argsort(clock, kind="stable")
    elif backward > forward:
        order = order[::-1]
    is_second = np.zeros(clock.size, dtype=bool)
    usual_step = _measure_step(known[order])
    for hour in np.unique(day[is_open]):
        places = np.flatnonzero(is_open[order] & (day[order] == hour))
        rows = order[places]
        local = clock[rows]
        if unordered and not repeats:
            later = np.concatenate([[False], local[1:] == local[:-1]])
        else:
            back = np.concatenate(
                [[False], (local[1:] < local[:-1]) | (~repeats & (local[1:] == local[:-1]))]
            )
            later = np.cumsum(back) > 0
        if not later.any():
            later[:] = _fits_second(places, known[order], candidates[:, order], usual_step)
        is_second[rows] = later
    return is_second


def _measure_step(known: Ints) -> int | None:
    """Return the median step between rows with one reading, in microseconds; None without one."""
    has_one = known != np.iinfo(np.int64).min
    steps = np.diff(known)[has_one[1:] & has_one[:-1]]
    steps = steps[steps > 0]
    return int(np.median(steps)) if steps.size else None


def _fits_second(places: NDArray[np.intp], known: Ints, candidates: Ints, step: int | None) -> bool:
    """Return whether rows of one pass fit the rows around them better as the second pass."""
    if step is None:
        return False
    before, after = places[0] - 1, places[-1] + 1
    misfits = []
    for reading in candidates:
        misfit = 0
        if before >= 0 and known[before] != np.iinfo(np.int64).min:
            misfit += min(abs(int(reading[places[0]] - known[before]) - step), _NEAR)
        if after < known.size and known[after] != np.iinfo(np.int64).min:
            misfit += min(abs(int(known[after] - reading[places[-1]]) - step), _NEAR)
        misfits.append(misfit)
    return misfits[1] < misfits[0]
