"""Charts for pages: inline SVG in the colours of the page, with a description and the data as a table.

Each function takes plain numbers and returns a :class:`~pynomaly.records.pages.drawing.Chart`: markup,
legend, and the same data as a table, for readers who cannot see the drawing. Text is escaped. There is no
script, no link and no randomness: the same input gives the same markup. Colours are CSS classes that the page
sets for light, dark and paper; series also differ by dashes. Called by the page modules beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from pynomaly.records.axes import Scale, linear_axis, log_axis
from pynomaly.records.formats import format_interval, format_number, format_percent
from pynomaly.records.pages.drawing import (
    HEIGHT,
    LEFT,
    LOW,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    Labels,
    draw_box,
    draw_dot,
    draw_frame,
    draw_line,
    draw_svg,
    draw_text,
    draw_ticks_below,
    pick_evenly,
    shorten_text,
    style_guide,
    unit_axes,
)

__all__ = [
    "draw_bars",
    "draw_calibration",
    "draw_curves",
    "draw_histogram",
    "draw_intervals",
]

_LINE_STYLES = 6


def draw_curves(
    labels: Labels,
    series: Sequence[Mapping[str, Any]],
    *,
    flat: float | None = None,
    diagonal: bool = False,
) -> Chart:
    """Draw curves on the unit square.

    Parameters
    ----------
    series : sequence of mapping
        ``label``, ``x``, ``y``, and ``strong`` (whether the curve is thick).
    flat : float, optional
        Height of a dotted no-skill line; `diagonal` draws one from corner to corner.
    """
    x, y = unit_axes()
    parts = [draw_frame(x, y, labels.x, labels.y)]
    if diagonal:
        parts.append(draw_line([(x(0), y(0)), (x(1), y(1))], "guide"))
    if flat is not None:
        parts.append(draw_line([(x.start, y(flat)), (x.end, y(flat))], "guide"))
    styles = [f"s{i % _LINE_STYLES}" + (" strong" if item["strong"] else "") for i, item in enumerate(series)]
    # The strongest comes last and lies on top.
    for style, item in sorted(zip(styles, series, strict=True), key=lambda pair: bool(pair[1]["strong"])):
        points = [(x(a), y(b)) for a, b in zip(item["x"], item["y"], strict=True)]
        parts.append(draw_line(points, f"line {style}"))
    legend = [(style, str(item["label"])) for style, item in zip(styles, series, strict=True)]
    if diagonal or flat is not None:
        legend.append(("guide", "no skill"))
    rows = []
    for item in series:
        indices = pick_evenly(len(item["x"]), 11)
        rows += [
            (str(item["label"]), format_number(item["x"][i]), format_number(item["y"][i])) for i in indices
        ]
    alt = labels.description or f"{len(series)} curves of {labels.y} over {labels.x}, both from 0 to 1."
    columns = ("curve", labels.x, labels.y)
    return _build_chart(labels, alt, parts, legend, columns, rows)


def draw_intervals(
    labels: Labels,
    items: Sequence[Mapping[str, Any]],
    *,
    guides: Sequence[tuple[float, str]] = (),
    chosen: str = "chosen",
) -> Chart:
    """Draw values with their intervals, one below the other.

    Parameters
    ----------
    items : sequence of mapping
        ``label``, ``value``, ``low``, ``high`` (None: not computable) and ``strong``.
    guides : sequence of (float, str)
        Values to mark by a vertical line, with their meaning.
    chosen : str
        Word that marks a strong item.
    """
    axis_values = [
        float(value)
        for item in items
        for value in (item["value"], item["low"], item["high"])
        if value is not None
    ]
    axis_values += [place for place, _ in guides]
    height = TOP + 34.0 * max(1, len(items)) + LOW
    x = linear_axis(min(axis_values, default=0.0), max(axis_values, default=1.0), 16, WIDTH - 16, marks=5)
    bottom = height - LOW
    parts = [draw_ticks_below(x, TOP, bottom, labels.x, height)]
    rows = []
    for index, item in enumerate(items):
        middle = TOP + 34.0 * index + 24
        parts += _draw_guides(x, guides, middle - 7, middle + 7)
        style = "s0 strong" if item["strong"] else "s5"
        item_label = str(item["label"]) + (f" ({chosen})" if item["strong"] else "")
        parts.append(draw_text(16, middle - 10, shorten_text(item_label, 52), "label start"))
        if item["value"] is None:
            parts.append(draw_text(WIDTH - 16, middle + 4, "not computable", "label end"))
        else:
            low, high = (item[side] if item[side] is not None else item["value"] for side in ("low", "high"))
            parts.append(draw_line([(x(low), middle), (x(high), middle)], f"line {style}"))
            hover = f"{item_label}: {format_interval(item)}"
            parts.append(draw_dot(x(item["value"]), middle, style, hover))
        rows.append((item_label, *(format_number(item[part]) for part in ("value", "low", "high"))))
    alt = f"{labels.x} of {len(items)}, each as a dot with its interval as a line; the table has the figures."
    legend = [(style_guide(i), text) for i, (_, text) in enumerate(guides)]
    return _build_chart(labels, alt, parts, legend, ("", labels.x, "from", "to"), rows, height)


def draw_histogram(
    labels: Labels,
    edges: Sequence[float],
    groups: Sequence[tuple[str, Sequence[float]]],
    *,
    log: bool = False,
    guide: tuple[float, str] | None = None,
    level: tuple[float, str] | None = None,
) -> Chart:
    """Draw counts, or shares, of one or two groups in the same bins; the second has an outline.

    Parameters
    ----------
    edges : sequence of float, length bins + 1
    groups : sequence of (str, sequence of float)
    log : bool
        Whether heights are on a logarithmic axis, from 1 (or from the smallest share).
    guide, level : (float, str), optional
        A vertical and a horizontal line, with their meaning.
    """
    x = linear_axis(edges[0], edges[-1], LEFT, WIDTH - RIGHT)
    x = Scale(edges[0], edges[-1], x.start, x.end, tuple(t for t in x.ticks if edges[0] <= t[0] <= edges[-1]))
    y = _build_height_axis([counts for _, counts in groups], log, level)
    parts = [draw_frame(x, y, labels.x, labels.y)]
    bins = list(pairwise(edges))
    bin_texts = [f"{format_number(left)} to {format_number(right)}" for left, right in bins]
    styles = ("b0", "b1 light")
    for index, (label, counts) in enumerate(groups):
        for (left, right), text, count in zip(bins, bin_texts, counts, strict=True):
            if count > 0:
                hover = f"{text}: {format_number(count)}, {label}"
                parts.append(draw_box(x(left), y(count), x(right), y.start, f"bar {styles[index]}", hover))
    for _, counts in groups[1:]:
        corners = [
            (x(place), y(count) if count > 0 else y.start)
            for edge, count in zip(bins, counts, strict=True)
            for place in edge
        ]
        parts.append(draw_line([(x.start, y.start), *corners, (x.end, y.start)], "outline"))
    if level:
        parts.append(draw_line([(x.start, y(level[0])), (x.end, y(level[0]))], style_guide(0)))
    if guide:
        parts.append(draw_line([(x(guide[0]), y.start), (x(guide[0]), y.end)], style_guide(0)))
    legend = [(style, label) for style, (label, _) in zip(styles, groups, strict=False)]
    legend += [(style_guide(0), item[1]) for item in (guide, level) if item]
    rows = [(text, *(format_number(counts[i]) for _, counts in groups)) for i, text in enumerate(bin_texts)]
    alt = labels.description or f"{labels.y} in {len(bins)} bins of {labels.x}."
    return _build_chart(labels, alt, parts, legend, (labels.x, *(label for label, _ in groups)), rows)


def _build_height_axis(
    heights: Sequence[Sequence[float]], log: bool, level: tuple[float, str] | None
) -> Scale:
    """Return the vertical axis of a histogram, which holds every height above 0."""
    positive = [value for counts in heights for value in counts if value > 0]
    tallest = max([*positive, level[0] if level else 0.0], default=1.0)
    if not log:
        return linear_axis(0, tallest, HEIGHT - LOW, TOP, marks=4)
    least = min(positive, default=1.0)
    low = 0.5 if least >= 1 else 0.5 * least
    return log_axis(max(low, tallest * 1e-6), 1.3 * tallest, HEIGHT - LOW, TOP)


def draw_calibration(name: str, title: str, uniformity: Mapping[str, Any]) -> Chart:
    """Draw a calibration curve: the share of p-values <= t over t, with intervals, on logarithmic axes.

    Parameters
    ----------
    uniformity : mapping
        ``Uniformity.to_dict()`` with at least one level.
    """
    items = sorted(uniformity["levels"], key=lambda item: float(item["level"]))
    smallest = items[0]["level"]
    x = log_axis(smallest, 1.0, LEFT, WIDTH - RIGHT)
    y = log_axis(smallest / 10, 1.0, HEIGHT - LOW, TOP)
    labels = Labels(name, title, "promised share (p at most)", "share found")
    parts = [draw_frame(x, y, labels.x, labels.y)]
    parts.append(draw_line([(x(smallest), y(smallest)), (x(1), y(1))], "guide"))
    for item in items:
        parts.append(
            draw_line([(x(item["level"]), y(item["low"])), (x(item["level"]), y(item["high"]))], "line s0")
        )
    positive = [item for item in items if item["share"] > 0]
    parts.append(draw_line([(x(item["level"]), y(item["share"])) for item in positive], "line s0 strong"))
    for item in positive:
        text = f"p at most {format_number(item['level'])}: {format_interval(item | {'value': item['share']})}"
        parts.append(draw_dot(x(item["level"]), y(item["share"]), "s0 strong", text))
    rows = [
        (
            format_number(item["level"]),
            format_number(item["share"]),
            format_number(item["low"]),
            format_number(item["high"]),
        )
        for item in reversed(items)
    ]
    alt = (
        f"Share of {uniformity['rows']:,} rows whose p-value is at most a level, with intervals at "
        f"{format_percent(uniformity['confidence'])}; on the dotted diagonal p-values are exactly what they "
        "say, above it there are more alerts than promised."
    )
    legend = [("s0 strong", "found, with interval"), ("guide", "as promised")]
    return _build_chart(labels, alt, parts, legend, ("p at most", labels.y, "from", "to"), rows)


def draw_bars(
    labels: Labels,
    items: Sequence[tuple[str, float | None, str]],
    guides: Sequence[tuple[float, str]] = (),
    highest: float = 0.0,
) -> Chart:
    """Draw horizontal bars in the order of `items`, each with its name, value and status.

    Parameters
    ----------
    items : sequence of (str, float or None, str)
        Name, length, and status: ``drift`` is drawn strongest, ``warning`` after it.
    guides : sequence of (float, str)
    highest : float
        The axis reaches at least this far.
    """
    tallest = max([highest, *(value for _, value, _ in items if value is not None)], default=1.0)
    height = TOP + 30.0 * max(1, len(items)) + LOW
    x = linear_axis(0, tallest or 1.0, 16, WIDTH - 16)
    bottom = height - LOW
    parts = [draw_ticks_below(x, TOP, bottom, labels.x, height)]
    styles = {"drift": "b1", "warning": "b2"}
    for index, (label, value, status) in enumerate(items):
        top = TOP + 30.0 * index
        item_text = f"{shorten_text(label, 40)}: {format_number(value)}{', ' + status if status else ''}"
        parts.append(draw_text(16, top + 13, item_text, "label start"))
        if value is not None:
            style = f"bar {styles.get(status, 'b0')}"
            parts.append(
                draw_box(x(0), top + 17, x(value), top + 26, style, f"{label}: {format_number(value)}")
            )
        parts += _draw_guides(x, guides, top + 17, top + 29)
    alt = f"{labels.x} of {len(items)}, as bars from 0; the table has the figures."
    legend = [(style_guide(i), f"{text}: {format_number(place)}") for i, (place, text) in enumerate(guides)]
    rows = [(label, format_number(value), status) for label, value, status in items]
    return _build_chart(labels, alt, parts, legend, ("", labels.x, "status"), rows, height)


def _draw_guides(x: Scale, guides: Sequence[tuple[float, str]], top: float, bottom: float) -> list[Markup]:
    """Return the pieces of vertical guides beside one item, so that they cross no text."""
    return [
        draw_line([(x(place), top), (x(place), bottom)], style_guide(index))
        for index, (place, _) in enumerate(guides)
    ]


def _build_chart(
    labels: Labels,
    description: str,
    parts: Sequence[Markup],
    legend: Sequence[tuple[str, str]],
    columns: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    height: float = HEIGHT,
) -> Chart:
    svg = draw_svg(labels.name, labels.title, description, parts, height)
    return Chart(svg, labels.title, description, tuple(legend), columns, tuple(rows))
