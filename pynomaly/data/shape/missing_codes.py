"""Numbers that tables often use for a missing value. Called where a table is read, and of scored rows."""

from __future__ import annotations

import re

__all__ = ["is_missing_code"]

_CODE = re.compile(
    r"-?9{2,}(?:\.9+|\.0+)?|-?[1-9]0{2,}(?:\.0+)?|-1(?:\.0+)?|-?99\.9+|32767|-32768|65535|-?2147483647|-2147483648"
)


def is_missing_code(text: str) -> bool:
    """Return whether a number, as text, is one of them, such as -9999."""
    return _CODE.fullmatch(text) is not None
