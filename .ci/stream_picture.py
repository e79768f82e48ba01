"""Draws the live path as SVG: what a message becomes, and where the batch path takes over.

`stream_picture` returns the SVG and writes nothing; ``make reference`` writes it into ``docs/pictures``.
"""

from __future__ import annotations

from html import escape

from picture import STYLE, draw_text

__all__ = ["CLOSING", "LIVE", "stream_picture"]

LIVE = (
    ("broker", "messages of a topic", "at least once"),
    ("check", "columns, times", "or a dead letter"),
    ("score", "the champion and", "each entity's past"),
    ("record", "one transaction:", "rows, scores, position"),
    ("acknowledge", "only now", "to the broker"),
)
"""What a batch of messages passes, in order: name, and two lines about it."""

CLOSING = (
    ("keep", "rows of a window", "into its files"),
    ("batch path", "scored as ever:", "the same partition"),
    ("judged", "drift, reports,", "audits, why"),
)
"""What a window passes after its end and `stream.lateness`."""

_WIDE, _HIGH, _STEP = 150, 78, 186
_HEIGHT = 340


def stream_picture() -> str:
    """Returns the whole SVG, with a title and a description for screen readers."""
    live, closing = (", ".join(name for name, *_ in row) for row in (LIVE, CLOSING))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 {_HEIGHT}" role="img" '
        'aria-labelledby="title description">',
        '<title id="title">The live path of Pynomaly</title>',
        f'<desc id="description">A batch of messages passes, in this order: {escape(live)}. Alerts leave for '
        f"the sinks as soon as it is recorded. A window that is over passes: {escape(closing)}.</desc>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#3a5f95"/></marker></defs>',
        f'<rect class="page" width="960" height="{_HEIGHT}"/>',
        draw_text(20, 28, "Within moments: a batch of messages", "title", "start"),
        *_draw_row(LIVE, 42),
        draw_text(20, 200, "When its window is over", "title", "start"),
        *_draw_row(CLOSING, 214, first=1),
        *_draw_box(20 + 4 * _STEP, 214, ("sinks", "alerts within moments,", "scores, decisions")),
        _draw_way(f"M{20 + 3 * _STEP + _WIDE - 30} {42 + _HIGH} L{20 + 4 * _STEP + 30} 212"),
        _draw_way(f"M{20 + 3 * _STEP + 30} {42 + _HIGH} L{20 + _STEP + _WIDE - 30} 212"),
        draw_text(
            480, 322, "One truth: entries of the ledger until a window closes, its files afterwards", "small"
        ),
    ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _draw_row(steps: tuple[tuple[str, str, str], ...], top: int, first: int = 0) -> list[str]:
    lines: list[str] = []
    for place, step in enumerate(steps, first):
        x = 20 + place * _STEP
        lines += _draw_box(x, top, step)
        if place > first:
            lines.append(_draw_way(f"M{x - _STEP + _WIDE} {top + _HIGH // 2} H{x - 2}"))
    return lines


def _draw_box(x: int, y: int, step: tuple[str, str, str]) -> list[str]:
    name, *words = step
    return [
        f'<rect class="box" x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" rx="6"/>',
        draw_text(x + _WIDE / 2, y + 25, name, "title"),
        *(draw_text(x + _WIDE / 2, y + 45 + 16 * line, text, "small") for line, text in enumerate(words)),
    ]


def _draw_way(path: str) -> str:
    return f'<path class="way" d="{path}"/>'
