"""What a cell that looks like a moment could be written by: strptime formats, ISO 8601 first. Pure.

Called by ``moments`` and ``joins``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

__all__ = ["CLOCK", "describe_clock", "propose_formats"]

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec"]

CLOCK = re.compile(r"(\d{1,2})([:.h])(\d{2})(?:([:.])(\d{2})(?:([.,])(\d{1,9}))?)?(?:\s*([AaPp]\.?[Mm]\.?))?")

_ZONE = r"(?:Z|UTC|GMT|UT|[A-Z]{3,4}|(?:UTC|GMT)?[+-]\d{2}(?::?\d{2})?)"


def propose_formats(cells: Sequence[str]) -> list[dict[str, Any]]:
    """Return settings under which the first cells could read, ISO 8601 first."""
    proposals: list[dict[str, Any]] = []
    step = max(1, len(cells) // 8)
    for cell in cells[::step][:10]:
        for settings in _propose_for(cell):
            if settings not in proposals:
                proposals.append(settings)
    return proposals


_DATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", ("%Y{1}%m{1}%d",)),
    (r"(\d{1,2})([-/. ])(\d{1,2})\2(\d{4})", ("%d{1}%m{1}%Y", "%m{1}%d{1}%Y")),
    (r"(\d{1,2})([-/. ])(\d{1,2})\2(\d{2})(?!\d)", ("%d{1}%m{1}%y", "%m{1}%d{1}%y", "%y{1}%m{1}%d")),
    (r"(\d{4})([-/. ])([A-Za-z]{3,9})\2(\d{1,2})", ("%Y{1}%b{1}%d",)),
    (r"(\d{1,2})([-/. ]?)([A-Za-z]{3,9})\2(\d{4})", ("%d{1}%b{1}%Y",)),
    (r"(\d{1,2})([-/. ]?)([A-Za-z]{3,9})\2(\d{2})(?!\d)", ("%d{1}%b{1}%y",)),
    (r"([A-Za-z]{3,9})( )(\d{1,2}),? (\d{4})", ("%b %d, %Y", "%b %d %Y")),
    (r"([A-Za-z]{3,9})([-/. ])(\d{1,2})\2(\d{4})", ("%b{1}%d{1}%Y",)),
    (r"([A-Za-z]{3,9})([-/. ])(\d{4})", ("%b{1}%Y",)),
    (r"([A-Za-z]{3,9})([-/. ]?)(\d{2})(?!\d)", ("%b{1}%y",)),
    (r"(\d{1,2})([-/.])(\d{4})(?!\d)", ("%m{1}%Y",)),
    (r"(\d{4})(\d{2})(\d{2})(?=[T _-]?\d)", ("%Y%m%d",)),
)


def _propose_for(cell: str) -> list[dict[str, Any]]:
    if re.fullmatch(
        r"\d{4}-\d{1,2}(-\d{1,2})?([T ]+\d{1,2}(:\d{2}){0,2}([.,]\d{1,9})?)?\s*" + _ZONE + "?", cell
    ):
        padded = re.match(r"\d{4}-\d{2}(-\d{2})?([T ]\d{2}|\s*$|$)", cell)
        if padded:
            return [{}]
    weekday = re.match(r"([A-Za-z]{3,9}),?\s+", cell)
    prefix, rest = "", cell
    if weekday and weekday.group(1)[:3].lower() in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"):
        long = len(weekday.group(1)) > 3
        comma = "," if "," in weekday.group(0) else ""
        prefix, rest = ("%A" if long else "%a") + comma + " ", cell[weekday.end() :]
        unix = re.fullmatch(rf"([A-Za-z]{{3}}) +\d{{1,2}} \d{{1,2}}:\d{{2}}:\d{{2}}( {_ZONE})? \d{{4}}", rest)
        if unix:
            zone = " %Z" if unix.group(2) else ""
            if zone and re.search(r"[+-]\d", unix.group(2)):
                zone = " %z"
            return [{"time_format": f"{prefix}%b %d %H:%M:%S{zone} %Y"}]
    settings: list[dict[str, Any]] = []
    for pattern, formats in _DATES:
        match = re.match(pattern, rest)
        if match is None:
            continue
        if any(
            group.isalpha() and group[:3].lower() not in _MONTHS
            for group in match.groups()
            if group and group.isalpha()
        ):
            continue
        long_month = any(group and group.isalpha() and len(group) > 4 for group in match.groups())
        tail = rest[match.end() :]
        clock = describe_clock(tail)
        if clock is None:
            continue
        separator = (
            match.group(2)
            if match.lastindex and match.lastindex >= 2 and not match.group(2).isdigit()
            else ""
        )
        for format_ in formats:
            text = prefix + format_.replace("{1}", separator) + clock
            if long_month:
                text = text.replace("%b", "%B")
            settings.append({"time_format": text})
        break
    return settings


def describe_clock(tail: str) -> str | None:
    """Return the format of what stands behind a date; None if it is no time of day."""
    if not tail.strip():
        return ""
    match = re.match(r"(?:T|\s*@\s*|[\s,_:-]+| at )", tail)
    between = match.group(0) if match else ""
    body = tail[len(between) :]
    if not between:
        between, body = "", tail
    between = re.sub(r"\s+", " ", between)
    clock = CLOCK.match(body)
    if clock is None:
        if digits := re.match(r"(\d{6}|\d{4}|\d{2})(?!\d)", body):
            spelled = {6: "%H%M%S", 4: "%H%M", 2: "%H"}[len(digits.group(1))]
            return between + spelled + _describe_rest(body[digits.end() :])
        return None
    half = clock.group(8)
    text = ("%I" if half else "%H") + clock.group(2) + "%M"
    if clock.group(5):
        text += clock.group(4) + "%S"
    if clock.group(7):
        text += clock.group(6) + "%f"
    if half:
        text += (" " if re.search(r"\s[AaPp]", clock.group(0)) else "") + "%p"
    return between + text + _describe_rest(body[clock.end() :])


def _describe_rest(rest: str) -> str:
    if not rest.strip():
        return ""
    if re.fullmatch(r"\s*(?:(?:UTC|GMT)?[+-]\d{2}:?\d{2}|Z)", rest):
        return (" " if rest[0] == " " else "") + "%z"
    if re.fullmatch(r"\s*(?:UTC|GMT)", rest):
        return rest.replace(rest.strip(), rest.strip())
    if re.match(r"\s*(?:-|–|to|bis)\s*\d", rest) or re.fullmatch(r"\s*[A-Za-z]{2,5}", rest):
        return "*"
    return "*" if rest.startswith((" ", "(")) else "\0"
