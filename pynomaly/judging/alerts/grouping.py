"""Group alerting rows into alerts: by entity, by time and by contributing columns. Pure.

A person answers an alert, not a row. Rows of one entity join the same alert while no gap between two of them
is longer than allowed and the same columns contribute. An alert is named after its first row, so that
grouping a window again gives the same alerts, and an alert that continues across the edge of a window stays
one alert. Called by :mod:`pynomaly.steps.alerting.raise_alerts` and by the preview of a policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["AlertGroup", "AlertRow", "RowName", "confirm_rows", "group_rows", "have_same_cause", "name_alert"]

RowName = tuple[datetime, str, float, int]
"""Time, entity, score and version of a scored row."""


@dataclass(frozen=True)
class AlertRow:
    """A row that alerts.

    Attributes
    ----------
    entity : str
        Entity of the row; "" where there are no entities.
    time : datetime or None
        Aware; None for a table without time, where every row is an alert of its own.
    place : int
        Position of the row in its window.
    p_value : float
    causes : tuple of str
        Contributing columns, the largest contribution first; empty where they were not computed.
    began : datetime or None
        Time of the oldest alerting row among those that confirmed this one; None means `time`.
    """

    entity: str
    time: datetime | None
    place: int
    p_value: float
    causes: tuple[str, ...] = ()
    began: datetime | None = None


@dataclass(frozen=True)
class AlertGroup:
    """Rows that form one alert.

    Attributes
    ----------
    name : str
        Hash of pipeline, entity and first row: 16 hex digits.
    first, last : datetime or None
        Times of the first and last row; `first` may be before the row that confirmed the alert.
    causes : tuple of str
        Contributing columns of the first row that has any; unchanged while the alert grows.
    flags : tuple of AlertRow
        Rows of the alert, in order of time.
    carried : bool
        Whether the alert began before the grouped rows.
    """

    name: str
    entity: str
    first: datetime | None
    last: datetime | None
    causes: tuple[str, ...]
    flags: tuple[AlertRow, ...] = field(default=())
    carried: bool = False

    @property
    def peak(self) -> AlertRow:
        """The row with the smallest p-value, the earliest in a tie."""
        return min(self.flags, key=lambda flag: flag.p_value)


def confirm_rows(
    entity: npt.ArrayLike, alerted: npt.ArrayLike, needed: int, of: int
) -> npt.NDArray[np.bool_]:
    """Mark the rows that alert together with enough of the rows before them.

    Parameters
    ----------
    entity : array of shape (n,)
        Rows in order of time.
    alerted : array of bool, shape (n,)
    needed, of : int
        A row is marked when it alerts and at least `needed` of the entity's `of` newest rows alert, itself
        included.

    Returns
    -------
    ndarray of bool, shape (n,)
        Cost: one sort.
    """
    flags = np.asarray(alerted, dtype=bool)
    if needed <= 1:
        return flags.copy()
    codes = pd.factorize(np.asarray(entity))[0]
    order = np.argsort(codes, kind="stable")
    hits = flags[order].astype(np.int64)
    sums = np.concatenate([[0], np.cumsum(hits)])
    starts = np.searchsorted(codes[order], codes[order], side="left")
    places = np.arange(len(hits))
    count = sums[places + 1] - sums[np.maximum(starts, places + 1 - of)]
    marked = np.empty(len(hits), dtype=bool)
    marked[order] = (hits == 1) & (count >= needed)
    return marked


def have_same_cause(left: Sequence[str], right: Sequence[str]) -> bool:
    """Return whether the strongest column of one row is among the columns of the other; True if unknown."""
    return not left or not right or left[0] in right or right[0] in left


def name_alert(pipeline: str, entity: str, time: datetime | None, nth: int) -> str:
    """Return the name of the alert whose first row is the `nth` of `entity` at `time`."""
    text = f"{pipeline}|{entity}|{time.isoformat() if time else ''}|{nth}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def group_rows(
    pipeline: str,
    flags: Iterable[AlertRow],
    gap: timedelta,
    *,
    by_cause: bool = True,
    before: Iterable[AlertGroup] = (),
) -> tuple[AlertGroup, ...]:
    """Group rows into alerts, continuing earlier alerts.

    Parameters
    ----------
    pipeline : str
        Included in the hash that names an alert.
    flags : iterable of AlertRow
        In any order.
    gap : timedelta
        Longest time between two rows of one alert.
    by_cause : bool
        Whether rows with other contributing columns form another alert (:func:`have_same_cause`, with the
        causes of the alert). A row whose causes are not known joins any alert that is near enough.
    before : iterable of AlertGroup
        Earlier alerts that may continue; their rows are not repeated in the result.

    Returns
    -------
    tuple of Group
        Alerts with rows among `flags`, ordered by first row. Grouping a period at once, or in pieces that
        each continue the results of the pieces before, gives the same alerts, if causes are the same.
    """
    open_groups: dict[str, list[AlertGroup]] = {}
    for earlier in before:
        open_groups.setdefault(earlier.entity, []).append(replace(earlier, flags=(), carried=True))
    groups: dict[str, AlertGroup] = {}
    row_counts: dict[tuple[str, datetime | None], int] = {}
    ordered = sorted(flags, key=lambda flag: (flag.time.timestamp() if flag.time else 0.0, flag.place))
    for flag in ordered:
        row_key = (flag.entity, flag.time)
        row_counts[row_key] = row_counts.get(row_key, -1) + 1
        candidates = [
            item for item in open_groups.get(flag.entity, ()) if _joins_group(item, flag, gap, by_cause)
        ]
        if candidates:
            joined = max(
                candidates, key=lambda item: (item.causes[:1] == flag.causes[:1], item.last, item.name)
            )
            groups[joined.name] = replace(
                joined,
                last=max(joined.last, flag.time) if joined.last and flag.time else flag.time,
                causes=joined.causes or flag.causes,
                flags=(*joined.flags, flag),
            )
            others = [item for item in open_groups[flag.entity] if item.name != joined.name]
            open_groups[flag.entity] = [*others, groups[joined.name]]
            continue
        name = name_alert(pipeline, flag.entity, flag.time, row_counts[row_key])
        started = AlertGroup(name, flag.entity, flag.began or flag.time, flag.time, flag.causes, (flag,))
        groups[name] = started
        open_groups.setdefault(flag.entity, []).append(started)
    return tuple(sorted(groups.values(), key=lambda item: (item.flags[0].place, item.name)))


def _joins_group(candidate: AlertGroup, flag: AlertRow, gap: timedelta, by_cause: bool) -> bool:
    if candidate.last is None or flag.time is None or flag.time - candidate.last > gap:
        return False
    return not by_cause or have_same_cause(candidate.causes, flag.causes)
