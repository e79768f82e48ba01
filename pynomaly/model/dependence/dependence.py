"""The dependence of rows on the rows before: measured once, then used by every split, interval and test.

Guarantees for exchangeable rows fail on a machine's rows: the rows of an hour say little more than one of
them, a season repeats, an incident is one fact of many rows, and machines in one hall have bad days together.
What is measured from scores with their times, entities and labels gives the *block*: rows of one block count
as one observation, rows of two blocks as independent. Blocks err on the long side, and a history too short to
show them makes one block of all, so that a verdict gets weaker, never bolder.

Kept in the bundle; used by the steps that split, resample and judge. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from pynomaly.config.spelling.units import spell_duration

__all__ = ["DAY", "INDEPENDENT", "Dependence", "place_incidents", "place_sampled_incidents", "to_seconds"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY = 86_400.0


@dataclass(frozen=True)
class Dependence:
    """How rows depend on each other; all times in seconds.

    Attributes
    ----------
    correlation, upper : float
        Autocorrelation time of the scores within an entity, and its upper bound (one-sided 95 %); 0 where
        rows are independent, `upper` infinite where the history is too short for a bound.
    season : float
        Time from one season to the next; 0 without one.
    incident : float
        Nine tenths of the labelled incidents are at most this long; 0 where labels come in no runs.
    is_shared : bool
        Whether entities move together: a block then holds the rows of all of them.
    block : float
        Length of a block; infinite where the history is too short: all rows are then one block. 0 for
        independent rows.
    gap : float
        Rows that a model learned and rows that set or judge its p-values are this far apart: the mean
        autocorrelation time of the measured columns, at most a twentieth of `span`.
    rows, entities, span : int, int, float
        What was measured: rows, their entities, and the time from the first row to the last.
    """

    correlation: float = 0.0
    upper: float = 0.0
    season: float = 0.0
    incident: float = 0.0
    is_shared: bool = False
    block: float = 0.0
    gap: float = 0.0
    rows: int = 0
    entities: int = 0
    span: float = 0.0

    @property
    def is_dependent(self) -> bool:
        """Whether rows depend on the rows before."""
        return self.block > 0

    @property
    def is_apart(self) -> bool:
        """Whether rows to learn and rows to calibrate are taken in stretches of time with gaps."""
        return self.gap > 0

    @property
    def is_short(self) -> bool:
        """Whether the history is too short to show how long rows depend on each other."""
        return math.isinf(self.block)

    def number_blocks(self, times: pd.Series[Any] | None, entities: ArrayLike | None = None) -> Ints:
        """Return the block of each row, int array of shape (n,), from 0 without gaps.

        Parameters
        ----------
        times : Series of shape (n,) or None
            Aware times, in any order. None for rows without times: each is its own block.
        entities : array-like of shape (n,), optional
            Where entities do not move together each has its own blocks. Without them all rows are of one.

        Notes
        -----
        Independent rows are in blocks of an entity's day, of a hundredth of the span where it is shorter.
        """
        if times is None or not len(times):
            return np.arange(0 if times is None else len(times), dtype=np.int64)
        seconds = to_seconds(times)
        seconds = seconds - seconds.min()
        span = float(seconds.max())
        if not self.is_dependent:
            number = np.floor_divide(seconds, min(DAY, max(span / 100, 1.0)))
        else:
            count = 1 if self.is_short else max(1, int(span // self.block))
            # Blocks of equal length, none shorter than asked: the last row belongs to the last block.
            number = np.minimum(np.floor(seconds * count / max(span, 1.0)), count - 1)
        number = number.astype(np.int64)
        if entities is not None and not (self.is_dependent and self.is_shared):
            codes = pd.factorize(np.asarray(entities, dtype=object), use_na_sentinel=False)[0]
            number = number * (int(codes.max()) + 1) + codes
        return np.unique(number, return_inverse=True)[1].astype(np.int64)

    def count_effective(self, rows: int) -> float:
        """Return the number of independent rows that are worth as much as `rows` of these."""
        if not self.rows or not self.upper or not self.span:
            return float(rows)
        if math.isinf(self.upper):
            return 1.0
        spacing = self.span * max(1, self.entities) / self.rows
        return rows / max(1.0, self.upper / spacing)

    def widen(self, other: Dependence) -> Dependence:
        """Return the longer of each measure, for rows that both may describe."""
        return replace(
            self if self.rows >= other.rows else other,
            correlation=max(self.correlation, other.correlation),
            upper=max(self.upper, other.upper),
            season=max(self.season, other.season),
            incident=max(self.incident, other.incident),
            is_shared=self.is_shared or other.is_shared,
            block=max(self.block, other.block),
            gap=max(self.gap, other.gap),
        )

    def explain_unknown(self) -> str:
        """Return why it is not known how long rows with times depend on each other; "" where it is."""
        if not self.rows:
            return (
                "how long rows depend on each other was not measured when the version was trained (by an "
                "earlier edition, or on very few rows): train again"
            )
        return self.describe() if self.is_short else ""

    def describe(self) -> str:
        """Return a sentence for people; "" for independent rows."""
        if not self.is_dependent:
            return ""
        if self.is_short:
            history = spell_duration(_round_span(timedelta(seconds=self.span)))
            return (
                f"rows depend on the rows before for longer than {history} of history can show: all of them "
                "count as one observation, and no verdict is possible; give a longer reference"
            )
        causes = [
            f"{name} {_spell(value)}"
            for name, value in (
                ("autocorrelation time up to", self.upper),
                ("season", self.season),
                ("incidents up to", self.incident),
            )
            if value
        ]
        joined = ", all entities together" if self.is_shared else ""
        return f"rows depend on the rows before ({', '.join(causes)}): blocks of {_spell(self.block)}{joined}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able content; infinite times are None."""
        content = asdict(self)
        return {
            name: None if isinstance(value, float) and math.isinf(value) else value
            for name, value in content.items()
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any] | None) -> Dependence:
        """Build from what `to_dict` wrote; models without it have none."""
        if content is None:
            return INDEPENDENT
        known: dict[str, Any] = {
            name: math.inf if value is None else value for name, value in content.items()
        }
        return cls(**known)


