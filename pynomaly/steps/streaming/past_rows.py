"""Keeps the rows of a file as past windows of a stream, so that a first model can be trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.config import Pipeline, Series
from pynomaly.data.sources import trace_rows
from pynomaly.data.streams.columns import StreamColumns
from pynomaly.data.streams.kept_rows import KeptPart, KeptRows
from pynomaly.data.streams.window_keys import name_windows
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, DataError

__all__ = ["ImportedRows", "import_rows"]


@dataclass(frozen=True)
class ImportedRows:
    """What was kept of a file.

    Attributes
    ----------
    rows, windows : int
    left_out : int
        Rows without a time that can be read.
    present : tuple of str
        Windows that had rows already; those of the file are left out.
    """

    rows: int
    windows: int
    left_out: int
    present: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def import_rows(pipeline: Pipeline, file: Path) -> ImportedRows:
    """Read `file` by the settings of the pipeline, and keep its rows by window; nothing is scored.

    Raises
    ------
    ConfigError
        If the pipeline reads no stream.
    DataError
        If the file cannot be read, or a column of it holds another kind than the stream's.
    """
    data = pipeline.data
    if data.source != "stream":
        raise ConfigError(
            f"{pipeline.name} has data.source {data.source!r}; --import is for data.source: stream"
        )
    plain = data.model_copy(update={"series": Series(), "counters": ()})
    frame = trace_rows(plain, path=str(file)).frame
    time = str(data.time)
    has_time = frame[time].notna().to_numpy()
    frame = frame[has_time].reset_index(drop=True)
    kept = KeptRows(data)
    columns = kept.settle_columns(StreamColumns.of_frame(frame, data))
    frame = _shape(frame, pipeline, columns)
    keys = name_windows(frame[time], pipeline.windows.score)
    present, rows, windows = [], 0, 0
    for key in dict.fromkeys(keys.tolist()):
        window = Window.of_key(key)
        assert window is not None, "it is the key of a window"
        if kept.list_parts(window):
            present.append(key)
            continue
        own = frame[keys == key]
        kept.write_part(window, KeptPart(own, np.zeros(len(own), dtype=np.int64)))
        rows, windows = rows + len(own), windows + 1
    return ImportedRows(rows, windows, int((~has_time).sum()), tuple(present))


def _shape(frame: pd.DataFrame, pipeline: Pipeline, columns: StreamColumns) -> pd.DataFrame:
    """Return the rows with the columns of the stream, each of its kind."""
    data = pipeline.data
    own = [str(data.time), *filter(None, (data.id, data.label))]
    shaped = frame[[name for name in own if name in frame]].copy()
    if data.id:
        shaped[data.id] = frame[data.id].astype("str")
    for name, kind in columns.kinds.items():
        if name not in frame:
            shaped[name] = np.nan if kind == "number" else pd.Series(None, index=frame.index, dtype="str")
        elif kind == "text":
            shaped[name] = frame[name].astype("str")
        elif pd.api.types.is_numeric_dtype(frame[name].dtype):
            shaped[name] = frame[name].astype("float64")
        else:
            raise DataError(f"column {name!r} holds text, and numbers in the rows that the stream keeps")
    return shaped
