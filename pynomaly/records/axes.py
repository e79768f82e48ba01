"""Scales from numbers to positions in a drawing, and their ticks: of the pages and of the pictures.

Pure, so that the same facts give the same ticks. Called by :mod:`pynomaly.records.pages` and
:mod:`pynomaly.records.figures`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from pynomaly.records.formats import format_tick

__all__ = [
    "Scale",
    "linear_axis",
    "log_axis",
    "time_axis",
]


@dataclass(frozen=True)
class Scale:
    """One axis.

    Attributes
    ----------
    low, high : float
        Values at the ends of the axis.
    start, end : float
        Positions of its ends in the drawing.
    ticks : tuple of (float, str)
        Values to mark, each with its label.
    log : bool
        Whether the axis is logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the position of a value; values outside are drawn at the nearer end."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)


def linear_axis(
    low: float, high: float, start: float, end: float, marks: int = 5, percent: bool = False
) -> Scale:
    """Return a linear axis that contains `low` and `high`, extended to round ticks."""
    if not high - low > 1e-300:  # equal, or so close that a step between them would be zero
        low, high = low - 0.5, high + 0.5
    step = 10 ** math.floor(math.log10((high - low) / marks))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= marks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    places = [index * step for index in range(first, last + 1)]
    ticks = tuple(
        (place, f"{format_tick(100 * place)}\u00a0%" if percent else format_tick(place)) for place in places
    )
    return Scale(places[0], places[-1], start, end, ticks)


def log_axis(low: float, high: float, start: float, end: float) -> Scale:
    """Return a logarithmic axis from `low` to `high`, with ticks at powers of ten."""
    high = max(high, 10 * low)
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    step = max(1, math.ceil((last - first) / 6))
    ticks = tuple((10.0**power, format_tick(10.0**power)) for power in range(first, last + 1, step))
    return Scale(low, high, start, end, ticks, log=True)


def time_axis(first: datetime, last: datetime, start: float, end: float, marks: int = 6) -> Scale:
    """Return an axis of time in seconds since 1970; ticks at whole hours or days of UTC."""
    low, high = first.timestamp(), last.timestamp()
    if not high > low:
        high = low + 1
    hour = 3600.0
    steps = [hour * n for n in (1, 3, 6, 12, 24, 48, 168, 336, 720, 1440, 4320, 8760)]
    step = next((size for size in steps if (high - low) / size <= marks), (high - low) / marks)
    form = "%H:%M" if step < 24 * hour else "%d %b"
    monday = 4 * 24 * hour  # weeks are counted from a Monday
    offset = monday if step >= 168 * hour else 0.0
    index, ticks = math.ceil((low - offset) / step), []
    while (place := offset + index * step) <= high:
        ticks.append((place, f"{datetime.fromtimestamp(place, UTC):{form}}"))
        index += 1
    return Scale(low, high, start, end, tuple(ticks))
