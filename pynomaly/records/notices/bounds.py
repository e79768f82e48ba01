"""Cut a long text to what a channel takes, and say how much was left out."""

from __future__ import annotations

import json
from collections.abc import Sequence

__all__ = ["cut_lines", "cut_text", "split_text"]


def cut_text(text: str, longest: int) -> str:
    """Return at most so many characters; a text that was cut ends in an ellipsis.

    >>> cut_text("pressure", 5)
    'pres…'
    """
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def cut_lines(lines: Sequence[str], most_bytes: int, overhead: int) -> list[str]:
    """Return the first lines that fit into so many bytes of JSON, and a last one that counts the others.

    Parameters
    ----------
    lines : sequence of str
    most_bytes : int
    overhead : int
        Bytes that each line needs besides its text.
    """
    left, kept = most_bytes, list[str]()
    for line in lines:
        left -= len(json.dumps(line)) + overhead
        if left < 0:
            break
        kept.append(line)
    return [*kept, f"… and {len(lines) - len(kept)} more lines"] if len(kept) < len(lines) else kept


def split_text(text: str, longest: int, most: int) -> list[str]:
    """Return a text in at most so many parts, cut at the ends of lines; the last counts what was left out.

    >>> split_text("first\\nsecond\\nthird", 8, 3)
    ['first', 'second', 'third']
    """
    parts: list[str] = []
    for line in text.splitlines():
        shown = cut_text(line, longest)
        if parts and len(parts[-1]) + 1 + len(shown) <= longest:
            parts[-1] = f"{parts[-1]}\n{shown}"
        else:
            parts.append(shown)
    if len(parts) <= most:
        return parts
    left_out = sum(part.count("\n") + 1 for part in parts[most - 1 :])
    return [*parts[: most - 1], f"… and {left_out} more lines"]
