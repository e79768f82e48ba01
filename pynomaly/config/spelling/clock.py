"""Times of day, hours and days of the week as people write them: ``08:00``, ``22:00-07:00``, ``mon-fri``."""

from __future__ import annotations

import re

from pynomaly.errors import list_allowed

__all__ = ["DAYS", "check_hours", "parse_clock", "read_days", "read_hours"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""Days of the week in the order of :meth:`datetime.date.weekday`."""

_MINUTES_A_DAY = 24 * 60


def parse_clock(value: object) -> str:
    """Return a time of day as ``HH:MM``; YAML 1.1 reads an unquoted ``18:00`` as 1080 minutes.

    >>> parse_clock("8:30"), parse_clock(1080)
    ('08:30', '18:00')

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MINUTES_A_DAY:
        return f"{value // 60:02}:{value % 60:02}"
    match = re.fullmatch(r"(\d{1,2}):(\d{2})", str(value).strip())
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ValueError(f"{value!r} is no time of day; write one like '08:00'")
    return f"{int(match[1]):02}:{match[2]}"


def read_hours(text: str) -> tuple[int, int]:
    """Return begin and end of hours in minutes since midnight; they may go over midnight.

    >>> read_hours("22:00-07:00")
    (1320, 420)

    Raises
    ------
    ValueError
        If the text is none, or both are the same.
    """
    sides = text.split("-")
    if len(sides) != 2:
        raise ValueError(f"{text!r} are no hours; write them like '22:00-07:00'")
    begin, end = (
        int(clock[:2]) * 60 + int(clock[3:])
        for clock in (parse_clock("00:00" if side.strip() == "24:00" else side) for side in sides)
    )
    if begin == end:
        raise ValueError(f"{text!r} begin and end at the same time; leave them out for the whole day")
    return begin, end


def check_hours(text: str) -> str:
    """Return hours after a check; empty means none are named."""
    if text:
        read_hours(text)
    return text


def read_days(value: object) -> tuple[str, ...]:
    """Return days of the week in order, from days and ranges of days.

    >>> read_days(["fri-mon", "wed"])
    ('mon', 'wed', 'fri', 'sat', 'sun')

    Raises
    ------
    ValueError
        If one of them is no day.
    """
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError(f"{value!r} are no days; write them like [mon-fri] or [sat, sun]")
    days: set[str] = set()
    for part in parts:
        sides = [side.strip() for side in str(part).lower().split("-")]
        for side in sides:
            if side not in DAYS or len(sides) > 2:
                raise ValueError(
                    f"{str(part)!r} is no day; {list_allowed(side, DAYS)}, or a range like mon-fri"
                )
        first, last = DAYS.index(sides[0]), DAYS.index(sides[-1])
        days |= {DAYS[(first + step) % 7] for step in range((last - first) % 7 + 1)}
    return tuple(day for day in DAYS if day in days)
