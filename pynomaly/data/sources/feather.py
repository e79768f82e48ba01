"""Feather and Arrow files: ``.feather`` and ``.arrow``, in the file format or as a stream.

Called through ``SOURCES``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.config import Data
from pynomaly.data.sources import bounded
from pynomaly.data.sources.kind import SourceKind
from pynomaly.data.sources.text.files import join_tables, list_files, open_local, pick_columns
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, SourceError

__all__ = ["SOURCE", "read_rows"]

ENDINGS = (".feather", ".arrow")


def read_rows(data: Data, path: str, columns: list[str] | None, window: Window | None = None) -> pd.DataFrame:
    """Read a file, or the files of a folder or a glob; a window does not limit the read.

    Returns
    -------
    DataFrame of shape (n, d), n >= 1
        With the types of the file.

    Raises
    ------
    SourceError
        If a file is missing or no Arrow file, there is no row, or more than ``data.limits`` allow.
    ColumnError
        If a name is duplicated or not printable, or one of `columns` does not exist.
    """
    frame = join_tables(list_files(path, ENDINGS), lambda file: _read_table(data, file), data.limits)
    if frame.empty:
        raise SourceError(f"{path} has columns {list(frame.columns)} but no rows")
    return pick_columns(frame, path, columns)


def _read_table(data: Data, path: str) -> pd.DataFrame:
    import pyarrow as pa

    with open_local(path) as file:
        try:
            with pa.OSFile(str(file)) as content:
                return _read_batches(content, file, data)
        except (pa.ArrowException, OSError) as error:
            if isinstance(error, SourceError | ColumnError):
                raise
            reason = " ".join(str(error).split())
            raise SourceError(f"{file} cannot be read as Arrow: {reason}") from error


def _read_batches(content: Any, file: Path, data: Data) -> pd.DataFrame:
    """Return the rows, read batch by batch, so that no more than the limit is held."""
    import pyarrow as pa
    from pyarrow import ipc

    try:
        reader = ipc.open_file(content)
        batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
    except pa.ArrowInvalid:
        content.seek(0)
        reader = batches = ipc.open_stream(content)
    names = reader.schema.names
    bounded.check_names(names, file, data.limits)
    if duplicates := sorted({name for name in names if names.count(name) > 1}):
        raise ColumnError(f"{file}: column {', '.join(map(repr, duplicates))} occurs more than once")
    tables, rows = [], 0
    for batch in batches:
        rows += batch.num_rows
        bounded.check_size(rows, len(names), file, data.limits)
        tables.append(batch)
    frame: pd.DataFrame = pa.Table.from_batches(tables, schema=reader.schema).to_pandas(ignore_metadata=True)
    return frame.drop(columns=[name for name in names if name.startswith("__index_level_")])


SOURCE = SourceKind(read_rows, endings=ENDINGS, reads_whole=True, has_raw_text=True)
