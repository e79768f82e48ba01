"""A Parquet source piece by piece, for tables that do not fit in memory.

A part is one row group of one file, read in batches; parts may be read in any order, in other processes. What
they give together is the source in the order it lies in, each row with its place. Called by the streaming
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
    """A row group.

    Attributes
    ----------
    number : int
        Place among the parts of the source.
    fragment : pyarrow.dataset.ParquetFileFragment
    schema : pyarrow.Schema
        Of the whole source: files of one folder may differ.
    first, rows : int
        Place of its first row in the source, and how many it has.
    """

    number: int
    fragment: Any
    schema: Any
    first: int
    rows: int


def parts_of(path: str, limits: Limits) -> tuple[Part, ...]:
    """Parts of a Parquet file, folder or address; reads footers alone.

    Raises
    ------
    SourceError, ColumnError
        As the Parquet source.
    """
    with parquet.opened(path, limits) as dataset:
        found: list[Part] = []
        first = 0
        for file in dataset.get_fragments():
            for group in file.split_by_row_group():
                rows = sum(item.num_rows for item in group.row_groups)
                if rows:
                    found.append(Part(len(found), group, dataset.schema, first, rows))
                first += rows
        return tuple(found)


def is_larger(data: Data, path: str, rows: int) -> bool:
    """Whether `path` is a Parquet table of more than `rows` rows; False for other kinds of source.

    Also False where features of a row's past are asked for: a part does not hold the rows before it.
    """
    if data.series.columns:
        return False
    if kind_of(path, data.source) != "parquet":
        return False
    return sum(part.rows for part in parts_of(path, data.limits)) > rows


def batches(data: Data, part: Part, rows: int) -> Iterator[tuple[int, pd.DataFrame]]:
    """Place of the first row and the rows, shaped as ``sources.read`` shapes them but not sorted.

    Parameters
    ----------
    data : Data
        Its time and label column.
    part : Part
    rows : int
        Most rows at once: what bounds the memory.
    """
    first = part.first
    for batch in part.fragment.to_batches(schema=part.schema, batch_size=rows):
        if not batch.num_rows:
            continue
        frame = batch.to_pandas(ignore_metadata=True, split_blocks=True)  # a number is not copied
        if data.label and data.label in frame:
            frame[data.label] = labels(frame[data.label])
        if data.time:
            frame[data.time] = moments(frame[data.time], data.zone)
        yield first, frame
        first += batch.num_rows
