"""Split a format of times (``data.time_format``) into its directives and the text between them.

Called when the settings are validated, and by the reader of times.
"""

from __future__ import annotations

import re

__all__ = ["DIRECTIVES", "split_time_format"]

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
