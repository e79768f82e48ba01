"""Finds the windows that are due: an explicit range, or all since the newest partition, up to a limit.

After a long stop only the newest windows are scored, and the older ones are named for a manual backfill; so
many late runs together do the work once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pynomaly.config import Pipeline
from pynomaly.data.sources import read_span
from pynomaly.data.window import Window, parse_moment, split_windows
from pynomaly.errors import ConfigError, WindowError
from pynomaly.records.ledger import Ledger, parse_window_key
from pynomaly.records.registry import Registry

__all__ = ["MAX_WINDOWS_AT_ONCE", "DueWindows", "find_due_windows", "resolve_moment"]

# Most windows that one run scores; older ones wait for an explicit range.
MAX_WINDOWS_AT_ONCE = 60


@dataclass(frozen=True)
class DueWindows:
    """Windows to score now, oldest first (None means the whole table), and a note on windows left out."""

    windows: tuple[Window | None, ...]
    left_out: str = ""


def resolve_moment(pipeline: Pipeline, as_of: str, scheduled: datetime) -> datetime:
    """Return the moment of a run: its scheduled time, the end of the data (``latest``), or `as_of`."""
    if not as_of:
        return scheduled
    if as_of == "latest":
        data_range = read_span(pipeline.data)
        return min(scheduled, data_range.end) if data_range else scheduled
    return parse_moment(as_of)


def find_due_windows(pipeline: Pipeline, moment: datetime, start: str = "", end: str = "") -> DueWindows:
    """Return the complete windows to score at `moment`.

    Raises
    ------
    ConfigError
        If only one end of a range is given, or a range is given for a table without time.
    WindowError
        If the range holds no complete window.
    """
    if bool(start) != bool(end):
        raise ConfigError("give both --start and --end, or neither")
    length, moment = pipeline.windows.score, moment - pipeline.data.series.delay
    if pipeline.data.time is None:
        if start:
            raise ConfigError(
                f"{pipeline.name} has no time column (data.time): --start and --end do not apply"
            )
        return DueWindows((None,))
    if start:
        requested = Window.parse(start, end)
        windows = split_windows(requested.start, requested.end, length)
        if not windows:
            raise WindowError(f"{requested} holds no complete window of {length}; windows are aligned to UTC")
        if pipeline.data.series.delay and (late := windows[-1]).end > moment:
            raise WindowError(
                f"the scores of {late} wait until {(late.end + pipeline.data.series.delay).isoformat()} for "
                "later rows (data.series.delay); end the range earlier, or score it then"
            )
        return DueWindows(windows)
    last = Window.last(moment, length)
    since = _find_resume_moment(pipeline, last)
    windows = split_windows(since, last.end, length)
    if len(windows) > MAX_WINDOWS_AT_ONCE:
        older_windows, windows = windows[:-MAX_WINDOWS_AT_ONCE], windows[-MAX_WINDOWS_AT_ONCE:]
        return DueWindows(
            windows,
            f"{len(older_windows)} older windows wait for an explicit --start and --end: "
            f"{older_windows[0].start.isoformat()} to {older_windows[-1].end.isoformat()}",
        )
    return DueWindows(windows or (last,))


def _find_resume_moment(pipeline: Pipeline, last: Window) -> datetime:
    """Return the end of the newest partition; before the first one, the end of the champion's reference."""
    with Ledger.open(pipeline.ledger_url) as ledger:
        newest = ledger.find_newest_partition(pipeline.name)
    if newest is not None and newest.end is not None:
        return min(newest.end, last.end)
    champion = Registry.open_for(pipeline).resolve_alias(pipeline.name, "champion")
    edges = parse_window_key(champion.tags.get("pynomaly.window", ""))
    return min(edges[1], last.end) if edges else last.start
