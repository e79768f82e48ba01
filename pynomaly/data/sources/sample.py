"""Sample a table or query of any size in one pass: at most `size` rows, the same for the same seed.

Each row draws a random number, in the order of the source, and the rows with the smallest numbers are kept.
So every set of `size` rows is equally likely, and the sample does not depend on batches or row groups. Memory
is bounded by one batch and about three times the sample. Text is read in parts; the rows of a query come
sorted by time. A sample stratified by time keeps equally many rows of each of :data:`SPANS` equal spans
of the window. Every batch is yielded, so that the caller can compute more in the same pass (sketches). Called
by the steps that read a reference.

References
----------
Efraimidis, Spirakis: Weighted random sampling with a reservoir, IPL 2006 (with equal weights).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data
from pynomaly.data.frame import require_columns
from pynomaly.data.shape.moments import list_time_sources, parse_moments, place_moments
from pynomaly.data.sources import find_source_kind, parquet
from pynomaly.data.sources.normalize import shape_rows, sort_rows
from pynomaly.data.sources.parts import RowGroup, list_row_groups
from pynomaly.data.window import Window
from pynomaly.errors import SourceError, WindowError

__all__ = ["SPANS", "Reservoir", "SamplingPass", "bound_row_count"]

SPANS = 64
"""Number of equal spans of the window, as far as it has rows, in a sample stratified by time."""

SamplingMode = Literal["reservoir", "time"]


class Reservoir:
    """Holds the `size` added rows with the smallest keys, as Arrow tables."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._tables: list[Any] = []
        self._keys: list[NDArray[np.float64]] = []
        self._places: list[NDArray[np.int64]] = []
        self._bound, self._row_count = np.inf, 0

    def add(self, table: Any, keys: NDArray[np.float64], places: NDArray[np.int64]) -> None:
        """Offer the rows of an Arrow table, with their random keys and their positions in the source."""
        chosen = np.flatnonzero(keys < self._bound)
        if not chosen.size:
            return
        self._tables.append(table.take(chosen))
        self._keys.append(keys[chosen])
        self._places.append(places[chosen])
        self._row_count += chosen.size
        if self._row_count >= 2 * self.size:
            self._settle()

    def rows(self) -> tuple[Any, NDArray[np.int64]]:
        """Return the sample and its rows' positions in the source; the table is None if no row was added."""
        if self._row_count > self.size:
            self._settle()
        if not self._tables:
            return None, np.zeros(0, dtype=np.int64)
        return _concat_tables(self._tables), np.concatenate(self._places)

    def _settle(self) -> None:
        keys, places = np.concatenate(self._keys), np.concatenate(self._places)
        first = np.lexsort((places, keys))[: self.size]
        self._tables = [_concat_tables(self._tables).take(first)]
        self._keys, self._places = [keys[first]], [places[first]]
        self._row_count, self._bound = first.size, float(keys[first[-1]])


