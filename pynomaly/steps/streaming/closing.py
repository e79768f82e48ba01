"""Closes windows of a stream: their rows go into the files of the source, and the batch path scores them.

So a closed window is what batch would have written. Rows keep the version that scored them when they came; a
row that came late opens its window again, which is then scored again, on record, and so are windows whose
rows look back on it. Every step may be repeated: a part of a window names the entries that it holds, the
ledger forgets them afterwards, and one entry marks the window as open until its alerts are raised.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from pynomaly.config import Pipeline
from pynomaly.data.streams.kept_rows import KeptPart, KeptRows
from pynomaly.data.window import Window, split_windows
from pynomaly.errors import LeaseHeldError, NoChampionError, PynomalyError, QualityError, RecordError
from pynomaly.records.ledger import Ledger, StreamEntry
from pynomaly.steps.alerting.raise_alerts import raise_alerts
from pynomaly.steps.scoring.score_windows import WindowScores, score_window
from pynomaly.steps.streaming.entry_rows import EntryRows, pack_rows, unpack_rows
from pynomaly.steps.streaming.live_alerts import read_live_carriers
from pynomaly.steps.streaming.watermark import find_watermark, is_over
from pynomaly.steps.window_run import WindowRun

__all__ = [
    "ClosedWindow",
    "LiveCloser",
    "close_due_windows",
    "find_closed_until",
    "keep_window_rows",
    "list_windows_over",
]

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
    stays_open : bool
        Whether the next call tries again what did not work.
    """

    window: str
    rows: int
    scores: WindowScores | None = None
    problem: str = ""
    stays_open: bool = False


def list_windows_over(pipeline: Pipeline, ledger: Ledger, now: datetime) -> tuple[Window, ...]:
    """Return the windows with open rows that no further row is expected for, oldest first."""
    watermark, awake = find_watermark(pipeline, ledger.stream.read_positions(pipeline.name).values(), now)
    windows = (Window.of_key(item.window) for item in ledger.stream.list_open_windows(pipeline.name))
    return tuple(
        window
        for window in windows
        if window is not None and is_over(pipeline, window, watermark, awake, now)
    )


