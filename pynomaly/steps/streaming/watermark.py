"""How far a stream has come in the time of its rows, and which windows are over; pure.

Parts of a topic come at their own pace. The stream has come as far as the part that is furthest behind, but
one that has been silent for ``stream.idle`` holds nobody up. While all are silent, the clock tells.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.records.ledger import StreamPosition

__all__ = ["find_watermark", "is_over"]


def find_watermark(
    pipeline: Pipeline, positions: Collection[StreamPosition], now: datetime
) -> tuple[datetime | None, bool]:
    """Return how far the stream has come, and whether some part of it is awake.

    Returns
    -------
    watermark : datetime or None
        None before the first row.
    awake : bool
    """
    idle = pipeline.stream.idle
    known = [item for item in positions if item.newest is not None and item.at is not None]
    awake = [item for item in known if item.at is not None and now - item.at <= idle]
    newest = [item.newest for item in awake or known if item.newest is not None]
    if not newest:
        return None, False
    return (min(newest) if awake else max(newest)), bool(awake)


def is_over(
    pipeline: Pipeline, window: Window, watermark: datetime | None, awake: bool, now: datetime
) -> bool:
    """Return whether a window closes: no row of it is expected any more."""
    wait = pipeline.stream.lateness + pipeline.data.series.delay
    if watermark is not None and watermark >= window.end + wait:
        return True
    return not awake and now >= window.end + wait
