"""The rows of closed windows, as files that ``data.source: stream`` reads.

A file is written whole or not at all. It says how far the log of the stream went when it was written, so that
closing a window again after a crash adds no row twice, and which version scored each row when it came.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data
from pynomaly.data.places import resolve_place
from pynomaly.data.sources.described import drop_cell_settings
from pynomaly.data.sources.stream import list_kept_windows
from pynomaly.data.streams.columns import StreamColumns
from pynomaly.data.window import Window
from pynomaly.errors import SourceError

__all__ = ["KeptRows", "KeptWindow"]

_COLUMNS_FILE = "_columns.json"
_FACTS = b"pynomaly"
_GROUP_ROWS = 131_072


@dataclass(frozen=True, eq=False)
class KeptWindow:
    """Rows of one window.

    Attributes
    ----------
    frame : DataFrame of shape (n, d)
        In the order in which they came.
    versions : int array of shape (n,)
        Version that scored each row when it came; 0 where none did.
    through : int
        Newest entry of the stream's log that is in it.
    """

    frame: pd.DataFrame
    versions: NDArray[np.int64]
    through: int = 0

    def add(self, frame: pd.DataFrame, versions: NDArray[np.int64], through: int) -> KeptWindow:
        """Return the rows with those that came later."""
        return KeptWindow(
            pd.concat([self.frame, frame], ignore_index=True),
            np.concatenate([self.versions, versions]),
            max(self.through, through),
        )


class KeptRows:
    """The files under ``data.path``; nothing is created before the first write."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._root = resolve_place(str(data.path))

    def read_columns(self) -> StreamColumns | None:
        """Return the columns that were settled, or those of the newest window; None before the first row.

        Raises
        ------
        SourceError
            If the file of columns cannot be read.
        """
        place = self._root / _COLUMNS_FILE
        try:
            return StreamColumns(dict(json.loads(place.read())))
        except FileNotFoundError:
            pass
        except (ValueError, TypeError) as error:
            raise SourceError(f"{place} names no columns: {error}") from error
        windows = list_kept_windows(str(self._data.path))
        kept = self.read(windows[-1]) if windows else None
        return None if kept is None else StreamColumns.of_frame(kept.frame, drop_cell_settings(self._data))

    def write_columns(self, columns: StreamColumns) -> None:
        """Settle the columns."""
        text = json.dumps(dict(columns.kinds), indent=1, ensure_ascii=False)
        self._write(_COLUMNS_FILE, text.encode())

    def read(self, window: Window) -> KeptWindow | None:
        """Return the rows of a closed window; None if it was not closed yet.

        Raises
        ------
        SourceError
            If its file is damaged.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        place = self._root / f"{window.key}.parquet"
        try:
            table = pq.read_table(io.BytesIO(place.read()))
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{place} cannot be read: {' '.join(str(error).split())}") from error
        facts = json.loads((table.schema.metadata or {}).get(_FACTS, b"{}"))
        lengths, versions = facts.get("rows", [table.num_rows]), facts.get("versions", [0])
        frame = table.to_pandas(ignore_metadata=True)
        return KeptWindow(frame, np.repeat(np.array(versions, dtype=np.int64), lengths), facts.get("through", 0))

    def write(self, window: Window, kept: KeptWindow) -> None:
        """Write the rows of a window in place of those before.

        Raises
        ------
        SourceError
            If the folder or the bucket refuses.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        starts = np.flatnonzero(np.diff(kept.versions, prepend=kept.versions[:1] - 1))
        lengths = np.diff(np.append(starts, len(kept.versions)))
        facts: dict[str, Any] = {
            "through": kept.through,
            "rows": lengths.tolist(),
            "versions": kept.versions[starts].tolist(),
        }
        table = pa.Table.from_pandas(kept.frame, preserve_index=False)
        table = table.replace_schema_metadata({_FACTS: json.dumps(facts).encode()})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", version="2.6", row_group_size=_GROUP_ROWS)
        self._write(f"{window.key}.parquet", sink.getvalue().to_pybytes())

    def _write(self, name: str, content: bytes) -> None:
        place = self._root / name
        try:
            place.write(content)
        except OSError as error:
            raise SourceError(f"cannot write {place}: {error.strerror or error}") from error
