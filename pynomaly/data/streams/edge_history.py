"""The edges of a stream that the next ones look back on: all of ``data.graph.history``, by their two ends.

Beside the rings of :mod:`~pynomaly.data.streams.history`, because what an edge looks back on is of two
entities and of a length of time, not of a number of rows. It is filled from the same rows, and rebuilt from
them after a start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data, Graph
from pynomaly.data.relations.features import describe_edges, read_ends, read_weights
from pynomaly.data.relations.timelines import Edges, round_weights

__all__ = ["EdgeHistory"]

MAX_EDGES = 8_000_000
"""Edges that are kept, 24 bytes each; above it the oldest are forgotten before their time."""

_FIRST_EDGES = 1024


@dataclass(frozen=True, eq=False)
class _FreshEdges:
    """Rows that are edges.

    Attributes
    ----------
    rows : ndarray of shape (n,)
        Their places among the rows given.
    ends : ndarray of shape (2, n)
        Numbers of the entities.
    at, weights : ndarray of shape (n,)
    """

    rows: NDArray[np.int64]
    ends: NDArray[np.int32]
    at: NDArray[np.int64]
    weights: NDArray[np.float64]


class EdgeHistory:
    """The newest edges, by their two ends.

    Parameters
    ----------
    data : Data
        With ``data.graph``.

    Notes
    -----
    Memory: 24 bytes an edge, and the name of each entity once. A batch costs one look at every edge, and the
    sorting of those of its entities.
    """

    def __init__(self, data: Data) -> None:
        assert data.graph is not None, "the caller asks for edges"
        self._graph: Graph = data.graph
        self._time = str(data.time)
        self._history = self._graph.history // timedelta(microseconds=1)
        self._codes: dict[str, int] = {}
        self._size = 0
        self._at: NDArray[np.int64] = np.empty(_FIRST_EDGES, dtype=np.int64)
        self._ends = np.empty((2, _FIRST_EDGES), dtype=np.int32)
        self._weights: NDArray[np.float64] = np.empty(_FIRST_EDGES)
        self._most = _FIRST_EDGES

    @property
    def edges(self) -> int:
        """Number of edges that are kept."""
        return self._size

    def describe(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows with the features of their past as edges, whatever order they come in."""
        graph, fresh = self._graph, self._read(rows)
        chosen = self._choose(fresh.ends, fresh.at)
        ends = np.concatenate([self._ends[:, chosen], fresh.ends], axis=1).astype(np.int64)
        at = np.concatenate([self._at[chosen], fresh.at])
        weights = np.concatenate([self._weights[chosen], fresh.weights])
        nodes = max(1, len(self._codes))
        if graph.bipartite:
            ends[1] += nodes
            nodes *= 2
        order = np.argsort(at, kind="stable")
        edges = Edges(ends[0][order], ends[1][order], at[order], round_weights(weights[order]), nodes)
        places = np.flatnonzero(order >= len(chosen))
        own = order[places] - len(chosen)
        columns = {name: np.full(len(rows), np.nan) for name in graph.names}
        for name, values in describe_edges(edges, places, fresh.weights[own], graph).items():
            columns[name][fresh.rows[own]] = values
        return pd.concat([rows, pd.DataFrame(columns, index=rows.index)], axis=1)

    def remember(self, rows: pd.DataFrame) -> None:
        """Take rows as edges of the past."""
        self._make_room(len(rows))
        fresh = self._read(rows)
        part = slice(self._size, self._size + len(fresh.rows))
        self._at[part], self._ends[:, part], self._weights[part] = fresh.at, fresh.ends, fresh.weights
        self._size += len(fresh.rows)

    def _read(self, rows: pd.DataFrame) -> _FreshEdges:
        """Return the rows that are edges, with a number for each entity."""
        names = [read_ends(rows[name]) for name in self._graph.ends]
        there = pd.notna(names[0]) & pd.notna(names[1]) & rows[self._time].notna().to_numpy()
        places = np.flatnonzero(there)
        codes, ends = self._codes, np.empty((2, len(places)), dtype=np.int32)
        for place, column in enumerate(names):
            ends[place] = [codes.setdefault(name, len(codes)) for name in column[places]]
        moments = rows[self._time].dt.as_unit("us").astype("int64").to_numpy()
        return _FreshEdges(places, ends, moments[places], read_weights(rows, self._graph)[places])

    def _choose(self, ends: NDArray[np.int32], at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places of the kept edges that edges of these ends and times look back on."""
        touched = np.zeros(len(self._codes), dtype=bool)
        touched[ends] = True
        kept = self._ends[:, : self._size]
        oldest = at.min(initial=np.iinfo(np.int64).max) - self._history
        return np.flatnonzero((touched[kept[0]] | touched[kept[1]]) & (self._at[: self._size] >= oldest))

    def _make_room(self, count: int) -> None:
        """Forget edges that no later one looks back on, and grow if that is not enough."""
        if self._size + count <= self._most:
            return
        at = self._at[: self._size]
        newest = int(at.max()) if self._size else 0
        kept = np.flatnonzero(at >= newest - self._history)
        if len(kept) + count > MAX_EDGES:
            kept = kept[np.argsort(at[kept], kind="stable")][len(kept) // 2 :]
        ends = self._ends[:, kept]
        names = np.array([*self._codes], dtype=object)
        codes, positions = np.unique(ends, return_inverse=True)
        self._codes = {name: code for code, name in enumerate(names[codes])}
        self._size = len(kept)
        self._most = max(_FIRST_EDGES, 2 * (len(kept) + count))
        self._at = _grow(self._at[kept], self._most)
        self._weights = _grow(self._weights[kept], self._most)
        first, second = positions.reshape(ends.shape).astype(np.int32)
        self._ends = np.stack([_grow(first, self._most), _grow(second, self._most)])


def _grow(values: NDArray[Any], size: int) -> NDArray[Any]:
    grown = np.empty(size, dtype=values.dtype)
    grown[: len(values)] = values
    return grown
