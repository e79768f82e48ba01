"""Rows that alert become alerts: by entity, by time and by what carries them. Pure.

A person answers an alert, not a row. Rows of one entity join one alert while no gap between two of them is
longer than allowed and the same columns carry them. An alert is named by its first row, so that a window that
is grouped again gives the same alerts, and one that goes on over the edge of a window stays one. Called by
:mod:`pynomaly.steps.alerting` and by the preview of a policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Flag", "Group", "confirmed", "group", "name_of", "same_cause"]


@dataclass(frozen=True)
class Flag:
    """A row that alerts.

    Attributes
    ----------
    entity : str
        Whose row it is; "" where there are no entities.
    time : datetime or None
        Aware; None for a table without time, where every row stands alone.
    place : int
        Position among the rows it was found in.
    p_value : float
    causes : tuple of str
        Columns that carry it, the strongest first; empty where they were not asked for.
    began : datetime or None
        Oldest alerting row among those that confirmed this one; None is `time`.
    """

    entity: str
    time: datetime | None
    place: int
    p_value: float
    causes: tuple[str, ...] = ()
    began: datetime | None = None


@dataclass(frozen=True)
class Group:
    """Rows that are one alert.

    Attributes
    ----------
    name : str
        16 hex digits over pipeline, entity and first row.
    first, last : datetime or None
        Times of the first and last row; `first` may lie before the row that confirmed the alert.
    causes : tuple of str
        Of its first row that has any; stays as the alert grows.
    flags : tuple of Flag
        Its rows, in order of time.
    carried : bool
        Whether it began before the rows that were given.
    """

    name: str
    entity: str
    first: datetime | None
    last: datetime | None
    causes: tuple[str, ...]
    flags: tuple[Flag, ...] = field(default=())
    carried: bool = False

    @property
    def peak(self) -> Flag:
        """Its rarest row, the earliest of equals."""
        return min(self.flags, key=lambda flag: flag.p_value)


def confirmed(entity: npt.ArrayLike, alerted: npt.ArrayLike, needed: int, of: int) -> npt.NDArray[np.bool_]:
    """Which rows alert together with enough of the rows before them.

    Parameters
    ----------
    entity : array of shape (n,)
        Rows in order of time.
    alerted : array of bool, shape (n,)
    needed, of : int
        A row counts when it alerts and `needed` of the entity's `of` newest rows do, itself among them.

    Returns
    -------
    ndarray of bool, shape (n,)
        Cost: one sort.
    """
    flags = np.asarray(alerted, dtype=bool)
    if needed <= 1:
        return flags.copy()
    who = pd.factorize(np.asarray(entity))[0]
    order = np.argsort(who, kind="stable")
    hits = flags[order].astype(np.int64)
    sums = np.concatenate([[0], np.cumsum(hits)])
    starts = np.searchsorted(who[order], who[order], side="left")
    places = np.arange(len(hits))
    count = sums[places + 1] - sums[np.maximum(starts, places + 1 - of)]
    found = np.empty(len(hits), dtype=bool)
    found[order] = (hits == 1) & (count >= needed)
    return found


def same_cause(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether two rows are carried alike: the strongest column of one is among those of the other."""
    return not left or not right or left[0] in right or right[0] in left


def name_of(pipeline: str, entity: str, time: datetime | None, nth: int) -> str:
    """Name of the alert whose first row is the `nth` of `entity` at `time`."""
    text = f"{pipeline}|{entity}|{time.isoformat() if time else ''}|{nth}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def group(
    pipeline: str,
    flags: Iterable[Flag],
    gap: timedelta,
    *,
    by_cause: bool = True,
    before: Iterable[Group] = (),
) -> tuple[Group, ...]:
    """Group rows, continuing alerts of before.

    Parameters
    ----------
    pipeline : str
        Part of every alert's name.
    flags : iterable of Flag
        In any order.
    gap : timedelta
        Longest time between two rows of one alert.
    by_cause : bool
        Whether rows that other columns carry are another alert (:func:`same_cause`, with the alert's own
        causes). A row whose causes are not known joins whatever alert there is.
    before : iterable of Group
        Alerts that may go on; their own rows are not repeated.

    Returns
    -------
    tuple of Group
        Those with rows among `flags`, by first row. Grouping a stretch of time at once or in pieces, each
        with what came out of the pieces before, gives the same alerts, as long as causes are the same.
    """
    open_: dict[str, list[Group]] = {}
    for known in before:
        open_.setdefault(known.entity, []).append(replace(known, flags=(), carried=True))
    grown: dict[str, Group] = {}
    seen: dict[tuple[str, datetime | None], int] = {}
    ordered = sorted(flags, key=lambda flag: (flag.time.timestamp() if flag.time else 0.0, flag.place))
    for flag in ordered:
        at = (flag.entity, flag.time)
        seen[at] = seen.get(at, -1) + 1
        near = [item for item in open_.get(flag.entity, ()) if _reaches(item, flag, gap, by_cause)]
        if near:
            joined = max(near, key=lambda item: (item.causes[:1] == flag.causes[:1], item.last, item.name))
            grown[joined.name] = replace(
                joined,
                last=max(joined.last, flag.time) if joined.last and flag.time else flag.time,
                causes=joined.causes or flag.causes,
                flags=(*joined.flags, flag),
            )
            others = [item for item in open_[flag.entity] if item.name != joined.name]
            open_[flag.entity] = [*others, grown[joined.name]]
            continue
        name = name_of(pipeline, flag.entity, flag.time, seen[at])
        fresh = Group(name, flag.entity, flag.began or flag.time, flag.time, flag.causes, (flag,))
        grown[name] = fresh
        open_.setdefault(flag.entity, []).append(fresh)
    return tuple(sorted(grown.values(), key=lambda item: (item.flags[0].place, item.name)))


def _reaches(known: Group, flag: Flag, gap: timedelta, by_cause: bool) -> bool:
    if known.last is None or flag.time is None or flag.time - known.last > gap:
        return False
    return not by_cause or same_cause(known.causes, flag.causes)
