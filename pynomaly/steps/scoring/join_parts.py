"""Joins the parts that a table was scored in into one file, piece by piece.

Called by :mod:`pynomaly.steps.scoring.score_file` with the parts that
:mod:`pynomaly.steps.scoring.large_tables` wrote. A part encodes severities as dictionary indices; the joined
file holds the names themselves.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.records.sheet import render_csv, render_lines, render_table

__all__ = ["clear_folder", "join_scored_parts"]


def join_scored_parts(files: Iterable[Path], output: Path) -> None:
    """Write one file, of a kind in ``TABLE_ENDINGS``, from parts or quarantined rows, piece by piece."""
    import pyarrow.parquet as pq

    writer: Any = None
    sheets: list[pd.DataFrame] = []  # a sheet is written at once, and holds a million rows at most
    try:
        for number, table in enumerate(table for file in files for table in _iter_tables(file)):
            if output.suffix == ".csv":
                # newline="": the platform must not change the line ends.
                with output.open("a" if number else "w", encoding="utf-8", newline="") as out:
                    out.write(render_csv(table.to_pandas(), header=not number))
                continue
            if output.suffix == ".jsonl":
                with output.open("ab" if number else "wb") as lines:
                    lines.write(render_lines(table.to_pandas()))
                continue
            if output.suffix == ".xlsx":
                sheets.append(table.to_pandas())
                continue
            # A dictionary saves space only where values repeat; row numbers and scores do not.
            dictionary_columns = [name for name in table.schema.names if name not in ("row", "score")]
            writer = writer or pq.ParquetWriter(
                output, table.schema, compression="zstd", use_dictionary=dictionary_columns
            )
            writer.write_table(table)
        if sheets:
            output.write_bytes(render_table(pd.concat(sheets, ignore_index=True), ".xlsx"))
    finally:
        if writer is not None:
            writer.close()


def _iter_tables(file: Path) -> Iterator[Any]:
    """Yield one table for each batch of a part, or for each row group of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.suffix == ".arrow":
        with pa.memory_map(str(file)) as source:
            reader = pa.ipc.open_file(source)
            for number in range(reader.num_record_batches):
                yield _decode_dictionaries(reader.get_batch(number))
        return
    with pq.ParquetFile(file) as quarantine:
        for group in range(quarantine.num_row_groups):
            yield quarantine.read_row_group(group)


def clear_folder(folder: Path) -> None:
    """Remove the files that an earlier, killed run left in `folder`."""
    if folder.is_dir():
        shutil.rmtree(folder)


def _decode_dictionaries(batch: Any) -> Any:
    """Return the batch as a table with dictionary columns decoded to their values."""
    import pyarrow as pa

    table = pa.Table.from_batches([batch])
    for place, field_ in enumerate(table.schema):
        if pa.types.is_dictionary(field_.type):
            decoded = table.column(place).cast(field_.type.value_type)
            table = table.set_column(place, field_.name, decoded)
    return table
