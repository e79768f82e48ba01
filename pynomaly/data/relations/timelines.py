"""Counts over sliding windows of the past, for many edges at once and without a loop over them.

A timeline holds events by owner and time. How many an owner has in a window is the distance of two places in
it. How many different ones is counted by runs: the events of one pair that follow each other within a length
make a run, which lasts for that length after its last event. A pair has an event in the window of that length
exactly while a run of it lasts, so of an owner's runs those that began are counted, less those that ended.

All counts are whole numbers and all sums are sums of whole numbers, so nothing depends on the order of
events, on where the past was cut (before the window), or on which other entities are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Edges", "PairRuns", "Timeline", "number_pairs", "rank_times", "round_weights"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_PER_UNIT = 1 << 20
_MOST = 1 << 42
_LIMB = (1 << 31) - 1


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges in the order of their times.

    Attributes
    ----------
    source, target : ndarray of shape (n,), int64
        Numbers of the two ends.
    at : ndarray of shape (n,), int64
        Microseconds since 1970, not falling.
    weight : ndarray of shape (n,), int64
        In units of 2 ** -20.
    nodes : int
        How many numbers of ends there are.
    """

    source: Ints
    target: Ints
    at: Ints
    weight: Ints
    nodes: int


def round_weights(weights: Floats) -> Ints:
    """Return weights in whole units of 2 ** -20, which add up exactly; one that is no finite number is 0."""
    finite = np.where(np.isfinite(weights), weights, 0.0)
    units: Ints = np.rint(np.clip(finite, -_MOST, _MOST) * _PER_UNIT).astype(np.int64)
    return units


class Timeline:
    """Events by owner and time.

    Parameters
    ----------
    owners : ndarray of shape (n,), int64
        The owner of each event.
    ranks : ndarray of shape (n,), int64
        The rank of its time, in [0, times).
    times : int
    weights : ndarray of shape (n,), int64, optional
        As `Edges.weight`.
    """

    def __init__(self, owners: Ints, ranks: Ints, times: int, weights: Ints | None = None) -> None:
        self._times = times + 1
        keys = owners * self._times + ranks
        self.order = np.argsort(keys, kind="stable")
        self._keys = keys[self.order]
        if weights is not None:
            ordered = weights[self.order]
            self._high = np.concatenate([[0], np.cumsum(ordered >> 31)])
            self._low = np.concatenate([[0], np.cumsum(ordered & _LIMB)])

    def find_place(self, owners: Ints, ranks: Ints) -> Ints:
        """Return how many events come before an owner's first one at or after a rank."""
        return np.searchsorted(self._keys, owners * self._times + ranks, side="left")

    def add_up(self, first: Ints, end: Ints) -> Floats:
        """Return the sums of the weights of the events at places [first, end)."""
        high, low = self._high[end] - self._high[first], self._low[end] - self._low[first]
        sums: Floats = (high.astype(np.float64) * (_LIMB + 1) + low.astype(np.float64)) / _PER_UNIT
        return sums


class PairRuns:
    """Runs of the pairs of an owner: which of them last at a moment.

    Parameters
    ----------
    edges : Edges
    pairs : ndarray of shape (n,), int64
        The number of each edge's pair.
    ranks : ndarray of shape (n,), int64
    times : int
    length : int
        Microseconds for which an event counts.
    """

    def __init__(self, edges: Edges, pairs: Ints, ranks: Ints, times: int, length: int) -> None:
        order = np.argsort(pairs, kind="stable")
        at, pair = edges.at[order], pairs[order]
        breaks = (pair[1:] != pair[:-1]) | (at[1:] - at[:-1] > length)
        edge = np.ones(1, dtype=bool)
        self._starts = order[np.concatenate([edge, breaks])] if len(order) else order
        self._ends = order[np.concatenate([breaks, edge])] if len(order) else order
        self._ranks, self._times = ranks, times

    def by(self, owners: Ints) -> tuple[Timeline, Timeline]:
        """Return the beginnings and the ends of the runs, by the owner of their edges."""
        starts, ends = (
            Timeline(owners[events], self._ranks[events], self._times)
            for events in (self._starts, self._ends)
        )
        return starts, ends


def rank_times(at: Ints) -> tuple[Ints, Ints]:
    """Return the different times, sorted, and the rank of each of `at`."""
    if not len(at):
        return at, at
    is_new = np.append(True, at[1:] != at[:-1])
    return at[is_new], np.cumsum(is_new) - 1


def number_pairs(first: Any, second: Any, nodes: int) -> Ints:
    """Return one number for each pair of two ends."""
    return np.asarray(first, dtype=np.int64) * nodes + np.asarray(second, dtype=np.int64)
