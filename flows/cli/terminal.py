"""Text on a terminal: what is not printable is spelled, so that no name can move the cursor or hide a word.

Called for everything the command line prints. Line breaks are kept where a page is laid out, and spelled in
a message.
"""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str, *, lines: bool = False) -> str:
    """`text` with control characters and turns of direction spelled like ``\\x1b`` and ``\\u202e``."""
    kept = "\n" if lines else ""
    return "".join(c if c.isprintable() or c in kept else ascii(c)[1:-1] for c in text)
