"""From numbers to places in a drawing: scales, ticks, and numbers as people write them.

Pure and exact to a tenth of a unit, so that the same facts give the same drawing. Called by
:mod:`pynomaly.records.pages.charts` alone.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Scale", "at", "linear", "logarithmic", "number", "spoken", "timeline", "utc"]

_KEY = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True)
class Scale:
    """One axis.

    Attributes
    ----------
    low, high : float
        Values at its ends.
    start, end : float
        Places of its ends.
    ticks : tuple of (float, str)
        Values to mark, each with what to write there.
    log : bool
        Whether equal ratios take equal room; values below `low` are drawn at it.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def __call__(self, value: float) -> float:
        """Place of a value, kept within the ends."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)


def at(place: float) -> str:
    """A place as SVG takes it."""
    text = f"{place:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def number(value: object) -> str:
    """Three significant figures, whole numbers in full, or a dash for what was not computed."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def linear(low: float, high: float, start: float, end: float, marks: int = 5, percent: bool = False) -> Scale:
    """A linear axis that holds `low` and `high`, widened to round ticks."""
    if not high > low:
        low, high = low - 0.5, high + 0.5
    step = 10 ** math.floor(math.log10((high - low) / marks))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= marks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    places = [index * step for index in range(first, last + 1)]
    ticks = tuple((place, f"{100 * place:.3g} %" if percent else f"{place:.4g}") for place in places)
    return Scale(places[0], places[-1], start, end, ticks)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """A logarithmic axis from `low` to `high`, with ticks at powers of ten."""
    high = max(high, 10 * low)
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    step = max(1, math.ceil((last - first) / 6))
    ticks = tuple((10.0**power, f"{10.0**power:g}") for power in range(first, last + 1, step))
    return Scale(low, high, start, end, ticks, log=True)


def timeline(first: datetime, last: datetime, start: float, end: float, marks: int = 6) -> Scale:
    """An axis of time, in seconds since 1970; ticks at whole hours or days of UTC."""
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


def utc(text: str | None) -> str:
    """An ISO moment as people read it: ``2026-01-19 00:00 UTC``."""
    if not text:
        return "–"
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def spoken(window: str) -> str:
    """A window's key as people read it; anything else as it is."""
    edges = [_KEY.fullmatch(part) for part in window.split("--")]
    if len(edges) != 2 or not all(edges):
        return "the whole table" if window == "all" else window
    start, end = (utc(datetime.fromisoformat(part).isoformat()) for part in window.split("--"))
    return f"{start.removesuffix(' UTC')} to {end}"
