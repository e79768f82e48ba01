"""What charts are made of: one drawing with its words and data, its frame, lines, boxes and text.

Lengths are units of the drawing: 400 wide, so that its text can be read where a telephone shows it. Text is
escaped here. Called by :mod:`pynomaly.records.pages.charts` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from pynomaly.records.pages.axes import Scale, at

__all__ = ["HEIGHT", "LEFT", "LOW", "RIGHT", "TOP", "WIDTH", "Chart", "box", "drawn", "drawn_line", "frame"]
__all__ += ["moment", "shortened", "spread", "square", "ticks_below", "written"]

WIDTH, HEIGHT = 400.0, 240.0
LEFT, RIGHT, TOP, LOW = 52.0, 12.0, 12.0, 44.0
"""Room around the plot."""


@dataclass(frozen=True)
class Chart:
    """A drawing and what it says.

    Attributes
    ----------
    svg : Markup
        Safe markup; its ``<title>`` and ``<desc>`` carry `title` and `description`.
    legend : tuple of (str, str)
        Class of the sample and text.
    columns, rows : tuple
        The data, as text.
    wide : bool
        Whether it wants the page's whole width.
    """

    svg: Markup
    title: str
    description: str
    legend: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    wide: bool = False


def square() -> tuple[Scale, Scale]:
    """Both axes from 0 to 1."""
    ticks = tuple((i / 5, f"{i / 5:g}") for i in range(6))
    return (
        Scale(0, 1, LEFT, WIDTH - RIGHT, ticks),
        Scale(0, 1, HEIGHT - LOW, TOP, ticks),
    )


def drawn(
    name: str, title: str, said: str, parts: Sequence[Markup], height: float = HEIGHT, width: float = WIDTH
) -> Markup:
    """The whole drawing, with its title and description for who does not see it."""
    head = Markup(
        '<svg id="{0}" viewBox="0 0 {3} {4}" role="img" aria-labelledby="{0}-title {0}-desc">'
        '<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>'
    )
    return head.format(name, title, said, at(width), at(height)) + Markup("").join(parts) + Markup("</svg>")


def frame(
    x: Scale,
    y: Scale,
    xlabel: str,
    ylabel: str,
    width: float = WIDTH,
    height: float = HEIGHT,
    band: float = 0.0,
) -> Markup:
    """Grid, ticks and labels of both axes; `band` is room kept free below the plot."""
    parts = []
    for value, text in y.ticks:
        parts.append(drawn_line([(x.start, y(value)), (x.end, y(value))], "grid"))
        parts.append(written(x.start - 6, y(value) + 4, text, "label end"))
    for value, text in x.ticks:
        parts.append(written(x(value), y.start + band + 16, text, "label"))
        parts.append(drawn_line([(x(value), y.start + band), (x(value), y.start + band + 4)], "axis"))
    parts.append(drawn_line([(x.start, y.start), (x.end, y.start)], "axis"))
    parts.append(written((x.start + x.end) / 2, height - 6, xlabel, "name"))
    turned = Markup('<text class="name" transform="translate(12 {}) rotate(-90)">{}</text>')
    parts.append(turned.format(at((y.start + y.end) / 2), ylabel))
    return Markup("").join(parts)


def ticks_below(x: Scale, top: float, bottom: float, xlabel: str, height: float) -> Markup:
    """Upright grid lines and the axis below them, for charts of one row an item."""
    parts = [drawn_line([(x.start, bottom), (x.end, bottom)], "axis")]
    for value, text in x.ticks:
        parts.append(drawn_line([(x(value), top), (x(value), bottom)], "grid"))
        parts.append(written(x(value), bottom + 16, text, "label"))
    return Markup("").join([*parts, written((x.start + x.end) / 2, height - 6, xlabel, "name")])


def drawn_line(points: Sequence[tuple[float, float]], style: str) -> Markup:
    """A line through points, with its classes."""
    path = " ".join(f"{at(x)},{at(y)}" for x, y in points)
    return Markup('<polyline class="{}" points="{}"/>').format(style, path)


def box(left: float, top: float, right: float, bottom: float, style: str) -> Markup:
    """A rectangle, with its classes."""
    sides = (at(left), at(top), at(max(0.0, right - left)), at(max(0.0, bottom - top)))
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(style, *sides)


def written(x: float, y: float, text: str, style: str) -> Markup:
    """Text at a place, with its classes."""
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(style, at(x), at(y), text)


def shortened(text: str, most: int) -> str:
    """Text of at most so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def spread(n: int, most: int) -> list[int]:
    """At most `most` places of `n`, evenly, both ends among them."""
    return sorted({round(i * (n - 1) / (most - 1)) for i in range(most)}) if n else []


def moment(text: str) -> datetime:
    """An ISO moment."""
    return datetime.fromisoformat(text)
