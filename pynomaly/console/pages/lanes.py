"""Swimlanes of alerts as a table: a row an entity, a column a day or an hour, a cell a link. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pynomaly.config import SEVERITIES
from pynomaly.console.schemas import Lane

__all__ = ["draw_lanes", "find_first_bin"]

_BINS = {"day": 30, "hour": 48}
_EVERY = {"day": 7, "hour": 6}


def find_first_bin(by: Literal["day", "hour"], newest: datetime) -> datetime:
    """Return where the first column begins, if the last one holds `newest`."""
    return _list_starts(by, newest)[0]


def draw_lanes(
    lanes: Sequence[Lane], by: Literal["day", "hour"], newest: datetime, link: Callable[..., str]
) -> dict[str, Any]:
    """Return what the template of the swimlanes needs.

    Parameters
    ----------
    newest : datetime
        Aware; the last column holds it.
    link : callable
        Returns the address of the list with changed filters.
    """
    starts = _list_starts(by, newest)
    step = starts[1] - starts[0]
    form = "%Y-%m-%d" if by == "day" else "%Y-%m-%dT%H"
    bins = [
        {
            "title": f"{start:%Y-%m-%d}" if by == "day" else f"{start:%Y-%m-%d %H}:00",
            "shown": _shorten(start, by) if place % _EVERY[by] == 0 else "",
        }
        for place, start in enumerate(starts)
    ]
    drawn: list[dict[str, Any]] = [
        {
            "pipeline": lane.pipeline,
            "entity": lane.entity,
            "cells": [_build_cell(lane, start, step, form, link) for start in starts],
        }
        for lane in lanes
    ]
    if not any(cell["total"] for lane in drawn for cell in lane["cells"]):
        drawn = []
    return {"lanes": drawn, "bins": bins, "lanes_by": by}


def _list_starts(by: str, newest: datetime) -> list[datetime]:
    step = timedelta(days=1) if by == "day" else timedelta(hours=1)
    last = newest.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    last = last.replace(hour=0) if by == "day" else last
    return [last - step * back for back in range(_BINS[by] - 1, -1, -1)]


def _shorten(start: datetime, by: str) -> str:
    return f"{start.day} {start:%b}" if by == "day" else f"{start:%H}:00"


def _build_cell(
    lane: Lane, start: datetime, step: timedelta, form: str, link: Callable[..., str]
) -> dict[str, Any]:
    counts = lane.counts.get(f"{start:{form}}", {})
    total = sum(counts.values())
    if not total:
        return {"total": 0}
    severity = next(level for level in SEVERITIES if level in counts)
    parts = ", ".join(f"{counts[level]} {level}" for level in SEVERITIES if level in counts)
    end = start + step
    return {
        "total": total,
        "severity": severity,
        "title": f"{lane.entity or lane.pipeline}, {start:%Y-%m-%d %H:%M}: {parts}",
        "link": link(
            entity=lane.entity, pipeline=lane.pipeline, since=start.isoformat(), until=end.isoformat()
        ),
    }