class SamplingPass:
    """One pass over the rows of a window that keeps a sample.

    Parameters
    ----------
    data : Data
        The source: a file, a folder or a query.
    window : Window or None
        None samples from all rows.
    size, seed : int
    how : {"reservoir", "time"}
        ``time`` needs a window; without one it is a reservoir.
    batch_rows : int
        Rows read at a time.

    Attributes
    ----------
    seen : int
        Rows of the window read so far.
    stratified : bool
        Whether the sample is stratified by time.
    """

    def __init__(
        self, data: Data, window: Window | None, *, size: int, seed: int, how: SamplingMode, batch_rows: int
    ) -> None:
        self.data, self.window, self.batch_rows, self.seen = data, window, batch_rows, 0
        self.stratified = how == "time" and window is not None and data.time is not None
        spans = SPANS if self.stratified else 1
        shares = [size // spans + (number < size % spans) for number in range(spans)]
        self._pools = [Reservoir(share) if share else None for share in shares]
        self._random = np.random.default_rng(seed)
        self._last: pd.Timestamp | None = None
        self._named = [*list_time_sources(data), *filter(None, (data.id, data.label))]
        # The smallest and the largest text of a format need not be the first and the last time.
        self._has_order = not data.time_columns and data.time_format is None
        self._edges: tuple[pd.Timestamp, pd.Timestamp] | None = None

    def read_batches(self) -> Iterator[pd.DataFrame]:
        """Read the table, keep the sample, and yield the rows of the window in batches.

        Raises
        ------
        SourceError, ColumnError, WindowError, DataError
            As :func:`pynomaly.data.sources.read_source`.
        """
        kind = find_source_kind(self.data)
        if kind.has_row_groups:
            yield from self._shape_batches(self._read_fragments())
            return
        if kind.read_chunks is None:
            raise SourceError(f"a source of kind {self.data.source!r} cannot be sampled while it is read")
        if self.stratified and self._has_order and kind.read_edges is not None:
            self._edges = self._clip_to_window(kind.read_edges(self.data))
        chunks = kind.read_chunks(self.data, self.window, self.batch_rows)
        yield from self._shape_batches(map(_to_arrow, chunks))

    def _read_fragments(self) -> Iterator[Any]:
        """Yield the batches of a Parquet table as Arrow tables."""
        import pyarrow as pa

        path = str(self.data.path)
        with parquet.open_dataset(path, self.data.limits) as dataset:
            only = parquet.build_window_filter(dataset, self.data, self.window)
        parts = list_row_groups(path, self.data.limits)
        self._edges = self._find_covered_span(parts)
        for part in parts:
            for batch in part.fragment.to_batches(
                schema=part.schema, batch_size=self.batch_rows, filter=only
            ):
                yield pa.Table.from_batches([batch])

    def _shape_batches(self, tables: Iterator[Any]) -> Iterator[pd.DataFrame]:
        for table in tables:
            require_columns(table.slice(0, 0).to_pandas(ignore_metadata=True), self._named)
            rows = self._sample_table(table) if table.num_rows else table
            if rows.num_rows:
                yield self._shape_table(rows)

    def frame(self, as_of: datetime | None = None) -> pd.DataFrame:
        """Return the sample, in the shape that :func:`pynomaly.data.sources.read_source` gives those rows.

        Raises
        ------
        WindowError
            If no row lies in the window.
        """
        pools = [pool.rows() for pool in self._pools if pool is not None]
        tables = [table for table, _ in pools if table is not None]
        if not tables:
            if self.window is None:
                raise SourceError(f"{self.data.path} has no rows")
            raise WindowError(f"{self.data.path}: no row lies in the window {self.window}")
        order = np.argsort(np.concatenate([places for _, places in pools]))
        whole = _concat_tables(tables).take(order)
        frame = self._shape_table(whole)
        if self.data.time is None:
            return frame
        if as_of is not None and self.data.label:
            label_known = frame[self.data.time] + self.data.label_delay <= pd.Timestamp(as_of)
            frame[self.data.label] = frame[self.data.label].where(label_known)
        return sort_rows(frame, self.data.time, self.data.id)

    def _sample_table(self, table: Any) -> Any:
        """Return the rows of `table` in the window, and offer them to the reservoirs."""
        import pyarrow as pa

        span = np.zeros(table.num_rows, dtype=np.int64)
        if self.data.time is not None:
            table, row_times = self._read_times(table)
        if self.window is not None:
            times = self._fill_times(row_times)
            start, end = pd.Timestamp(self.window.start), pd.Timestamp(self.window.end)
            inside = ((times >= start) & (times < end)).to_numpy()
            table = table.filter(pa.array(inside))
            first, last = self._edges or (start, end)
            stratum_position = (
                (times[inside] - first) / max(last - first, pd.Timedelta(1, "us")) * len(self._pools)
            )
            span = np.clip(stratum_position.to_numpy().astype(np.int64), 0, len(self._pools) - 1)
        keys = self._random.random(
            table.num_rows
        )  # one draw for each row of the window, so batches change nothing
        places = np.arange(self.seen, self.seen + table.num_rows)
        self.seen += table.num_rows
        for number, pool in enumerate(self._pools):
            stratum_rows = np.flatnonzero(span == number) if len(self._pools) > 1 else None
            if pool is None or (stratum_rows is not None and not stratum_rows.size):
                continue
            if stratum_rows is None:
                pool.add(table, keys, places)
            else:
                pool.add(table.take(stratum_rows), keys[stratum_rows], places[stratum_rows])
        return table

    def _find_covered_span(self, parts: tuple[RowGroup, ...]) -> tuple[pd.Timestamp, pd.Timestamp] | None:
        """Return the part of the window with rows of the source, if its footers tell; else None."""
        if self.window is None or not self.stratified or not self._has_order:
            return None
        groups = [group.statistics or {} for part in parts for group in part.fragment.row_groups]
        time_ranges = [group.get(self.data.time) for group in groups]
        edges = [moment for edge in time_ranges if edge for moment in (edge["min"], edge["max"])]
        if not edges or not all(time_ranges) or isinstance(edges[0], str | bytes):
            return None
        return self._clip_to_window(pd.Series(edges, name=self.data.time))

    def _clip_to_window(self, edges: pd.Series[Any]) -> tuple[pd.Timestamp, pd.Timestamp]:
        assert self.window is not None, "spans of time are those of a window"
        times = parse_moments(edges, self.data)
        first, last = pd.Timestamp(self.window.start), pd.Timestamp(self.window.end)
        return max(first, times.min()), min(last, times.max())

    def _shape_table(self, table: Any) -> pd.DataFrame:
        has_raw_text = find_source_kind(self.data).has_raw_text
        return shape_rows(table.to_pandas(ignore_metadata=True), self.data, has_raw_text=has_raw_text)

    def _fill_times(self, times: pd.Series[Any]) -> pd.Series[Any]:
        """Return the time that places each row; a row with an unreadable time gets that of the row before."""
        assert self.window is not None, "asked for a window alone"
        # Rows before the first readable time count into the window, so that validation quarantines them.
        first = self._last if self._last is not None else pd.Timestamp(self.window.start)
        filled_times = times.ffill().fillna(first)
        self._last = filled_times.iloc[-1]
        return filled_times

    def _read_times(self, table: Any) -> tuple[Any, pd.Series[Any]]:
        """Return the table with its times read, and the times.

        That is done while the rows still stand in the order of the source, which decides the hour that a
        clock change repeats.
        """
        import pyarrow as pa

        sources = list_time_sources(self.data)
        needed = [name for name in dict.fromkeys([*sources, self.data.id]) if name in table.column_names]
        times = place_moments(table.select(needed).to_pandas(ignore_metadata=True), self.data)[self.data.time]
        place = min(table.column_names.index(name) for name in sources)
        rest = table.drop_columns([name for name in {*sources, self.data.time} if name in table.column_names])
        return rest.add_column(min(place, rest.num_columns), str(self.data.time), pa.array(times)), times


def bound_row_count(data: Data, window: Window | None) -> int | None:
    """Return an upper bound of the rows in `window`: from footers, line counts, or a count by the database.

    None for a kind of source that cannot tell, and if rows depend on rows before them (a past, a
    long table), because a sample does not hold these.
    """
    kind = find_source_kind(data)
    return None if data.needs_other_rows or kind.count_rows is None else kind.count_rows(data, window)


def _to_arrow(frame: pd.DataFrame) -> Any:
    """Return rows as an Arrow table; a column without any value gets Arrow's null type."""
    import pyarrow as pa

    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # one column holds several types, as sqlite allows
        as_text = frame.copy(deep=False)
        for name in frame.select_dtypes("object").columns:
            as_text[name] = frame[name].where(frame[name].isna(), frame[name].astype(str))
        table = pa.Table.from_pandas(as_text, preserve_index=False)
    for position, field in enumerate(table.schema):
        if table.column(position).null_count == table.num_rows:
            table = table.set_column(position, field.name, pa.nulls(table.num_rows))
    return table


def _concat_tables(tables: list[Any]) -> Any:
    """Concatenate tables of the same columns; a column that is numeric in some and text in others is text."""
    import pyarrow as pa

    try:
        whole = pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        whole = pa.concat_tables(_unify_columns(tables), promote_options="permissive")
    return whole.unify_dictionaries().combine_chunks()


def _unify_columns(tables: list[Any]) -> list[Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pa.large_string()
    for name in tables[0].column_names:
        try:
            pa.unify_schemas([table.select([name]).schema for table in tables], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            for number, table in enumerate(tables):
                cells = table.column(name)
                if pa.types.is_boolean(cells.type):  # with the case of the source, not Arrow's lower case
                    cells = pc.if_else(cells, "True", "False")
                position = table.column_names.index(name)
                tables[number] = table.set_column(position, name, cells.cast(text))
    return tables
