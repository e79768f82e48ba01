"""Times in which alerts stay quiet: planned work and public holidays. Called by ``raise_alerts``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from pynomaly.config import Pipeline
from pynomaly.data.holidays_door import list_holidays
from pynomaly.data.incidents import read_spans
from pynomaly.data.window import Window
from pynomaly.records.ledger import Partition

__all__ = ["list_planned_times"]


def list_planned_times(
    pipeline: Pipeline, partitions: Sequence[Partition | Window]
) -> list[tuple[datetime, datetime, str, str]]:
    """Return start, end, entity ("" for all) and name of each planned time.

    All of ``grouping.planned``, and the days of ``grouping.holidays`` in the span of the windows.

    Raises
    ------
    SourceError
        If planned work cannot be read.
    ConfigError
        If the country of the holidays is unknown.
    """
    spans = read_spans(pipeline.data, pipeline.grouping.planned, "grouping.planned")
    starts = [item.start for item in partitions if item.start]
    ends = [item.end for item in partitions if item.end]
    if pipeline.grouping.holidays and starts and ends:
        zone = pipeline.data.zone or ZoneInfo("UTC")
        spans += list_holidays(pipeline.grouping.holidays, Window(min(starts), max(ends)), zone)
    return [(item.window.start, item.window.end, item.entity, item.name) for item in spans]
