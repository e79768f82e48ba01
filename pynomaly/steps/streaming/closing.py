"""Closes windows of a stream: their rows go into the files of the source, and the batch path scores them.

So a closed window is what batch would have written. Rows keep the version that scored them when they came; a
row that came late opens its window again, which is then scored again, on record. Every step may be repeated:
a part of a window names the entries that it holds, and the ledger forgets them afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from pynomaly.config import Pipeline
from pynomaly.data.streams.kept_rows import KeptPart, KeptRows
from pynomaly.data.window import Window, split_windows
from pynomaly.errors import LeaseHeldError, NoChampionError, QualityError
from pynomaly.records.ledger import Ledger, StreamEntry
from pynomaly.steps.alerting.raise_alerts import raise_alerts
from pynomaly.steps.scoring.score_windows import WindowScores, score_window
from pynomaly.steps.streaming.entry_rows import pack_rows, unpack_rows
from pynomaly.steps.streaming.watermark import find_watermark, is_over
from pynomaly.steps.window_run import WindowRun

__all__ = ["ClosedWindow", "close_due_windows", "find_closed_until", "keep_window_rows", "list_windows_over"]

MAX_ENTRIES = 500
"""Entries of a window in the ledger, above which their rows go into a file before it closes."""


@dataclass(frozen=True)
class ClosedWindow:
    """A window whose rows are in files.

    Attributes
    ----------
    window : str
    rows : int
        Rows that were added to its files now.
    scores : WindowScores or None
        None if it could not be scored: `problem` says why.
    problem : str
    """

    window: str
    rows: int
    scores: WindowScores | None = None
    problem: str = ""


def list_windows_over(pipeline: Pipeline, ledger: Ledger, now: datetime) -> tuple[Window, ...]:
    """Return the windows with open rows that no further row is expected for, oldest first."""
    watermark, awake = find_watermark(pipeline, ledger.stream.read_positions(pipeline.name).values(), now)
    windows = (Window.of_key(item.window) for item in ledger.stream.list_open_windows(pipeline.name))
    return tuple(
        window
        for window in windows
        if window is not None and is_over(pipeline, window, watermark, awake, now)
    )


def find_closed_until(pipeline: Pipeline, ledger: Ledger, now: datetime) -> datetime:
    """Return the moment up to which the windows of a stream are over."""
    watermark, awake = find_watermark(pipeline, ledger.stream.read_positions(pipeline.name).values(), now)
    wait = pipeline.stream.lateness + pipeline.data.series.delay
    return (watermark if awake and watermark is not None else now) - wait


def close_due_windows(
    pipeline: Pipeline, run: WindowRun, now: datetime | None = None
) -> tuple[ClosedWindow, ...]:
    """Close every window that is over: keep its rows, score it, raise its alerts.

    Parameters
    ----------
    pipeline : Pipeline
    run : WindowRun
        Open records of the caller.
    now : datetime, optional
        Aware; the moment that it is.

    Returns
    -------
    tuple of ClosedWindow
        Oldest first; a window that another worker is closing is not among them.

    Raises
    ------
    SourceError, RecordError
        If rows or scores cannot be written; what was closed before stays closed.
    """
    closed: list[ClosedWindow] = []
    for window in list_windows_over(pipeline, run.ledger, now or datetime.now(UTC)):
        try:
            closed.append(_close_window(pipeline, run, window))
        except LeaseHeldError:
            continue
    if any(item.scores is not None and item.scores.new for item in closed):
        raise_alerts(pipeline, run)
    return tuple(closed)


def _close_window(pipeline: Pipeline, run: WindowRun, window: Window) -> ClosedWindow:
    after = split_windows(window.end, window.end + pipeline.data.series.delay, pipeline.windows.score)
    if pipeline.data.series.delay:  # rows after its end, which its last rows wait for
        after = (*after, Window.holding(window.end + pipeline.data.series.delay, pipeline.windows.score))
    for other in after:
        keep_window_rows(pipeline, run.ledger, other, stays_open=True)
    rows = keep_window_rows(pipeline, run.ledger, window)
    try:
        return ClosedWindow(window.key, rows, score_window(pipeline, window, run))
    except NoChampionError as error:
        return ClosedWindow(window.key, rows, problem=f"its rows are kept, and not scored: {error}")
    except QualityError as error:
        return ClosedWindow(window.key, rows, problem=str(error))


def keep_window_rows(pipeline: Pipeline, ledger: Ledger, window: Window, *, stays_open: bool = False) -> int:
    """Move the rows of a window from the ledger into a file; return how many.

    With `stays_open`, those that alert stay in the ledger, too.

    Raises
    ------
    LeaseHeldError
        If another worker is doing so.
    SourceError
        If the file cannot be written; the rows stay in the ledger.
    """
    kept, name = KeptRows(pipeline.data), pipeline.name
    with ledger.hold_lease(f"keep:{name}:{window.key}"):
        ledger.stream.remove_entries(name, window.key, kept.read_entries(window))
        entries: list[StreamEntry] = []
        while more := ledger.stream.read_entries(name, window.key, entries[-1].seq if entries else 0):
            entries += more
        if not entries:
            return 0
        rows = unpack_rows([entry.content for entry in entries])
        numbers = tuple(entry.seq for entry in entries)
        own = rows.take(rows.kept)
        if len(own.frame):
            kept.write_part(window, KeptPart(own.frame, own.versions, numbers))
        alerting = rows.take(rows.alerted)
        left = None
        if stays_open and len(alerting.frame):  # what alerts of it so far is still asked for
            alerting = replace(alerting, kept=np.zeros(len(alerting.frame), dtype=bool))
            left = StreamEntry(window.key, 0, len(alerting.frame), pack_rows(alerting))
        ledger.stream.remove_entries(name, window.key, numbers, left)
        return len(own.frame)


def keep_long_windows(pipeline: Pipeline, ledger: Ledger) -> None:
    """Move the rows of open windows with many entries into files, so that the ledger stays small."""
    for item in ledger.stream.list_open_windows(pipeline.name):
        window = Window.of_key(item.window)
        if item.entries > MAX_ENTRIES and window is not None:
            try:
                keep_window_rows(pipeline, ledger, window, stays_open=True)
            except LeaseHeldError:
                continue
