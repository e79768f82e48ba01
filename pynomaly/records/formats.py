"""Numbers, shares, times and names as text for people: one format each, wherever people read them.

Called by the pages, the pictures and the model card. What could not be computed is a dash, never a blank.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = [
    "EVIDENCE_TEXT",
    "format_interval",
    "format_number",
    "format_percent",
    "format_tick",
    "format_utc",
    "format_window",
    "format_words",
]

EVIDENCE_TEXT: Mapping[str, str] = {
    "labels": "known labels of held-out rows",
    "audited": "an audited sample of held-out rows",
    "injected": "anomalies injected into held-out rows, not real ones",
}
"""What each rung of evidence is, in words."""

_WINDOW_EDGE = re.compile(r"\d{8}T\d{6}Z")


def format_number(value: object) -> str:
    """Format with three significant figures, an int in full, or a dash where nothing was computed."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def format_tick(place: float) -> str:
    """Format a round place of an axis: ``1,000``, ``0.25``, ``1e-05``; a real minus sign, to be seen."""
    whole = 1e3 <= abs(place) < 1e6 and float(place).is_integer()
    return (f"{place:,.0f}" if whole else f"{place:.4g}").replace("-", "\u2212", 1 if place < 0 else 0)


def format_interval(metric: Mapping[str, Any] | None) -> str:
    """Format a value with the ends of its interval: ``0.654 (0.554 to 0.754)``."""
    if not metric:
        return "not computable"
    value, low, high = (format_number(metric[name]) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def format_percent(share: float | None) -> str:
    """Format a share from 0 to 1 in percent, or a dash."""
    return "–" if share is None else f"{format_number(100.0 * share)}\u00a0%"


def format_words(name: str) -> str:
    """Return a key of the records as words."""
    return name.replace("_", " ")


def format_utc(text: str | None) -> str:
    """Format an ISO time for people: ``2026-01-19 00:00 UTC``."""
    if not text:
        return "–"
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def format_window(window: str) -> str:
    """Format the key of a window for people; any other text is returned as it is."""
    edges = [_WINDOW_EDGE.fullmatch(part) for part in window.split("--")]
    if len(edges) != 2 or not all(edges):
        return "the whole table" if window == "all" else window
    start, end = (format_utc(datetime.fromisoformat(part).isoformat()) for part in window.split("--"))
    return f"{start.removesuffix(' UTC')} to {end}"
