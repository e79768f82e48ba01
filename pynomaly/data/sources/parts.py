"""Read a Parquet source in parts, for tables that do not fit in memory.

A part is one row group of one file, read in batches. Parts may be read in any order and in other processes.
Together they give all rows of the source, each with its position in the source. Called by the streaming
scorer and the one-pass training sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Data, Limits
from pynomaly.data.origin import Origin, find_unread_cells
from pynomaly.data.shape.moments import list_time_sources
from pynomaly.data.sources import SOURCES, infer_source_kind, parquet
from pynomaly.data.sources.normalize import shape_rows

__all__ = ["Batch", "RowGroup", "has_more_rows", "list_row_groups", "read_batches"]


@dataclass(frozen=True)
class RowGroup:
    """One row group of a Parquet source.

    Attributes
    ----------
    number : int
        Position among the parts of the source.
    fragment : pyarrow.dataset.ParquetFileFragment
    schema : pyarrow.Schema
        Schema of the whole source; files of one folder may differ.
    first, rows : int
        Position of its first row in the source, and its number of rows.
    """

    number: int
    fragment: Any
    schema: Any
    first: int
    rows: int


def list_row_groups(path: str, limits: Limits) -> tuple[RowGroup, ...]:
    """Return the row groups of a Parquet file, folder or address; reads only the footers.

    Raises
    ------
    SourceError, ColumnError
        As the Parquet source.
    """
    with parquet.open_dataset(path, limits) as dataset:
        row_groups: list[RowGroup] = []
        first = 0
        for file in dataset.get_fragments():
            for group in file.split_by_row_group():
                rows = sum(item.num_rows for item in group.row_groups)
                if rows:
                    row_groups.append(RowGroup(len(row_groups), group, dataset.schema, first, rows))
                first += rows
        return tuple(row_groups)


def has_more_rows(data: Data, path: str, rows: int) -> bool:
    """Return whether `path` is a Parquet table of more than `rows` rows; False for other kinds of source.

    Also False if rows depend on rows before them (a past, a long table): a part does not hold them.
    """
    if data.needs_other_rows or (path == data.path and SOURCES[data.source].is_shaped):
        return False
    if not SOURCES[infer_source_kind(path, data.source)].has_row_groups:
        return False
    return sum(part.rows for part in list_row_groups(path, data.limits)) > rows


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of a part.

    Attributes
    ----------
    frame : DataFrame of shape (n, d)
        The rows shaped as by ``sources.read``, but not sorted.
    origin : Origin
        Their place in the whole source.
    columns : pyarrow.RecordBatch
        The rows as they were read.
    """

    frame: pd.DataFrame
    origin: Origin
    columns: Any


def read_batches(data: Data, part: RowGroup, rows: int) -> Iterator[Batch]:
    """Yield the rows of a part in the order of the source.

    Parameters
    ----------
    data : Data
        Names the time and the label column.
    part : Part
    rows : int
        Most rows in one batch; bounds the memory.
    """
    first = part.first
    for batch in part.fragment.to_batches(schema=part.schema, batch_size=rows):
        if not batch.num_rows:
            continue
        frame = batch.to_pandas(ignore_metadata=True, split_blocks=True)  # does not copy numbers
        shaped = shape_rows(frame, data, has_raw_text=True)
        unread = find_unread_cells(frame, shaped, data.time, list_time_sources(data))
        places = first + np.arange(batch.num_rows)
        yield Batch(shaped, Origin(places, {first + row: cell for row, cell in unread.items()}), batch)
        first += batch.num_rows
