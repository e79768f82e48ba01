"""Durations as people write them, ``15m``, ``6h``, ``7d``, ``8w``, cron schedules, and formats of times."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import BeforeValidator, PlainSerializer

__all__ = [
    "DIRECTIVES",
    "Duration",
    "check_cron",
    "parse_duration",
    "spell_duration",
    "split_time_format",
]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_duration(value: object) -> timedelta:
    """Read ``"36h"`` (or a timedelta) as a non-negative timedelta.

    Raises
    ------
    ValueError
        If the text is not a whole number followed by one of s, m, h, d, w.
    """
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"\s*(\d+)\s*([smhdw])\s*", str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a duration; write a whole number and s, m, h, d or w, like '12h'")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def spell_duration(value: timedelta) -> str:
    """Write a timedelta as :func:`parse_duration` reads it, in the largest fitting unit (weeks from 4 on)."""
    seconds = int(value.total_seconds())
    for unit in ("w", "d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0 and (unit != "w" or seconds >= 4 * _SECONDS["w"]):
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(spell_duration, return_type=str)
]


def check_cron(value: str) -> str:
    """Return a cron schedule after a check of its syntax; empty means none."""
    try:
        if value:
            CronSim(value, datetime(2026, 1, 1))
    except CronSimError as error:
        raise ValueError(f"it is no cron schedule ({error}); write one like '5 * * * *'") from error
    return value


DIRECTIVES = "YymdHIMSfjpbBaAzZ"
"""Letters of the directives that can be read, as strptime names them."""

_SHORTHANDS = {"%T": "%H:%M:%S", "%R": "%H:%M", "%F": "%Y-%m-%d", "%D": "%m/%d/%y"}
_SAME = {"B": "b", "A": "a", "Z": "z"}


def split_time_format(time_format: str) -> list[tuple[bool, str]]:
    """Return the parts of a format in order: ``(True, directive)`` or ``(False, text)``.

    Names of months (``%b``, ``%B``) are ``b``, weekdays ``a``, zones (``%z``, ``%Z``, both in a row) ``z``.

    Raises
    ------
    ValueError
        If a directive is unknown, or the format has no year.
    """
    written = time_format
    for short, long in _SHORTHANDS.items():
        written = written.replace(short, long)
    written = re.sub(r"%Z\s?%z|%Z", "%z", written)
    parts: list[tuple[bool, str]] = []
    for part in re.split(r"(%.|%\Z)", written, flags=re.DOTALL):
        letter = part[1:]
        if part.startswith("%") and letter != "%":
            if not letter or letter not in DIRECTIVES:
                raise ValueError(
                    f"{part!r} in {time_format!r} is no directive of a time; "
                    f"allowed: {', '.join('%' + name for name in DIRECTIVES)}"
                )
            parts.append((True, _SAME.get(letter, letter)))
        elif part:
            parts.append((False, "%" if part == "%%" else part))
    if not {"Y", "y"} & {name for is_directive, name in parts if is_directive}:
        raise ValueError(f"{time_format!r} has no year; %Y or %y is needed")
    return parts
