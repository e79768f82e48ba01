"""Windows that fit the step of the rows: long enough to train on, short enough to score often. Pure.

Called by ``reading``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["WindowPlan", "measure_step", "plan_windows"]

_LENGTHS = tuple(
    timedelta(seconds=s)
    for s in (1, 10, 60, 300, 600, 900, 1800, 3600, 6 * 3600, 86400, 7 * 86400, 28 * 86400, 13 * 7 * 86400,
              26 * 7 * 86400, 52 * 7 * 86400, 260 * 7 * 86400)
)  # fmt: skip
_SCORE_STEPS = 10
_WEEKS_SEEN = 53
_DAY = timedelta(days=1)
_LONG = timedelta(weeks=8)
_REFERENCE_SHARE = 0.75
_ENOUGH_ROWS = 400
_ROWS_OF_DAILY = 1100


@dataclass(frozen=True)
class WindowPlan:
    """Lengths of the windows, and the measured step they follow from.

    Attributes
    ----------
    score, monitor, reference : timedelta
    step : timedelta
        Median distance of neighbouring moments.
    span : timedelta
        From the first row to the end of the last.
    start : Timestamp
        Of the reference: the first row, or the end of what is the past of the first rows.
    reference_rows : int
        Rows that the reference is expected to hold.
    why, why_start : str
        Why the reference has its length, and its start.
    """

    score: timedelta
    monitor: timedelta
    reference: timedelta
    step: timedelta
    span: timedelta
    start: pd.Timestamp
    reference_rows: int
    why: str
    why_start: str


def measure_step(times: pd.Series[Any]) -> timedelta:
    """Return the median distance of neighbouring moments; a second if there is only one."""
    moments = times.dropna().drop_duplicates().sort_values()
    steps = moments.diff().dropna()
    if not len(steps):
        return timedelta(seconds=1)
    step = pd.Timedelta(steps.median()).to_pytimedelta()
    return max(step, timedelta(milliseconds=1))


def plan_windows(
    times: pd.Series[Any],
    first: pd.Timestamp,
    last: pd.Timestamp,
    rows: int,
    past: timedelta = timedelta(0),
) -> WindowPlan:
    """Return windows for rows from `first` to `last`.

    Scores come every ten steps at least, and about thirty times over a short file; a verdict looks back on
    three or seven of them. The reference is the whole file if that is short: under eight weeks or under 530
    rows. Of a longer file it is three quarters, so that the rest can be scored, and at most a year and a week
    (a yearly season lies in it), or 1,100 steps of daily or rarer rows. It begins after the past that rows
    are described by, if at least as much is left: the first rows have none, and everything is new to them.

    Parameters
    ----------
    times : Series of datetime64
        Times of the rows that were looked at, unbroken runs among them.
    first, last : Timestamp
        Of the whole table.
    rows : int
        Rows of the whole table.
    past : timedelta
        How far rows look back on others, in time.
    """
    step = measure_step(times)
    span = (last - first).to_pytimedelta() + step
    start, why_start = first, "first training starts here: the first row"
    if past and span >= 2 * past:
        start, why_start = first + past, "first training starts here: the rows before are the past of others"
        rows, span = round(rows * (1 - past / span)), span - past
    floor = max(step * _SCORE_STEPS, min(span / 30, _DAY))
    if step >= _DAY:
        floor = max(step * 5, timedelta(days=7))
    score = min((item for item in _LENGTHS if item >= floor), default=_LENGTHS[-1])
    score = next((item for item in reversed(_LENGTHS) if item <= score and item <= span), _LENGTHS[0])
    monitor = score * (7 if score == _DAY else 4 if score > _DAY else 3)
    longest = timedelta(weeks=_WEEKS_SEEN) if step < _DAY else step * _ROWS_OF_DAILY
    if span > _LONG and rows * _REFERENCE_SHARE >= _ENOUGH_ROWS:
        longest = min(longest, max(_LONG, span * _REFERENCE_SHARE))
    grain = 3600 if span > _DAY else 60 if span > timedelta(minutes=2) else 1
    whole = timedelta(seconds=-(-span.total_seconds() // grain) * grain)
    reference = min(whole, longest)
    if reference < whole:
        reference = timedelta(days=max(1, reference // _DAY))
        why = "what a model is trained on: most of the file; the rest is there to be scored"
        if step < _DAY and reference >= timedelta(weeks=52):
            why = "what a model is trained on: a whole year, so that its seasons are known"
    else:
        why = "what a model is trained on: the whole file"
    expected = int(np.ceil(rows * min(1.0, reference / span)))
    return WindowPlan(score, monitor, reference, step, span, start, expected, why, why_start)
