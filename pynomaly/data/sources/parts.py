"""Read a Parquet source in parts, for tables that do not fit in memory.

A part is one row group of one file, read in batches. Parts may be read in any order and in other processes.
Together they give all rows of the source, each with its position in the source. Called by the streaming
scorer and the one-pass training sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pynomaly.config import Data, Limits
from pynomaly.data.sources import kind_of, parquet
from pynomaly.data.sources.arrange import labels, moments

__all__ = ["Part", "batches", "is_larger", "parts_of"]


@dataclass(frozen=True)
class Part:
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


def parts_of(path: str, limits: Limits) -> tuple[Part, ...]:
    """Return the row groups of a Parquet file, folder or address; reads only the footers.

    Raises
    ------
    SourceError, ColumnError
        As the Parquet source.
    """
    with parquet.opened(path, limits) as dataset:
        row_groups: list[Part] = []
        first = 0
        for file in dataset.get_fragments():
            for group in file.split_by_row_group():
                rows = sum(item.num_rows for item in group.row_groups)
                if rows:
                    row_groups.append(Part(len(row_groups), group, dataset.schema, first, rows))
                first += rows
        return tuple(row_groups)


def is_larger(data: Data, path: str, rows: int) -> bool:
    """Return whether `path` is a Parquet table of more than `rows` rows; False for other kinds of source.

    Also False if time-series features are configured: a part does not hold the rows before it.
    """
    if data.series.columns:
        return False
    if kind_of(path, data.source) != "parquet":
        return False
    return sum(part.rows for part in parts_of(path, data.limits)) > rows


def batches(data: Data, part: Part, rows: int) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield the position of the first row and the rows, shaped as by ``sources.read`` but not sorted.

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
        if data.label and data.label in frame:
            frame[data.label] = labels(frame[data.label])
        if data.time:
            frame[data.time] = moments(frame[data.time], data.zone)
        yield first, frame
        first += batch.num_rows
