"""The newest rows of each entity, in rings of fixed length, so that a row finds its past when it comes.

What a row looks back on is made by the function that makes it for a file, and from the same rows: a row
scored when it comes and one scored with its window have the same bits. Only a row that comes after a later
row of its entity was scored changes what that one saw.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data
from pynomaly.data.past import get_past
from pynomaly.data.past_array import FILL_ROWS
from pynomaly.data.sources import look_back
from pynomaly.data.sources.normalize import order_rows
from pynomaly.data.streams.columns import StreamColumns
from pynomaly.data.streams.edge_history import EdgeHistory

__all__ = ["EntityHistory", "ReadyRows"]

_NEVER = np.iinfo(np.int64).min
_FIRST_ENTITIES = 64

MAX_CELLS = 64_000_000
"""Numbers of all rings together, half a gigabyte; above it, entities are forgotten."""


class ReadyRows:
    """Rows that can be scored, in the order in which they came.

    Attributes
    ----------
    frame : DataFrame of shape (n, d)
        With their past and the features of it.
    tags : int array of shape (n,)
        What the caller gave each row to know it by.
    """

    def __init__(self, frame: pd.DataFrame, tags: NDArray[np.int64]) -> None:
        self.frame, self.tags = frame, tags


class EntityHistory:
    """Rings of the newest rows of each entity.

    Attributes
    ----------
    waiting : int
        Rows whose score waits for later rows (``data.series.delay``).

    Notes
    -----
    Memory: 8 bytes a number for ``depth`` rows of each entity. A batch costs the rows of its entities. Edges
    (``data.graph``) are kept beside them.
    """

    def __init__(self, data: Data, columns: StreamColumns) -> None:
        self._data, self._numbers = data.model_copy(update={"graph": None}), columns.numbers
        self._edges = EdgeHistory(data) if data.graph is not None else None
        series = data.series
        self._depth = 0
        if data.own_lookback:
            past = series.past + FILL_ROWS + 2 if series.past else 0
            self._depth = max(past, series.rows + 1 if series.columns else 0, 2)
        self._codes: dict[str, int] = {}
        self._moments = np.full((0, self._depth), _NEVER, dtype=np.int64)
        self._cells = np.empty((0, self._depth, len(self._numbers)))
        self._pending: pd.DataFrame | None = None
        self._pending_tags = np.empty(0, dtype=np.int64)

    @property
    def entities(self) -> int:
        """Number of entities that were met."""
        return len(self._codes)

    @property
    def waiting(self) -> int:
        """Number of rows whose score waits for later rows."""
        return len(self._pending_tags)

    def take(self, rows: pd.DataFrame, tags: NDArray[np.int64]) -> ReadyRows:
        """Return the rows that can be scored now, with their past: new ones, and such as waited for these.

        Parameters
        ----------
        rows : DataFrame of shape (n, d)
            Time, entity and the columns of the stream, in the order in which they came; no time is missing.
        tags : int array of shape (n,)
        """
        if not self._depth:
            return ReadyRows(self._describe_edges(rows, rows), tags)
        if self._pending is not None and len(self._pending):
            rows = pd.concat([self._pending, rows], ignore_index=True)
            tags = np.concatenate([self._pending_tags, tags])
        names = self._name_entities(rows)
        present = np.unique(names)
        before = self._gather(present)
        both = pd.concat([before, rows], ignore_index=True) if len(before) else rows.reset_index(drop=True)
        order = order_rows(both, str(self._data.time), self._data.id)
        seen = look_back(both.iloc[order].reset_index(drop=True), self._data)
        seen = seen.iloc[np.argsort(order, kind="stable")].iloc[len(before) :].reset_index(drop=True)
        past = get_past(seen)
        ready = np.ones(len(seen), dtype=bool) if past is None else past.after >= 0
        seen = self._describe_edges(seen, rows, ready)
        self._remember(rows[ready], names[ready])
        self._pending = rows[~ready].reset_index(drop=True) if not ready.all() else None
        self._pending_tags = tags[~ready]
        return ReadyRows(seen[ready].reset_index(drop=True), tags[ready])

    def remember(self, rows: pd.DataFrame) -> None:
        """Take rows that were scored before, such as those of the store after a start."""
        if self._depth and len(rows):
            self._remember(rows, self._name_entities(rows))
        if self._edges is not None and len(rows):
            self._edges.remember(rows)

    def _describe_edges(
        self, seen: pd.DataFrame, rows: pd.DataFrame, ready: NDArray[np.bool_] | None = None
    ) -> pd.DataFrame:
        """Return rows with the features of their edges, and take the ready ones as edges of the past."""
        if self._edges is None or not len(rows):
            return seen
        described = self._edges.describe(rows)
        self._edges.remember(rows if ready is None else rows[ready])
        added = [name for name in described.columns if name not in rows.columns]
        return pd.concat([seen, described[added].set_axis(seen.index)], axis=1)

    def _name_entities(self, rows: pd.DataFrame) -> NDArray[np.object_]:
        if self._data.id is None:
            return np.full(len(rows), "", dtype=object)
        return rows[self._data.id].astype(str).to_numpy(dtype=object)

    def _gather(self, names: NDArray[np.object_]) -> pd.DataFrame:
        """Return the remembered rows of entities, oldest first within each."""
        data = self._data
        known = [name for name in names if name in self._codes]
        codes = np.array([self._codes[name] for name in known], dtype=np.int64)
        moments = self._moments[codes]
        there = moments != _NEVER
        frame = pd.DataFrame(self._cells[codes][there], columns=list(self._numbers))
        frame.insert(0, str(data.time), pd.to_datetime(moments[there], unit="us", utc=True).as_unit("us"))
        if data.id is not None:
            repeated = np.repeat(np.array(known, dtype=object), there.sum(axis=1))
            frame.insert(1, data.id, pd.Series(repeated, dtype="str"))
        return frame

    def _remember(self, rows: pd.DataFrame, names: NDArray[np.object_]) -> None:
        if not len(rows):
            return
        for name in dict.fromkeys(names):
            self._codes.setdefault(name, len(self._codes))
        self._grow()
        self._forget_oldest(set(names))
        new_codes = np.array([self._codes[name] for name in names], dtype=np.int64)
        touched = np.unique(new_codes)
        old = self._moments[touched]
        there = old != _NEVER
        moments = rows[str(self._data.time)].dt.as_unit("us").astype("int64").to_numpy()
        cells = rows[list(self._numbers)].to_numpy(dtype=np.float64)
        codes = np.concatenate([np.repeat(touched, there.sum(axis=1)), new_codes])
        at = np.concatenate([old[there], moments])
        values = np.concatenate([self._cells[touched][there], cells])
        order = np.lexsort([np.arange(len(at)), at, codes])
        first = np.append(True, (np.diff(codes[order]) != 0) | (np.diff(at[order]) != 0))
        order = order[first]  # of several rows of one time the first stands
        codes, at, values = codes[order], at[order], values[order]
        ends = np.append(np.flatnonzero(np.diff(codes)), len(codes) - 1)
        place = np.arange(len(codes)) - np.repeat(ends, np.diff(np.append(-1, ends))) + self._depth - 1
        kept = place >= 0
        self._moments[touched], self._cells[touched] = _NEVER, np.nan
        self._moments[codes[kept], place[kept]] = at[kept]
        self._cells[codes[kept], place[kept]] = values[kept]

    def _forget_oldest(self, kept: set[str]) -> None:
        """Forget entities of which nothing came for longest: their next row is scored as a first one.

        When its window closes it is scored by the rows of the store.
        """
        most = max(2, MAX_CELLS // max(1, self._depth * len(self._numbers)))
        if len(self._codes) <= most:
            return
        newest = self._moments.max(axis=1).tolist()
        order = sorted(self._codes, key=lambda name: (name not in kept, -newest[self._codes[name]]))
        stay = order[: max(most // 2, len(kept))]
        places = np.array([self._codes[name] for name in stay], dtype=np.int64)
        self._moments, self._cells = self._moments[places], self._cells[places]
        self._codes = {name: code for code, name in enumerate(stay)}

    def _grow(self) -> None:
        size = len(self._moments)
        if len(self._codes) <= size:
            return
        more = max(_FIRST_ENTITIES, len(self._codes), 2 * size) - size
        self._moments = np.concatenate([self._moments, np.full((more, self._depth), _NEVER)])
        self._cells = np.concatenate([self._cells, np.full((more, self._depth, len(self._numbers)), np.nan)])
