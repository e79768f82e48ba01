"""Parts of a chart as SVG: the whole drawing, its axes, lines, boxes and text.

Lengths are in units of the drawing, which is 400 wide, so that its text is readable on a telephone. Text is
escaped here. What a mark stands for is its ``<title>``, which a browser shows under the pointer. Called by
:mod:`pynomaly.records.pages.charts` and :mod:`pynomaly.records.pages.timeline`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from pynomaly.records.axes import Scale

__all__ = ["HEIGHT", "LEFT", "LOW", "RIGHT", "TOP", "WIDTH", "Chart", "Labels"]
__all__ += ["draw_box", "draw_dot", "draw_frame", "draw_line", "draw_svg", "draw_text", "draw_ticks_below"]
__all__ += ["parse_time", "pick_evenly", "shorten_text", "style_guide", "to_svg", "unit_axes"]

WIDTH, HEIGHT = 400.0, 240.0
LEFT, RIGHT, TOP, LOW = 62.0, 16.0, 12.0, 44.0
"""Margins around the plot."""


_GUIDE_STYLES = ("guide mark", "guide mark second", "guide mark third")


@dataclass(frozen=True)
class Labels:
    """The texts of a chart.

    Attributes
    ----------
    name : str
        The id of the drawing, unique in its page.
    title : str
    x, y : str
        Names of the axes; a chart of horizontal bars or intervals has no `y`.
    description : str
        What a reader who cannot see the drawing is told; "" for a sentence made of the rest.
    """

    name: str
    title: str
    x: str
    y: str = ""
    description: str = ""


@dataclass(frozen=True)
class Chart:
    """A drawing with its description and its data.

    Attributes
    ----------
    svg : Markup
        Safe markup; its ``<title>`` and ``<desc>`` carry `title` and `description`.
    legend : tuple of (str, str)
        CSS class of the sample, and its text.
    columns, rows : tuple
        The data as a table of text.
    wide : bool
        Whether it needs the whole width of the page.
    """

    svg: Markup
    title: str
    description: str
    legend: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    wide: bool = False


def unit_axes() -> tuple[Scale, Scale]:
    """Return the horizontal and the vertical axis, both from 0 to 1."""
    ticks = tuple((i / 5, f"{i / 5:g}") for i in range(6))
    return (
        Scale(0, 1, LEFT, WIDTH - RIGHT, ticks),
        Scale(0, 1, HEIGHT - LOW, TOP, ticks),
    )


def to_svg(place: float) -> str:
    """Return a position as SVG text, rounded to a tenth."""
    text = f"{place:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def draw_svg(
    name: str,
    title: str,
    description: str,
    parts: Sequence[Markup],
    height: float = HEIGHT,
    width: float = WIDTH,
) -> Markup:
    """Return the whole drawing, with title and description for screen readers."""
    head = Markup(
        '<svg id="{0}" viewBox="0 0 {3} {4}" role="img" aria-labelledby="{0}-title {0}-desc">'
        '<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>'
    )
    return (
        head.format(name, title, description, to_svg(width), to_svg(height))
        + Markup("").join(parts)
        + Markup("</svg>")
    )


def draw_frame(
    x: Scale,
    y: Scale,
    xlabel: str,
    ylabel: str,
    width: float = WIDTH,
    height: float = HEIGHT,
    band: float = 0.0,
) -> Markup:
    """Return grid, ticks and labels of both axes; `band` is the height left free below the plot."""
    parts = []
    for value, text in y.ticks:
        parts.append(draw_line([(x.start, y(value)), (x.end, y(value))], "grid"))
        parts.append(draw_text(x.start - 6, y(value) + 4, text, "label end"))
    for value, text in x.ticks:
        parts.append(draw_text(x(value), y.start + band + 16, text, "label"))
        parts.append(draw_line([(x(value), y.start + band), (x(value), y.start + band + 4)], "axis"))
    parts.append(draw_line([(x.start, y.start), (x.end, y.start)], "axis"))
    parts.append(draw_text((x.start + x.end) / 2, height - 6, xlabel, "name"))
    rotated_text = Markup('<text class="name" transform="translate(11 {}) rotate(-90)">{}</text>')
    parts.append(rotated_text.format(to_svg((y.start + y.end) / 2), ylabel))
    return Markup("").join(parts)


def draw_ticks_below(x: Scale, top: float, bottom: float, xlabel: str, height: float) -> Markup:
    """Return vertical grid lines and the axis below them, for charts with one row per item."""
    parts = [draw_line([(x.start, bottom), (x.end, bottom)], "axis")]
    for value, text in x.ticks:
        parts.append(draw_line([(x(value), top), (x(value), bottom)], "grid"))
        parts.append(draw_text(x(value), bottom + 16, text, "label"))
    return Markup("").join([*parts, draw_text((x.start + x.end) / 2, height - 6, xlabel, "name")])


def draw_line(points: Sequence[tuple[float, float]], style: str) -> Markup:
    """Return a line through points; `style` holds its CSS classes."""
    path = " ".join(f"{to_svg(x)},{to_svg(y)}" for x, y in points)
    return Markup('<polyline class="{}" points="{}"/>').format(style, path)


def draw_box(left: float, top: float, right: float, bottom: float, style: str, hover: str = "") -> Markup:
    """Return a rectangle; `style` holds its CSS classes, `hover` what it stands for."""
    sides = (to_svg(left), to_svg(top), to_svg(max(0.0, right - left)), to_svg(max(0.0, bottom - top)))
    box = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(style, *sides)
    return _add_hover(box, hover)


def draw_dot(x: float, y: float, style: str, hover: str = "") -> Markup:
    """Return a dot; `style` holds its CSS classes, `hover` what it stands for."""
    dot = Markup('<circle class="dot {}" cx="{}" cy="{}" r="4"/>').format(style, to_svg(x), to_svg(y))
    return _add_hover(dot, hover)


def _add_hover(mark: Markup, hover: str) -> Markup:
    return Markup("<g><title>{}</title>{}</g>").format(hover, mark) if hover else mark


def style_guide(index: int) -> str:
    """Return the CSS classes of a chart's guide, so that each has dashes of its own."""
    return _GUIDE_STYLES[index % len(_GUIDE_STYLES)]


def draw_text(x: float, y: float, text: str, style: str) -> Markup:
    """Return text at a position; `style` holds its CSS classes."""
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(style, to_svg(x), to_svg(y), text)


def shorten_text(text: str, most: int) -> str:
    """Return text of at most `most` characters, its middle left out, for names often differ at their end."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 3
    return text[: most - 1 - tail] + "…" + text[-tail:]


def pick_evenly(n: int, most: int) -> list[int]:
    """Return at most `most` of the indices 0 to n - 1, evenly spaced, with both ends."""
    return sorted({round(i * (n - 1) / (most - 1)) for i in range(most)}) if n else []


def parse_time(text: str) -> datetime:
    """Return the time of an ISO text."""
    return datetime.fromisoformat(text)
