"""The chart of a pipeline's windows over time: rates as bars, incidents as bands, events as lines.

Like the charts of :mod:`pynomaly.records.pages.charts`, and called by the same pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pynomaly.records.axes import linear_axis, time_axis
from pynomaly.records.formats import format_number, format_percent, format_utc
from pynomaly.records.pages.drawing import (
    LEFT,
    LOW,
    RIGHT,
    TOP,
    Chart,
    Labels,
    draw_box,
    draw_frame,
    draw_line,
    draw_svg,
    parse_time,
)

__all__ = ["draw_timeline"]


def draw_timeline(
    labels: Labels,
    spans: Sequence[Mapping[str, Any]],
    *,
    expected: float | None = None,
    incidents: Sequence[Mapping[str, Any]] = (),
    marks: Sequence[tuple[str, str]] = (),
) -> Chart:
    """Draw rates of time spans as bars, declared incidents as bands and marked times as lines.

    Parameters
    ----------
    spans : sequence of mapping, oldest first
        ``start`` and ``end`` (ISO, aware), ``rows``, ``alerts``, and ``rate`` (None: no row).
    expected : float, optional
        The rate of normal operation.
    incidents : sequence of mapping
        ``start``, ``end``, ``name``, ``entity``.
    marks : sequence of (str, str)
        ISO time and what happened.
    """
    width, height = 820.0, 260.0
    first, last = (parse_time(spans[i][side]) for i, side in ((0, "start"), (-1, "end")))
    x = time_axis(first, last, LEFT, width - 2 * RIGHT, marks=10)
    rates = [span["rate"] for span in spans if span["rate"] is not None]
    band = 16.0 if incidents else 0.0
    tallest = max([*rates, 1.3 * (expected or 0.0)], default=0.01) or 0.01
    y = linear_axis(0, tallest, height - LOW - band, TOP, marks=4, percent=True)
    parts = []
    for item in incidents:
        ends = [x(parse_time(item[side]).timestamp()) for side in ("start", "end")]
        right = max(ends[1], ends[0] + 2)
        hover = (
            f"{format_utc(item['start'])} to {format_utc(item['end'])}: {item['name'] or 'declared incident'}"
        )
        parts.append(draw_box(ends[0], TOP, right, y.start, "incident", hover))
        parts.append(draw_box(ends[0], y.start + 3, right, y.start + band - 2, "incident solid"))
    parts.append(draw_frame(x, y, labels.x, labels.y, width, height, band))
    for span in spans:
        if span["rate"] is not None:
            left, right = (x(parse_time(span[side]).timestamp()) for side in ("start", "end"))
            gap = 0.5 if right - left > 3 else 0.0
            hover = (
                f"{format_utc(span['start'])} to {format_utc(span['end'])}: {span['alerts']:,} of "
                f"{span['rows']:,} rows, {format_percent(span['rate'])}"
            )
            parts.append(draw_box(left + gap, y(span["rate"]), right - gap, y.start, "bar b0", hover))
    if expected is not None:
        parts.append(draw_line([(x.start, y(expected)), (x.end, y(expected))], "guide mark"))
    for when, _ in marks:
        place = x(parse_time(when).timestamp())
        parts.append(draw_line([(place, TOP), (place, y.start)], "line s3 strong"))
    alerts = sum(span["alerts"] for span in spans)
    alt = (
        f"{labels.y} in {len(spans)} spans from {format_utc(spans[0]['start'])} "
        f"to {format_utc(spans[-1]['end'])}: "
        f"{alerts:,} alerts, at most {format_percent(max(rates, default=0.0))} of a span's rows; "
        f"{len(incidents)} declared incidents."
    )
    legend = [("b0", labels.y)]
    if expected is not None:
        legend.append(("guide mark", f"expected in normal operation: {format_percent(expected)}"))
    if incidents:
        legend.append(("incident", "declared incident"))
    legend += [("s3", f"{format_utc(when)}: {text}") for when, text in marks]
    rows = tuple(
        (
            format_utc(span["start"]),
            format_number(span["rows"]),
            format_number(span["alerts"]),
            format_percent(span["rate"]),
        )
        for span in spans
    )
    columns = ("from", "rows", "alerts", labels.y)
    svg = draw_svg(labels.name, labels.title, alt, parts, height, width)
    return Chart(svg, labels.title, alt, tuple(legend), columns, rows, wide=True)
