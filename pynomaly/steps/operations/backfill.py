"""Backfill: every window that ended in a given time range is scored and judged once.

A window belongs to the range in which it ended, so that two adjacent ranges share no window and miss none,
also where a day of the range's time zone has 23 or 25 hours. Windows that are already done are kept.
Called by the backfill flow.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pynomaly.config import Pipeline
from pynomaly.data.window import Window, parse_moment, split_windows
from pynomaly.errors import ConfigError
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.monitoring.monitor_window import monitor_window

__all__ = ["BackfilledWindow", "judge_past_window", "list_windows_ended_in", "parse_past_range"]


@dataclass(frozen=True)
class BackfilledWindow:
    """The verdict on one past window."""

    window: str
    version: int
    state: str
    new: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def parse_past_range(pipeline: Pipeline, text: str) -> tuple[datetime, datetime]:
    """Parse ``A..B``: moments with an offset, or dates, which mean midnight UTC as window edges do.

    Raises
    ------
    ConfigError
        If `text` is no range, is reversed, or the pipeline has no time column.
    """
    if pipeline.data.time is None:
        raise ConfigError(f"{pipeline.name} has no time column (data.time): there is no past to fill in")
    first, separator, last = text.partition("..")
    if not separator or not first.strip() or not last.strip():
        raise ConfigError(f"{text!r} is no range; write two dates or moments, like 2026-01-05..2026-01-12")
    start, end = _parse_date_or_moment(first.strip()), _parse_date_or_moment(last.strip())
    if end <= start:
        raise ConfigError(f"{text!r} is reversed or empty; the end must be later than the start")
    return start, end


def _parse_date_or_moment(text: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return parse_moment(text)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def list_windows_ended_in(start: datetime, end: datetime, length: timedelta) -> tuple[Window, ...]:
    """Return the windows of `length` whose end lies in ``(start, end]``, oldest first."""
    return tuple(window for window in split_windows(start - length, end, length) if window.end > start)


def judge_past_window(pipeline: Pipeline, window: Window) -> BackfilledWindow:
    """Judge one window as of its end, unless the champion has already judged it as of that moment.

    Raises
    ------
    NoChampionError
        If the pipeline has no champion yet.
    DataError
        If the window cannot be read or validation blocks it.
    """
    champion = Registry.open_for(pipeline).resolve_alias(pipeline.name, "champion")
    with Ledger.open(pipeline.ledger_url) as ledger:
        key = f"degradation:{pipeline.name}:{window.key}:v{champion.version}:{window.end.isoformat()}"
        earlier_decision = ledger.find_decision(key)
    if earlier_decision is not None:
        return BackfilledWindow(window.key, champion.version, earlier_decision.outcome, new=False)
    monitoring = monitor_window(pipeline, window, window.end)
    return BackfilledWindow(window.key, monitoring.version, str(monitoring.degradation.state), new=True)
