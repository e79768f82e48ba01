"""Events: alerting rows of one entity near in time, counted once. Pure.

An anomaly lasts, and rows that share a window or a level alert together. What a person answers, and what a
budget and a rate of false alerts promise, is therefore the *event*: alerting rows of one entity, none later
than ``grouping.gap`` after the one before. At a threshold p a day of R rows has about ``R p s(p)`` events,
where the share s(p) is the number of events for each alerting row, the reciprocal of the mean number of rows
of an event. `measure_event_rates` counts it on rows of the reference in order of time (runs declustering), at
thresholds down to the one with :data:`MIN_EVENTS` events. Below, s(p) is at most 1 and ``p s(p)`` at most
what it is there; the bound is used, so that no more events come than are promised.

Rows that do not alert together more often than by chance are *not clustered*; then nothing is gained by
counting events, and rows are counted. Called by :mod:`pynomaly.model.calibration.alert_policy` and
:mod:`pynomaly.model.fitting.event_counts`.

References
----------
Ferro, Segers (2003), Inference for clusters of extreme values, J. Royal Statistical Society B 65(2): the
extremal index, runs declustering, and why the gap must be stated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pynomaly.model.row_times import RowKeys

__all__ = [
    "MAX_EVENT_THRESHOLD",
    "MIN_EVENTS",
    "EventRates",
    "count_events",
    "measure_event_rates",
    "number_events",
]

Floats = NDArray[np.float64]

MIN_EVENTS = 10  # the count is then known to about a third
MAX_EVENT_THRESHOLD = 0.1  # no budget of events makes a row of severity none an alert
MIN_EXCESS = 4.0  # standard deviations, and one more, by which rows are linked more often than by chance
MAX_CHANCE_SHARE = 0.8  # and at least a fifth of the events of independent rows must be gone
_MIN_ALERTS = 20
_STEPS = 24  # thresholds, each lower than the last by the root of 2


@dataclass(frozen=True)
class EventRates:
    """How many events there are for each alerting row, by threshold.

    Attributes
    ----------
    gap : timedelta
        Longest time between two rows of one event.
    rows : int
        Rows on which events were counted.
    thresholds : tuple of float
        Ascending p-values; empty where no threshold has enough events.
    shares : tuple of float
        Events for each row at or below the threshold, in (0, 1].
    clustered : bool
        Whether rows alert together more often than independent rows with the same rate by entity.
    """

    gap: timedelta
    rows: int
    thresholds: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    clustered: bool = False

    def share(self, p_values: ArrayLike) -> Floats:
        """Return events for each alerting row at thresholds `p_values`; array of shape (n,)."""
        p = np.atleast_1d(np.asarray(p_values, dtype=np.float64))
        if not self.thresholds:
            return np.ones(p.shape)
        least = self.thresholds[0]
        shares = np.interp(np.log(np.maximum(p, least)), np.log(self.thresholds), self.shares)
        with np.errstate(divide="ignore"):
            bound = np.minimum(1.0, least * self.shares[0] / p)
        return np.where(p < least, bound, shares)

    def find_threshold(self, share: float) -> float:
        """Return the threshold up to which at most `share` events come for each row; at least `share`.

        Events grow with the threshold until they touch each other; the threshold is on the growing side, and
        at most :data:`MAX_EVENT_THRESHOLD`, unless `share` itself is higher.
        """
        rates = np.array(self.thresholds) * np.array(self.shares)
        above = np.flatnonzero(rates > share)
        first = int(above[0]) if above.size else len(rates)
        if first == 0:
            return share
        threshold = self.thresholds[first - 1]
        if first < len(rates):
            low, high = np.log(rates[first - 1]), np.log(rates[first])
            part = (np.log(share) - low) / (high - low)
            threshold *= float((self.thresholds[first] / threshold) ** part)
        return max(share, min(threshold, MAX_EVENT_THRESHOLD))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "gap_seconds": self.gap.total_seconds(),
            "rows": self.rows,
            "thresholds": list(self.thresholds),
            "shares": list(self.shares),
            "clustered": self.clustered,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> EventRates:
        """Read what `to_dict` wrote."""
        return cls(
            timedelta(seconds=content["gap_seconds"]),
            content["rows"],
            tuple(content["thresholds"]),
            tuple(content["shares"]),
            content["clustered"],
        )


def number_events(keys: RowKeys, alerted: ArrayLike, gap: timedelta) -> NDArray[np.int64]:
    """Return the number of the event of each row, -1 for a row that does not alert; array of shape (n,).

    Events are numbered by entity, then by time; a row without a time is an event of its own. Cost: one sort.
    """
    numbers = np.full(len(keys), -1, dtype=np.int64)
    rows = np.flatnonzero(np.asarray(alerted, dtype=bool))
    rows = rows[np.lexsort((keys.moments[rows], keys.entities[rows]))]
    numbers[rows] = np.cumsum(~_mark_linked(keys.take(rows), gap)) - 1
    return numbers


def count_events(keys: RowKeys, alerted: ArrayLike, gap: timedelta) -> int:
    """Return the number of events of the rows that alert."""
    return int(number_events(keys, alerted, gap).max(initial=-1)) + 1


def measure_event_rates(p_values: ArrayLike, keys: RowKeys, gap: timedelta) -> EventRates:
    """Count events at descending thresholds.

    Parameters
    ----------
    p_values : array-like of shape (n,)
        Of rows of the reference. Rows that are missing between them split events, so that there seem to be
        more: the promise is kept, at a lower threshold than could be.
    keys : RowKeys
        Entities and times of these rows.
    gap : timedelta
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.lexsort((keys.moments, keys.entities))
    p, keys = p[order], keys.take(order)
    neighbours = _count_rows_within(keys, gap)
    thresholds: list[float] = []
    shares: list[float] = []
    clustered = False
    for threshold in MAX_EVENT_THRESHOLD * 0.5 ** (np.arange(_STEPS) / 2):
        alerted = p <= threshold
        alerts, events = int(alerted.sum()), count_events(keys, alerted, gap)
        if events >= MIN_EVENTS:
            thresholds.append(float(threshold))
            # At the threshold p a share p of the rows alerts; what rounding and ties took is not lost.
            shares.append(min(1.0, events / float(max(alerts, threshold * len(p)))))
        if alerts < _MIN_ALERTS:
            break
        clustered = clustered or _are_clustered(keys, alerted, neighbours, events)
    return EventRates(gap, len(p), tuple(thresholds[::-1]), tuple(shares[::-1]), clustered)


