"""The edges of a stream that the next ones look back on: all of ``data.graph.history``, by their two ends.

Beside the rings of :mod:`~pynomaly.data.streams.history`, because what an edge looks back on is of two
entities and of a length of time, not of a number of rows. It is filled from the same rows, and rebuilt from
them after a start.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data, Graph
from pynomaly.data.frame import read_numbers
from pynomaly.data.relations import add_relations
from pynomaly.data.relations.features import read_ends

__all__ = ["EdgeHistory"]

MAX_EDGES = 8_000_000
"""Edges that are kept, 24 bytes each; above it the oldest are forgotten before their time."""

_FIRST_EDGES = 1024


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
        before = self._gather(rows)
        both = pd.concat([before, rows], ignore_index=True) if len(before) else rows.reset_index(drop=True)
        asked = np.arange(len(both)) >= len(before)
        described = add_relations(both, self._time, self._graph, asked)
        return described.iloc[len(before) :].set_axis(rows.index)

    def remember(self, rows: pd.DataFrame) -> None:
        """Take rows as edges of the past."""
        names = [read_ends(rows[name]) for name in self._graph.ends]
        there = pd.notna(names[0]) & pd.notna(names[1]) & rows[self._time].notna().to_numpy()
        count = int(there.sum())
        if not count:
            return
        self._make_room(count)
        part = slice(self._size, self._size + count)
        moments = rows[self._time].dt.as_unit("us").astype("int64").to_numpy()
        self._at[part] = moments[there]
        for place, column in enumerate(names):
            self._ends[place, part] = [
                self._codes.setdefault(name, len(self._codes)) for name in column[there]
            ]
        self._weights[part] = 0.0
        if self._graph.weight is not None:
            self._weights[part] = read_numbers(rows[self._graph.weight])[0].to_numpy()[there]
        self._size += count

    def _gather(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the edges of the entities of `rows`, as far as these look back."""
        touched = np.zeros(len(self._codes) + 1, dtype=bool)
        for name in self._graph.ends:
            touched[[self._codes.get(end, -1) for end in read_ends(rows[name])]] = True
        touched[-1] = False
        ends, at = self._ends[:, : self._size], self._at[: self._size]
        oldest = _count_us(rows[self._time].min()) - self._history
        chosen = np.flatnonzero((touched[ends[0]] | touched[ends[1]]) & (at >= oldest))
        names = np.array([*self._codes, ""], dtype=object)
        columns: dict[str, Any] = {self._time: pd.to_datetime(at[chosen], unit="us", utc=True).as_unit("us")}
        for place, name in enumerate(self._graph.ends):
            columns[name] = pd.Series(names[ends[place][chosen]], dtype="str")
        if self._graph.weight is not None:
            columns[self._graph.weight] = self._weights[: self._size][chosen]
        return pd.DataFrame(columns)

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


def _count_us(moment: pd.Timestamp) -> int:
    return int(moment.as_unit("us").asm8.astype("int64"))


def _grow(values: NDArray[Any], size: int) -> NDArray[Any]:
    grown = np.empty(size, dtype=values.dtype)
    grown[: len(values)] = values
    return grown
