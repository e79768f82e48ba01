"""Parquet: one file, a folder of files, or a folder partitioned as ``key=value``, here or in a bucket.

Files of one folder may differ in columns and number types; the wider type wins. Called through ``SOURCES``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd

from pynomaly.config import Data, Limits
from pynomaly.data.places import Place, is_address, resolve_place
from pynomaly.data.sources import bounded
from pynomaly.data.sources.kind import SourceKind
from pynomaly.data.sources.text.files import require_path
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, SourceError, list_allowed

__all__ = ["SOURCE", "build_window_filter", "count_rows", "open_dataset", "read_rows"]


def read_rows(
    data: Data,
    path: str,
    columns: list[str] | None,
    window: Window | None = None,
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read a file or every ``*.parquet`` under a folder or address, in order of their paths.

    Parameters
    ----------
    data : Data
        Names the time column, which decides the rows of a window. The file has its own types.
    path : str
    columns : list of str or None
        None reads all columns, including partition keys.
    window : Window, optional
        Row groups and rows outside it are skipped if the time column holds times with an offset and no
        missing cell. Else rows outside are returned too, and the caller drops them.
    names : sequence of str, optional
        The files to read that lie directly in a folder, in this order; nothing is listed then.

    Returns
    -------
    DataFrame of shape (n, d), n >= 1

    Raises
    ------
    SourceError
        If nothing is there, a file is not Parquet, the files do not fit together, there is no row, or more
        than ``data.limits`` allow.
    ColumnError
        If a name is duplicated or not printable, or one of `columns` does not exist.
    """
    with open_dataset(path, data.limits, names) as dataset:
        present = dataset.schema.names
        for name in columns or []:
            if name not in present:
                raise ColumnError(f"{path}: no column {name!r}; {list_allowed(name, present)}")
        window_filter = build_window_filter(dataset, data, window)
        # A file of a few kilobytes can declare a billion rows.
        width = len(columns or present)
        bounded.check_size(dataset.count_rows(filter=window_filter), width, path, data.limits)
        table = dataset.to_table(columns=columns, filter=window_filter)
        if table.num_rows == 0 and window is not None:
            bounded.check_size(dataset.count_rows(), width, path, data.limits)
            table = dataset.to_table(columns=columns)  # the caller's error names the range of the source
    if table.num_rows == 0:
        raise SourceError(f"{path} has columns {present} but no rows")
    # A named index was saved as a column and stays one; pandas' metadata would make it an index again.
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


@contextmanager
def open_dataset(path: str, limits: Limits, files: Sequence[str] | None = None) -> Iterator[Any]:
    """Yield the pyarrow dataset at `path`; pyarrow's errors inside the ``with`` become a SourceError.

    Raises
    ------
    SourceError, ColumnError
        As :func:`read_rows`.
    """
    import pyarrow as pa

    source = resolve_place(path) if is_address(path) else resolve_place(require_path(path, folder=True))
    try:
        dataset = _build_dataset(source, files)
        names = dataset.schema.names
        bounded.check_names(names, source, limits)
        if duplicates := sorted({name for name in names if names.count(name) > 1}):
            raise ColumnError(f"{source}: column {', '.join(map(repr, duplicates))} occurs more than once")
        yield dataset
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, ColumnError | SourceError):
            raise
        raise SourceError(f"{source} cannot be read as Parquet: {' '.join(str(error).split())}") from error


def build_window_filter(dataset: Any, data: Data, window: Window | None) -> Any:
    """Return Arrow's filter for the rows of `window`; None if every row must be read.

    That is so unless the time is one column of times with an offset: joined columns, text and numbers of an
    epoch are compared after they are read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    time = data.time
    if window is None or time is None or data.time_columns or time not in dataset.schema.names:
        return None
    kind = dataset.schema.field(time).type
    if not pa.types.is_timestamp(kind) or kind.tz is None:
        return None
    column = pc.field(time)
    if dataset.count_rows(filter=column.is_null()):
        return None  # a row without a time belongs to the row before it, so all rows are needed
    start, end = (pa.scalar(pd.Timestamp(edge), type=kind) for edge in (window.start, window.end))
    return (column >= start) & (column < end)


def _build_dataset(source: Place, names: Sequence[str] | None) -> Any:
    import pyarrow as pa
    import pyarrow.dataset as pads
    from pyarrow.fs import FileSelector, FileType

    files, path = source.open_arrow()
    kind = files.get_file_info(path).type
    if kind == FileType.File:
        return _drop_index(pads.dataset(path, format="parquet", filesystem=files))
    if kind != FileType.Directory:
        raise SourceError(f"nothing lies at {source}")
    hidden = (".", "_")
    file_paths = [f"{path}/{name}" for name in names or ()] or sorted(
        item.path
        for item in files.get_file_info(FileSelector(path, recursive=True))
        if item.type == FileType.File
        and item.path.endswith(".parquet")
        and not any(part.startswith(hidden) for part in item.path[len(path) :].split("/"))
    )
    if not file_paths:
        raise SourceError(f"no *.parquet file under {source}")
    options = {
        "format": "parquet",
        "partitioning": "hive",
        "partition_base_dir": path,
        "filesystem": files,
    }
    first = pads.dataset(file_paths, **options)
    schemas = [fragment.physical_schema for fragment in first.get_fragments()]
    schema = pa.unify_schemas([*schemas, first.schema], promote_options="permissive")
    return _drop_index(pads.dataset(file_paths, schema=schema, **options))


def _drop_index(dataset: Any) -> Any:
    """Drop the columns in which pandas saved an index without a name; they are no data."""
    import pyarrow as pa

    fields = [field for field in dataset.schema if not field.name.startswith("__index_level_")]
    return dataset.replace_schema(pa.schema(fields)) if len(fields) < len(dataset.schema) else dataset


def count_rows(data: Data, window: Window | None) -> int:
    """Return the number of rows of a window, from the footers as far as they tell."""
    with open_dataset(str(data.path), data.limits) as dataset:
        return int(dataset.count_rows(filter=build_window_filter(dataset, data, window)))


SOURCE = SourceKind(
    read_rows, endings=(".parquet", ".pq"), count_rows=count_rows, has_row_groups=True, has_raw_text=True
)
