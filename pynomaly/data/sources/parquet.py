"""Parquet: one file, a folder of files, or a folder partitioned as ``key=value``.

Files of one folder may differ in columns and number types; the wider type wins. Called through ``SOURCES``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pynomaly.config import Data
from pynomaly.data.sources.csv import existing
from pynomaly.errors import ColumnError, SourceError, allowed

__all__ = ["rows"]


def rows(data: Data, path: str, columns: list[str] | None) -> pd.DataFrame:
    """Read a file or every ``*.parquet`` under a folder, in order of their paths.

    Parameters
    ----------
    data : Data
        Not needed: Parquet says its own types.
    path : str
    columns : list of str or None
        None reads all, partition keys included.

    Returns
    -------
    DataFrame of shape (n, d), n >= 1

    Raises
    ------
    SourceError
        If nothing is there, a file is not Parquet, the files do not fit together, or there is no row.
    ColumnError
        If a name is duplicated or one of `columns` does not exist.
    """
    import pyarrow as pa

    place = existing(path, folder=True)
    try:
        dataset = _dataset(place)
        names = [name for name in dataset.schema.names if not name.startswith("__index_level_")]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ColumnError(f"{place}: column {', '.join(map(repr, twice))} occurs more than once")
        for name in columns or []:
            if name not in names:
                raise ColumnError(f"{place}: no column {name!r}; {allowed(name, names)}")
        table = dataset.to_table(columns=columns or names)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, ColumnError | SourceError):
            raise
        raise SourceError(f"{place} cannot be read as Parquet: {' '.join(str(error).split())}") from error
    if table.num_rows == 0:
        raise SourceError(f"{place} has columns {names} but no rows")
    # An index that was saved by name is a column here; pandas would hide it again.
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


def _dataset(place: Path) -> Any:
    import pyarrow as pa
    import pyarrow.dataset as pads

    if place.is_file():
        return pads.dataset(str(place), format="parquet")
    hidden = (".", "_")
    files = [
        str(file)
        for file in sorted(place.rglob("*.parquet"))
        if not any(part.startswith(hidden) for part in file.relative_to(place).parts)
    ]
    if not files:
        raise SourceError(f"no *.parquet file under {place}")
    how = {"format": "parquet", "partitioning": "hive", "partition_base_dir": str(place)}
    first = pads.dataset(files, **how)
    schemas = [fragment.physical_schema for fragment in first.get_fragments()]
    schema = pa.unify_schemas([*schemas, first.schema], promote_options="permissive")
    return pads.dataset(files, schema=schema, **how)
