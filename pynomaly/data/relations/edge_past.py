"""What the past of edges holds: counts, flows, first contacts and closed cycles, each at the edge's moment.

An edge's past is the edges before its time, none older than the history; edges of the same time do not see
each other. Called by ``features``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pynomaly.data.relations.timelines import Edges, PairRuns, Timeline, number_pairs, rank_times

__all__ = ["CYCLE_EDGES", "Direction", "EdgePast", "EndName"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Direction = Literal["out", "in"]
EndName = Literal["source", "target"]

CYCLE_EDGES = 64
"""Newest edges that the target sent which are followed for cycles: a hub costs no more than others."""

_CYCLE_ROWS = 8192


class EdgePast:
    """The past of some edges among all that are known.

    Parameters
    ----------
    edges : Edges
    asked : ndarray of shape (m,), int64
        Places of the edges whose past is asked for.
    windows : sequence of int
        Microseconds.
    history : int
        Microseconds, more than any window.

    Notes
    -----
    O(n log n) time, whatever an entity's number of edges; each count is made when it is asked for, once.
    """

    def __init__(self, edges: Edges, asked: Ints, windows: Sequence[int], history: int) -> None:
        self._edges, self._history = edges, history
        moments, self._ranks = rank_times(edges.at)
        self._times = len(moments)
        self._now, self._at = self._ranks[asked], edges.at[asked]
        self._starts = {
            length: np.searchsorted(moments, self._at - length, side="left") for length in (*windows, history)
        }
        keys = number_pairs(edges.source, edges.target, edges.nodes)
        self._pair_keys, self._pairs = np.unique(keys, return_inverse=True)
        self._pair_timeline = Timeline(self._pairs, self._ranks, self._times)
        self.source, self.target = edges.source[asked], edges.target[asked]
        self._asked_pairs = self._pairs[asked]
        self._made: dict[Hashable, Any] = {}

    def count_pair(self, length: int) -> Ints:
        """Return how many edges the pair has in a window before each edge."""
        first, end = self._find_pair_span(self._asked_pairs, length)
        return end - first

    def count_returns(self, length: int) -> Ints:
        """Return how many edges lead back, from the target to the source, in a window."""
        back, is_there = self._find_pairs(self.target, self.source)
        first, end = self._find_pair_span(back, length)
        return np.where(is_there, end - first, 0)

    def count(self, direction: Direction, end: EndName, length: int) -> Ints:
        """Return how many edges an end sent (`out`) or got (`in`) in a window."""
        first, last = self._find_span(direction, end, length)
        return last - first

    def add_flow(self, direction: Direction, end: EndName, length: int) -> Floats:
        """Return the sum of their weights, exact to 2 ** -20 a weight."""
        return self._make_timeline(direction).add_up(*self._find_span(direction, end, length))

    def count_partners(self, direction: Direction, end: EndName, length: int) -> Ints:
        """Return how many different entities an end sent to, or got from, in a window."""
        partners: Ints = self._remember(
            ("partners", direction, end, length),
            lambda: self._count_runs(direction, end, length, self._now, self._starts[length]),
        )
        return partners

    def count_new_partners(self, direction: Direction, end: EndName, length: int) -> Ints:
        """Return how many of them had no edge with the end in the history before the window."""
        earlier = self._count_runs(
            direction, end, self._history - length, self._starts[length], self._starts[self._history]
        )
        return self.count_partners(direction, end, self._history) - earlier

    def measure_pair_age(self) -> Ints:
        """Return the microseconds since the pair's last edge; the history if there is none in it."""
        first, end = self._find_pair_span(self._asked_pairs, self._history)
        return self._measure_age(self._pair_timeline, first, end)

    def measure_age(self, end: EndName) -> Ints:
        """Return the microseconds since the last edge of an end, in either direction."""
        ages = [
            self._measure_age(self._make_timeline(direction), *self._find_span(direction, end, self._history))
            for direction in ("out", "in")
        ]
        return np.minimum(*ages)

    def count_cycles(self, length: int) -> Ints:
        """Return how many entities the target sent to that sent to the source, in a window.

        Of the target's edges at most the newest :data:`CYCLE_EDGES` are followed, all of one time or none.
        The two ends themselves do not count.
        """
        first, end = self._find_span("out", "target", length)
        has_edges = (first < end) & (self.count("in", "source", length) > 0)
        counts = np.zeros(len(self._now), dtype=np.int64)
        rows = np.flatnonzero(has_edges)
        if not len(rows):
            return counts
        first = self._keep_newest(first, end)
        for start in range(0, len(rows), _CYCLE_ROWS):
            part = rows[start : start + _CYCLE_ROWS]
            counts[part] = self._count_middles(part, first[part], end[part], length)
        return counts

    def _keep_newest(self, first: Ints, end: Ints) -> Ints:
        """Return where the newest edges of a span begin, of whole times, so that order decides nothing."""
        timeline = self._make_timeline("out")
        before = np.maximum(end - CYCLE_EDGES, first + 1) - 1  # the newest edge that is left out
        before = np.minimum(before, len(timeline.order) - 1)
        edge = timeline.order[before]
        cut = timeline.find_place(self._edges.source[edge], self._ranks[edge] + 1)
        return np.where(end - first > CYCLE_EDGES, cut, first)

    def _count_middles(self, rows: Ints, first: Ints, end: Ints, length: int) -> Ints:
        sizes = end - first
        owner = np.repeat(np.arange(len(rows)), sizes)
        places = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes - first, sizes)
        middle = self._edges.target[self._make_timeline("out").order[places]]
        source = self.source[rows][owner]
        others = (middle != source) & (middle != self.target[rows][owner])
        owner, middle, source = owner[others], middle[others], source[others]
        key = np.unique(number_pairs(owner, middle, self._edges.nodes))
        owner, middle = key // self._edges.nodes, key % self._edges.nodes
        back, is_there = self._find_pairs(middle, self.source[rows][owner])
        back, owner = back[is_there], owner[is_there]
        timeline, row = self._pair_timeline, rows[owner]
        count = timeline.find_place(back, self._now[row]) - timeline.find_place(
            back, self._starts[length][row]
        )
        return np.bincount(owner[count > 0], minlength=len(rows))

    def _find_pairs(self, first: Ints, second: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Return the numbers of pairs of ends, and which of the pairs there are."""
        keys = number_pairs(first, second, self._edges.nodes)
        place = np.minimum(np.searchsorted(self._pair_keys, keys), len(self._pair_keys) - 1)
        return place, self._pair_keys[place] == keys

    def _find_pair_span(self, pairs: Ints, length: int) -> tuple[Ints, Ints]:
        timeline = self._pair_timeline
        return timeline.find_place(pairs, self._starts[length]), timeline.find_place(pairs, self._now)

    def _find_span(self, direction: Direction, end: EndName, length: int) -> tuple[Ints, Ints]:
        """Return where the edges of an end in a window begin and end in the timeline of a direction."""
        timeline, owners = self._make_timeline(direction), getattr(self, end)
        first = self._remember(
            ("first", direction, end, length), lambda: timeline.find_place(owners, self._starts[length])
        )
        last = self._remember(("last", direction, end), lambda: timeline.find_place(owners, self._now))
        return first, last

    def _count_runs(self, direction: Direction, end: EndName, length: int, until: Ints, over: Ints) -> Ints:
        """Return how many runs of an end's pairs began before `until` and did not end before `over`."""
        runs = self._remember(
            ("runs", length),
            lambda: PairRuns(self._edges, self._pairs, self._ranks, self._times, length),
        )
        starts, ends = self._remember(
            ("runs by", direction, length), lambda: runs.by(self._list_owners(direction))
        )
        owners = getattr(self, end)
        began, ended = starts.find_place(owners, until), ends.find_place(owners, over)
        return np.asarray(began - ended, dtype=np.int64)

    def _make_timeline(self, direction: Direction) -> Timeline:
        made: Timeline = self._remember(
            ("timeline", direction),
            lambda: Timeline(self._list_owners(direction), self._ranks, self._times, self._edges.weight),
        )
        return made

    def _list_owners(self, direction: Direction) -> Ints:
        return self._edges.source if direction == "out" else self._edges.target

    def _measure_age(self, timeline: Timeline, first: Ints, end: Ints) -> Ints:
        last = timeline.order[np.maximum(end - 1, 0)]
        return np.where(first < end, self._at - self._edges.at[last], self._history)

    def _remember(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]
