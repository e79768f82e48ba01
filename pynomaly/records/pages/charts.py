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

from pynomaly.records.pages.axes import (
    Scale,
    format_number,
    linear_axis,
    log_axis,
    to_svg,
)
from pynomaly.records.pages.drawing import (
    HEIGHT,
    LEFT,
    LOW,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    draw_box,
    draw_frame,
    draw_line,
    draw_svg,
    draw_text,
    draw_ticks_below,
    pick_evenly,
    shorten_text,
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
    name: str,
    title: str,
    series: Sequence[Mapping[str, Any]],
    xlabel: str,
    ylabel: str,
    *,
    flat: float | None = None,
    diagonal: bool = False,
    description: str = "",
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
    parts = [draw_frame(x, y, xlabel, ylabel)]
    if diagonal:
        parts.append(draw_line([(x(0), y(0)), (x(1), y(1))], "guide"))
    if flat is not None:
        parts.append(draw_line([(x.start, y(flat)), (x.end, y(flat))], "guide"))
    legend, order = [], sorted(enumerate(series), key=lambda item: bool(item[1]["strong"]))
    for index, item in order:
        style = f"line s{index % _LINE_STYLES}" + (" strong" if item["strong"] else "")
        parts.append(draw_line([(x(a), y(b)) for a, b in zip(item["x"], item["y"], strict=True)], style))
    for index, item in enumerate(series):
        legend.append((f"s{index % _LINE_STYLES}", str(item["label"])))
    rows = []
    for item in series:
        indices = pick_evenly(len(item["x"]), 11)
        rows += [
            (str(item["label"]), format_number(item["x"][i]), format_number(item["y"][i])) for i in indices
        ]
    alt = description or f"{len(series)} curves of {ylabel} over {xlabel}, both from 0 to 1."
    return Chart(
        draw_svg(name, title, alt, parts), title, alt, tuple(legend), ("curve", xlabel, ylabel), tuple(rows)
    )


def draw_intervals(
    name: str,
    title: str,
    items: Sequence[Mapping[str, Any]],
    xlabel: str,
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
    parts = [draw_ticks_below(x, TOP, bottom, xlabel, height)]
    for place, _ in guides:
        parts.append(draw_line([(x(place), TOP), (x(place), bottom)], "guide mark"))
    rows = []
    for index, item in enumerate(items):
        middle = TOP + 34.0 * index + 24
        style = "s0 strong" if item["strong"] else "s5"
        item_label = str(item["label"]) + (f" ({chosen})" if item["strong"] else "")
        parts.append(draw_text(16, middle - 10, shorten_text(item_label, 52), "label start"))
        if item["value"] is None:
            parts.append(draw_text(WIDTH - 16, middle + 4, "not computable", "label end"))
        else:
            low, high = (item[side] if item[side] is not None else item["value"] for side in ("low", "high"))
            parts.append(draw_line([(x(low), middle), (x(high), middle)], f"line {style}"))
            parts.append(
                Markup('<circle class="dot {}" cx="{}" cy="{}" r="4"/>').format(
                    style, to_svg(x(item["value"])), to_svg(middle)
                )
            )
        rows.append((item_label, *(format_number(item[part]) for part in ("value", "low", "high"))))
    alt = f"{xlabel} of {len(items)}, each as a dot with its interval as a line; the table has the figures."
    legend = tuple(("guide mark", text) for _, text in guides)
    columns = ("", xlabel, "from", "to")
    return Chart(draw_svg(name, title, alt, parts, height), title, alt, legend, columns, tuple(rows))


def draw_histogram(
    name: str,
    title: str,
    edges: Sequence[float],
    groups: Sequence[tuple[str, Sequence[float]]],
    xlabel: str,
    ylabel: str,
    *,
    log: bool = False,
    guide: tuple[float, str] | None = None,
    level: tuple[float, str] | None = None,
    description: str = "",
) -> Chart:
    """Draw counts, or shares, of one or two groups in the same bins.

    Parameters
    ----------
    edges : sequence of float, length bins + 1
    groups : sequence of (str, sequence of float)
    log : bool
        Whether heights are on a logarithmic axis, from 1 (or from the smallest share).
    guide, level : (float, str), optional
        A vertical and a horizontal line, with their meaning.
    """
    heights = [value for _, counts in groups for value in counts if value > 0]
    tallest = max([*heights, level[0] if level else 0.0], default=1.0)
    x = linear_axis(edges[0], edges[-1], LEFT, WIDTH - RIGHT)
    x = Scale(edges[0], edges[-1], x.start, x.end, tuple(t for t in x.ticks if edges[0] <= t[0] <= edges[-1]))
    least = min(heights, default=1.0)
    low = 0.5 if least >= 1 else 0.5 * least
    ends = (HEIGHT - LOW, TOP)
    y = (
        log_axis(max(low, tallest * 1e-6), 1.3 * tallest, *ends)
        if log
        else linear_axis(0, tallest, *ends, marks=4)
    )
    parts = [draw_frame(x, y, xlabel, ylabel)]
    for index, (_, counts) in enumerate(groups):
        for (left, right), count in zip(pairwise(edges), counts, strict=True):
            if count > 0:
                parts.append(draw_box(x(left), y(count), x(right), y.start, f"bar b{index}"))
    if level:
        parts.append(draw_line([(x.start, y(level[0])), (x.end, y(level[0]))], "guide mark"))
    if guide:
        parts.append(draw_line([(x(guide[0]), y.start), (x(guide[0]), y.end)], "guide mark"))
    legend = [(f"b{index}", label) for index, (label, _) in enumerate(groups)]
    legend += [("guide mark", item[1]) for item in (guide, level) if item]
    rows = [
        (
            f"{format_number(left)} to {format_number(right)}",
            *(format_number(counts[i]) for _, counts in groups),
        )
        for i, (left, right) in enumerate(pairwise(edges))
    ]
    alt = description or f"{ylabel} in {len(edges) - 1} bins of {xlabel}."
    columns = (xlabel, *(label for label, _ in groups))
    return Chart(draw_svg(name, title, alt, parts), title, alt, tuple(legend), columns, tuple(rows))


def draw_calibration(name: str, title: str, found: Mapping[str, Any]) -> Chart:
    """Draw a calibration curve: the share of p-values <= t over t, with intervals, on logarithmic axes.

    Parameters
    ----------
    found : mapping
        ``Uniformity.to_dict()`` with at least one level.
    """
    items = sorted(found["levels"], key=lambda item: float(item["level"]))
    smallest = items[0]["level"]
    x = log_axis(smallest, 1.0, LEFT, WIDTH - RIGHT)
    y = log_axis(smallest / 10, 1.0, HEIGHT - LOW, TOP)
    parts = [draw_frame(x, y, "promised share (p at most)", "share found")]
    parts.append(draw_line([(x(smallest), y(smallest)), (x(1), y(1))], "guide"))
    for item in items:
        parts.append(
            draw_line([(x(item["level"]), y(item["low"])), (x(item["level"]), y(item["high"]))], "line s0")
        )
    positive = [item for item in items if item["share"] > 0]
    parts.append(draw_line([(x(item["level"]), y(item["share"])) for item in positive], "line s0 strong"))
    for item in positive:
        dot = Markup('<circle class="dot s0 strong" cx="{}" cy="{}" r="3.5"/>')
        parts.append(dot.format(to_svg(x(item["level"])), to_svg(y(item["share"]))))
    rows = tuple(
        (
            format_number(item["level"]),
            format_number(item["share"]),
            format_number(item["low"]),
            format_number(item["high"]),
        )
        for item in reversed(items)
    )
    alt = (
        f"Share of {found['rows']:,} rows whose p-value is at most a level, with intervals at "
        f"{100 * found['confidence']:.3g} %; on the dotted diagonal p-values are exactly what they say, "
        "above it there are more alerts than promised."
    )
    legend = (("s0", "found, with interval"), ("guide", "as promised"))
    columns = ("p at most", "share found", "from", "to")
    return Chart(draw_svg(name, title, alt, parts), title, alt, legend, columns, rows)


def draw_bars(
    name: str,
    title: str,
    items: Sequence[tuple[str, float | None, str]],
    xlabel: str,
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
    parts = [draw_ticks_below(x, TOP, bottom, xlabel, height)]
    for place, _ in guides:
        parts.append(draw_line([(x(place), TOP), (x(place), bottom)], "guide mark"))
    styles = {"drift": "b1", "warning": "b2"}
    for index, (label, value, status) in enumerate(items):
        top = TOP + 30.0 * index
        item_text = f"{shorten_text(label, 40)}: {format_number(value)}{', ' + status if status else ''}"
        parts.append(draw_text(16, top + 13, item_text, "label start"))
        if value is not None:
            parts.append(draw_box(x(0), top + 17, x(value), top + 26, f"bar {styles.get(status, 'b0')}"))
    alt = f"{xlabel} of {len(items)}, as bars from 0; the table has the figures."
    legend = tuple(("guide mark", f"{text}: {format_number(place)}") for place, text in guides)
    rows = tuple((label, format_number(value), status) for label, value, status in items)
    return Chart(draw_svg(name, title, alt, parts, height), title, alt, legend, ("", xlabel, "status"), rows)