class LiveCloser:
    """Closes windows again and again, and knows which the next time will close."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._left: frozenset[str] = frozenset()

    def close(self, run: WindowRun) -> tuple[ClosedWindow, ...]:
        """Close the windows that are over, and move rows of long ones into files.

        Raises
        ------
        PynomalyError
            As :func:`close_due_windows`.
        """
        now, left = datetime.now(UTC), set[str]()
        try:
            left |= {window.key for window in list_windows_over(self._pipeline, run.ledger, now)}
            closed = close_due_windows(self._pipeline, run, now)
            left -= {item.window for item in closed if not item.stays_open}
        finally:
            self._left = frozenset(left)
        keep_long_windows(self._pipeline, run.ledger)
        return closed

    def list_closing(self, ledger: Ledger) -> frozenset[str]:
        """Return the windows that are over, without those that the last close left open."""
        over = list_windows_over(self._pipeline, ledger, datetime.now(UTC))
        return frozenset(window.key for window in over) - self._left


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
    closed: dict[ClosedWindow, tuple[int, ...]] = {}
    for window in list_windows_over(pipeline, run.ledger, now or datetime.now(UTC)):
        try:
            rows, marks = _keep_rows_that_count(pipeline, run.ledger, window)
            closed[_score_kept(pipeline, run, window, rows)] = marks
            for other in _list_neighbours(pipeline, run.ledger, window):
                if (again := _score_kept(pipeline, run, other)).scores and again.scores.new:
                    closed[again] = ()
        except LeaseHeldError:
            if pipeline.data.lookback:
                break  # later windows look back on rows that are on their way into files
    if any(item.scores is not None for item in closed):
        for item in closed:
            if item.scores is not None and item.scores.new:
                run.keep_carriers(item.window, read_live_carriers(pipeline, run.ledger, item.window))
        try:
            raise_alerts(pipeline, run, _find_oldest_touched(pipeline, closed))
        except LeaseHeldError:  # those of open windows are being raised: these windows close next time
            return ()
    for item, marks in closed.items():
        if not item.stays_open:
            run.ledger.stream.remove_entries(pipeline.name, item.window, marks)
    return tuple(closed)


def _find_oldest_touched(pipeline: Pipeline, closed: Collection[ClosedWindow]) -> datetime:
    """Return from when on windows may have been scored: those that closed, and such as look on them."""
    starts = [window.start for item in closed if (window := Window.of_key(item.window)) is not None]
    return min(starts) - pipeline.data.series.delay - pipeline.windows.score


def _keep_rows_that_count(pipeline: Pipeline, ledger: Ledger, window: Window) -> tuple[int, tuple[int, ...]]:
    """Keep the rows of a window, and those after its end that its last rows wait for."""
    delay, length = pipeline.data.series.delay, pipeline.windows.score
    if delay:
        last = window.end + delay
        for other in (*split_windows(window.end, last, length), Window.holding(last, length)):
            keep_window_rows(pipeline, ledger, other, is_over=True)
    return keep_window_rows(pipeline, ledger, window, is_over=True)


def _score_kept(pipeline: Pipeline, run: WindowRun, window: Window, rows: int = 0) -> ClosedWindow:
    try:
        return ClosedWindow(window.key, rows, score_window(pipeline, window, run))
    except NoChampionError as error:
        return ClosedWindow(window.key, rows, problem=f"its rows are kept, and not scored: {error}")
    except QualityError as error:
        return ClosedWindow(window.key, rows, problem=str(error))
    except RecordError:
        raise  # not of this window alone
    except PynomalyError as error:
        return ClosedWindow(window.key, rows, problem=str(error), stays_open=True)


def _list_neighbours(pipeline: Pipeline, ledger: Ledger, window: Window) -> list[Window]:
    """Return the scored windows whose rows look on rows of this one, which may have come late."""
    data = pipeline.data
    if not data.lookback:
        return []
    first = Window.holding(window.start - data.series.delay, pipeline.windows.score)
    last = Window.holding(window.end + data.lookback, pipeline.windows.score)
    partitions = ledger.list_partitions(pipeline.name, first.start, last.end)
    windows = (Window.of_key(item.window) for item in partitions)
    return [item for item in windows if item is not None and item != window]


def keep_window_rows(
    pipeline: Pipeline, ledger: Ledger, window: Window, *, is_over: bool = False
) -> tuple[int, tuple[int, ...]]:
    """Move the rows of a window from the ledger into a file.

    One entry stays in the ledger, with the rows that alert: while it does, the window is open. If the window
    is read next (`is_over`), rows that came twice, far apart, are left once.

    Returns
    -------
    rows : int
        How many were moved.
    marks : tuple of int
        The entries that stay; none if nothing of the window is in the ledger.

    Raises
    ------
    LeaseHeldError
        If another worker is doing so.
    SourceError
        If the file cannot be written; the rows stay in the ledger.
    """
    kept = KeptRows(pipeline.data, ledger.stream.name_log(pipeline.name))
    with ledger.hold_lease(f"keep:{pipeline.name}:{window.key}"):
        result = _move_entries(pipeline, ledger, kept, window)
        if is_over:
            kept.drop_doubles(window)
        return result


def _move_entries(
    pipeline: Pipeline, ledger: Ledger, kept: KeptRows, window: Window
) -> tuple[int, tuple[int, ...]]:
    name = pipeline.name
    entries: list[StreamEntry] = []
    while more := ledger.stream.read_entries(name, window.key, entries[-1].seq if entries else 0):
        entries += more
    if len(entries) <= 1 and not any(entry.rows for entry in entries):
        return 0, tuple(entry.seq for entry in entries)
    numbers = kept.read_entries(window)
    held = [entry for entry in entries if entry.seq in numbers]  # written, and then the process died
    fresh = [entry for entry in entries if entry.seq not in numbers]
    marks = [_replace_by_mark(pipeline, ledger, held)] if held else []
    rows = 0
    if with_rows := [entry.content for entry in fresh if entry.rows]:
        brought = unpack_rows(with_rows)
        own = _drop_repeats(pipeline, brought.take(brought.kept))
        kept.write_part(window, KeptPart(own.frame, own.versions, tuple(entry.seq for entry in fresh)))
        rows = len(own.frame)
    marks += [_replace_by_mark(pipeline, ledger, fresh)] if fresh else []
    return rows, tuple(marks)


def _drop_repeats(pipeline: Pipeline, rows: EntryRows) -> EntryRows:
    """Return of the rows of one entity and time the first that came."""
    data = pipeline.data
    if data.id is None:
        return rows
    return rows.take(~rows.frame.duplicated([str(data.time), data.id]).to_numpy())


def _replace_by_mark(pipeline: Pipeline, ledger: Ledger, entries: list[StreamEntry]) -> int:
    """Let one entry with the rows that alert take the place of entries whose rows are in a file."""
    window, count, content = entries[0].window, 0, b""
    if pipeline.data.series.delay and (brought := [entry.content for entry in entries if entry.content]):
        rows = unpack_rows(brought)
        later, span = rows.take(~rows.kept & (rows.versions > 0)), Window.of_key(window)
        if len(later.frame) and span is not None:
            KeptRows(pipeline.data).add_versions(span, later.frame, later.versions)
    if alerts := [entry.content for entry in entries if entry.alerts]:
        alerting = unpack_rows(alerts, alerting=True)
        count = len(alerting.frame)
        content = pack_rows(replace(alerting, kept=np.zeros(count, dtype=bool)))
    mark = StreamEntry(window, 0, count, content)
    return ledger.stream.remove_entries(pipeline.name, window, [entry.seq for entry in entries], mark)


def keep_long_windows(pipeline: Pipeline, ledger: Ledger) -> None:
    """Move the rows of open windows with many entries into files, so that the ledger stays small."""
    for item in ledger.stream.list_open_windows(pipeline.name):
        window = Window.of_key(item.window)
        if item.entries > MAX_ENTRIES and window is not None:
            try:
                keep_window_rows(pipeline, ledger, window)
            except LeaseHeldError:
                continue
