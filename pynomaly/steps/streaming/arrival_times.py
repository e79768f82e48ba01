"""Which rows have a time that can be: neither too far ahead of the clock, nor older than is corrected; pure.

A row is old by what its own part of the topic has brought, not by what other parts have: after a stop they
are read one after the other. Nor is it by what came while its message waited with a worker that died: one
that was young when it was sent is not too late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from pynomaly.config import Stream
from pynomaly.data.window import ORIGIN

__all__ = ["refuse_times"]


def refuse_times(
    stream: Stream,
    times: pd.Series[Any],
    sources: Sequence[tuple[str, datetime | None]],
    newest: Mapping[str, datetime],
    now: datetime,
) -> dict[int, tuple[str, str]]:
    """Return rule and reason of the rows, by position, whose time cannot be.

    Parameters
    ----------
    times : Series of shape (n,), datetime64 with a zone
        Index 0 to n - 1; none is missing.
    sources : sequence of (str, datetime or None)
        The part that each row came from, and when its message was sent.
    newest : mapping of str to datetime
        Newest time that each part has brought before.
    now : datetime
        Aware.
    """
    names = {part for part, _ in sources}
    edges = [times.max().to_pydatetime(), *filter(None, (newest.get(part) for part in names))]
    if times.max() <= now + stream.ahead and times.min() >= _find_oldest(max(edges), stream):
        return {}
    ahead = times > pd.Timestamp(now + stream.ahead)
    reasons: dict[Any, tuple[str, str]] = {
        row: (
            "ahead",
            f"its time {moment.isoformat()} lies more than stream.ahead after now; a clock is wrong",
        )
        for row, moment in times[ahead].items()
    }
    parts = pd.Series([part for part, _ in sources], index=times.index)
    brought = times[~ahead].groupby(parts[~ahead]).max()
    for part in parts[~ahead].unique():
        edge = max(filter(None, (newest.get(part), brought[part].to_pydatetime())))
        own = ~ahead & (parts == part) & (times < _find_oldest(edge, stream))
        for row, moment in times[own].items():
            sent = sources[row][1]
            oldest = _find_oldest(edge if sent is None else min(sent, edge), stream)
            if moment < oldest:
                text = f"its time {moment.isoformat()} is before {oldest.isoformat()}"
                reasons[row] = ("too_late", f"{text}, older than stream.correct allows")
    return dict(sorted(reasons.items()))


def _find_oldest(moment: datetime, stream: Stream) -> pd.Timestamp:
    """Return the oldest time beside a newest one; none is before the origin of windows."""
    return pd.Timestamp(ORIGIN if moment - ORIGIN <= stream.correct else moment - stream.correct)