def _mark_linked(keys: RowKeys, gap: timedelta) -> NDArray[np.bool_]:
    """Return which of the rows, ordered by entity and time, continue the event of the row before."""
    linked = np.zeros(len(keys), dtype=bool)
    near = np.diff(keys.moments) <= gap // timedelta(microseconds=1)
    known = (keys.moments[1:] != RowKeys.UNKNOWN) & (keys.moments[:-1] != RowKeys.UNKNOWN)
    linked[1:] = near & known & (keys.entities[1:] == keys.entities[:-1])
    return linked


def _count_rows_within(keys: RowKeys, gap: timedelta) -> NDArray[np.int64]:
    """Return how many rows of the entity lie at most `gap` before each of the ordered rows."""
    counts = np.zeros(len(keys), dtype=np.int64)
    edges = np.flatnonzero(np.diff(keys.entities, prepend=-1, append=-1))
    for start, end in pairwise(edges.tolist()):
        moments = keys.moments[start:end]
        first = np.searchsorted(moments, moments - gap // timedelta(microseconds=1), side="left")
        counts[start:end] = np.maximum(np.arange(end - start) - first, 0)  # an unknown time has none
    return counts


def _are_clustered(
    keys: RowKeys, alerted: NDArray[np.bool_], neighbours: NDArray[np.int64], events: int
) -> bool:
    """Return whether independent rows, alerting as often by entity, would have clearly more events.

    A row opens an event if it alerts and none of its neighbours before it does; all other alerting rows are
    linked to one before. Few links among many rows come about like events of Poisson, which is the yardstick.
    """
    rates = np.bincount(keys.entities, weights=alerted) / np.maximum(np.bincount(keys.entities), 1)
    rate = rates[keys.entities]
    by_chance = float(np.sum(rate * (1.0 - rate) ** neighbours))
    usual_links = max(float(alerted.sum()) - by_chance, 0.0)
    more_links = by_chance - events
    return events <= MAX_CHANCE_SHARE * by_chance and more_links >= MIN_EXCESS * (math.sqrt(usual_links) + 1)
