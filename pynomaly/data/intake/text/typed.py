"""A table whose file types its cells (Parquet, Feather, JSON lines) to the cells that are looked at.

Called by ``reading``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Data, Limits
from pynomaly.data.intake.sample import EDGE, MOST_ROWS, Sample
from pynomaly.data.intake.text.sampling import sample_text
from pynomaly.data.intake.text.workbook import sample_workbook, spell_cell
from pynomaly.data.sources import SOURCES, bounded
from pynomaly.errors import SourceError

__all__ = ["read_sample"]


def read_sample(kind: str, files: Sequence[Path], limits: Limits, hints: dict[str, Any]) -> Sample:
    """Return the cells that are looked at.

    Parameters
    ----------
    kind : str
        Kind of source.
    files : sequence of Path
        One file, or the files of a folder in their order.
    limits : Limits
    hints : dict
        Settings under ``data`` that the user has given; they are not guessed.

    Raises
    ------
    SourceError
        If a file is unreadable, empty, or beyond a limit.
    ColumnError
        If the names of the columns cannot be used.
    """
    if kind == "csv":
        try:
            sample = sample_text(files, limits, hints)
        except SourceError as error:
            named = any(str(file) in str(error) for file in files)
            raise (error if named else SourceError(f"{files[0]}: {error}")) from error
    elif kind == "excel":
        sample = sample_workbook(files, limits, hints)
    else:
        sample = _sample_typed(kind, files, limits, hints)
    if len(files) > 1:
        span = f"{files[0].name!r} to {files[-1].name!r}"
        sample.notes.insert(0, f"{len(files)} files are read as one table, {span}")
    return sample


def _sample_typed(kind: str, files: Sequence[Path], limits: Limits, hints: dict[str, Any]) -> Sample:
    """Read Parquet by its first and last row groups, other kinds whole."""
    path = files[0] if len(files) == 1 else files[0].parent
    frame, rows, lines = _read_typed(kind, path, limits, hints)
    bounded.check_names([str(name) for name in frame.columns], path, limits)
    typed: dict[str, str] = {}
    columns: dict[str, Any] = {}
    for name in frame.columns:
        column = frame[name]
        dtype = column.dtype
        if pd.api.types.is_bool_dtype(dtype):
            typed[str(name)] = "flag"
        elif pd.api.types.is_numeric_dtype(dtype):
            typed[str(name)] = "number"
        elif dtype.kind in "mM" or isinstance(dtype, pd.DatetimeTZDtype):
            typed[str(name)] = "moment"
        columns[str(name)] = _spell_column(column, typed.get(str(name)))
    cells = pd.DataFrame(columns, dtype=object)
    return Sample(cells, lines, rows, rows == len(cells), typed)


def _read_typed(
    kind: str, path: Path, limits: Limits, hints: dict[str, Any]
) -> tuple[pd.DataFrame, int, np.ndarray[Any, np.dtype[np.int64]]]:
    if kind == "parquet":
        from pynomaly.data.sources import parquet

        with parquet.open_dataset(str(path), limits) as dataset:
            total = dataset.count_rows()
            if not total:
                raise SourceError(f"{path} has no rows")
            if total <= MOST_ROWS:
                table, places = dataset.to_table(), np.arange(total)
            else:
                places = _place_rows(total)
                table = dataset.take(places)
            return table.to_pandas(ignore_metadata=True), total, places.astype(np.int64) + 1
    data = Data.model_validate(
        {"source": kind, "path": str(path), **{k: v for k, v in hints.items() if k in ("encoding",)}}
    )
    frame = SOURCES[kind].read_rows(data, str(path), None, None)
    places = np.arange(len(frame)) if len(frame) <= MOST_ROWS else _place_rows(len(frame))
    return frame.iloc[places].reset_index(drop=True), len(frame), places.astype(np.int64) + 1


def _place_rows(total: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    runs, length = 16, (MOST_ROWS - 2 * EDGE) // 16
    starts = np.linspace(EDGE, total - EDGE - length, runs).astype(np.int64)
    parts = [np.arange(EDGE), *(np.arange(s, s + length) for s in starts), np.arange(total - EDGE, total)]
    return np.unique(np.concatenate(parts))


def _spell_column(column: pd.Series[Any], kind: str | None) -> list[str]:
    spell: Callable[[object], str] = spell_cell
    if kind == "moment":
        spell = _spell_moment
    cells = column.astype(object)
    return ["" if gap else spell(cell) for cell, gap in zip(cells, column.isna(), strict=True)]


def _spell_moment(cell: object) -> str:
    return cell.isoformat(" ") if isinstance(cell, pd.Timestamp) else str(cell)
