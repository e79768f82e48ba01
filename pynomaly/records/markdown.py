"""Text of unknown origin inside Markdown: shown as it is, never as markup, a link or a picture.

Reasons name columns and quote cells, and pages render Markdown: a picture in it would ask somebody else's
server whenever a person looks. Called for whatever goes into MLflow's or Prefect's pages.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["bullets", "plain"]

_SHOWN = str.maketrans(
    {"<": "&lt;", ">": "&gt;", "&": "&amp;", "[": "\\[", "]": "\\]", "`": "'", "\\": "\\\\", "|": "\\|"}
)


def plain(text: object) -> str:
    """`text` on one line, with nothing in it that Markdown or HTML would act on."""
    return " ".join(str(text).split()).translate(_SHOWN)


def bullets(lines: Iterable[object]) -> str:
    """One line of a list for each of `lines`."""
    return "\n".join(f"- {plain(line)}" for line in lines)