INDEPENDENT = Dependence()


def place_incidents(
    blocks: Ints, times: pd.Series[Any] | None, entities: ArrayLike | None, truth: ArrayLike
) -> Ints:
    """Return the blocks, shape (n,), with the rows of an incident in the block where it begins.

    An incident is an unbroken run of anomalous rows of an entity (`truth` is 1), in order of time: one fact,
    however many rows and blocks it lasts. The blocks themselves stay apart: joined, they would be one as soon
    as some entity of a fleet has an incident at each border.
    """
    anomalous = np.asarray(truth) == 1
    if times is None or not anomalous.any():
        return blocks
    order = np.argsort(to_seconds(times), kind="stable")
    codes = np.zeros(len(order), dtype=np.int64)
    if entities is not None:
        codes = pd.factorize(np.asarray(entities, dtype=object), use_na_sentinel=False)[0][order]
        order, codes = (array[np.argsort(codes, kind="stable")] for array in (order, codes))
    own, is_odd = blocks[order], anomalous[order]
    goes_on = np.append(False, is_odd[1:] & is_odd[:-1] & (codes[1:] == codes[:-1]))
    begin = np.maximum.accumulate(np.where(goes_on, 0, np.arange(len(order))))
    placed = blocks.copy()
    placed[order] = own[begin]
    return np.unique(placed, return_inverse=True)[1].astype(np.int64)


def place_sampled_incidents(
    blocks: Ints, times: pd.Series[Any], entities: ArrayLike, truth: ArrayLike, reach: float
) -> Ints:
    """Return the blocks of sampled rows, shape (n,), with the rows of an incident in the block of the first.

    Of a sample nobody knows the rows between: anomalous rows of an entity (`truth` is 1) that lie less than
    `reach` seconds apart are one incident.
    """
    anomalous = np.flatnonzero(np.asarray(truth) == 1)
    if not anomalous.size:
        return blocks
    seconds, codes = to_seconds(times), pd.factorize(np.asarray(entities, dtype=object))[0]
    order = anomalous[np.lexsort((seconds[anomalous], codes[anomalous]))]
    begins = (np.diff(codes[order], prepend=-1) != 0) | (np.diff(seconds[order], prepend=-np.inf) >= reach)
    runs = np.full(len(blocks), -1, dtype=np.int64)
    runs[order] = np.cumsum(begins)
    return place_incidents(blocks, times, runs, truth)


def to_seconds(times: pd.Series[Any]) -> Floats:
    """Return aware times as seconds since 1970, shape (n,)."""
    return pd.DatetimeIndex(times).as_unit("us").asi8 / 1e6


def _spell(seconds: float) -> str:
    """Return a time for people: in the largest unit of which it holds at least two."""
    for unit, name in ((DAY, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.3g} seconds"


def _round_span(span: timedelta) -> timedelta:
    """Return a span as people say it: in whole days from two days on, in whole hours from two hours on."""
    for unit in (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)):
        if span >= 2 * unit:
            return round(span / unit) * unit
    return timedelta(seconds=round(span.total_seconds()))
