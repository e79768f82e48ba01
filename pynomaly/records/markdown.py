"""Escape text of unknown origin for Markdown, so that it is never markup, a link or a picture.

Reasons contain column names and cells of the data, and pages render Markdown: a picture in such a text would
contact a foreign server whenever a person opens the page. Called for all text on MLflow's or Prefect's pages.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["escape_markdown", "format_bullets"]

_ESCAPES = str.maketrans(
    {"<": "&lt;", ">": "&gt;", "&": "&amp;", "[": "\\[", "]": "\\]", "`": "'", "\\": "\\\\", "|": "\\|"}
)


def escape_markdown(text: object) -> str:
    """Return `text` on one line, with every character escaped that Markdown or HTML would interpret."""
    return " ".join(str(text).split()).translate(_ESCAPES)


def format_bullets(lines: Iterable[object]) -> str:
    """Return a Markdown list with one item for each of `lines`."""
    return "\n".join(f"- {escape_markdown(line)}" for line in lines)
