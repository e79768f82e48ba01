"""Text on a terminal: unprintable characters are escaped, so that no name moves the cursor or hides text.

Called for everything the command line prints. Line breaks are kept in laid-out output and escaped in
messages.
"""

from __future__ import annotations

__all__ = ["escape_unprintable"]


def escape_unprintable(text: str, *, lines: bool = False) -> str:
    """Returns `text` with control and text-direction characters escaped, like ``\\x1b`` and ``\\u202e``."""
    allowed = "\n" if lines else ""
    return "".join(c if c.isprintable() or c in allowed else ascii(c)[1:-1] for c in text)
