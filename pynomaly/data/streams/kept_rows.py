"""The rows of a stream as files that ``data.source: stream`` reads: parts of windows, each written whole.

A part says which entries of the stream's log it holds, so that writing again after a crash adds no row twice,
and which version scored each row when it came.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data
from pynomaly.data.places import resolve_place
from pynomaly.data.sources.described import drop_cell_settings
from pynomaly.data.sources.stream import list_kept_windows, name_window
from pynomaly.data.streams.columns import StreamColumns
from pynomaly.data.window import Window
from pynomaly.errors import SourceError

__all__ = ["KeptPart", "KeptRows"]

_COLUMNS_FILE = "_columns.json"
_FACTS = b"pynomaly"
_GROUP_ROWS = 131_072


@dataclass(frozen=True, eq=False)
class KeptPart:
    """Rows of one window.

    Attributes
    ----------
    frame : DataFrame of shape (n, d)
        In the order in which they came.
    versions : int array of shape (n,)
        Version that scored each row when it came; 0 where none did.
    entries : tuple of int
        Numbers of the entries of the stream's log that they came from.
    """

    frame: pd.DataFrame
    versions: NDArray[np.int64]
    entries: tuple[int, ...] = ()


class KeptRows:
    """The files under ``data.path``; nothing is created before the first write.

    Parameters
    ----------
    log : str
        Names the log that entries are numbered in: files that another one filled are left as they are.
    """

    def __init__(self, data: Data, log: str = "") -> None:
        self._data, self._log = data, log
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
        kept = self.read_window(windows[-1]) if windows else None
        return None if kept is None else StreamColumns.of_frame(kept.frame, drop_cell_settings(self._data))

    def settle_columns(self, columns: StreamColumns) -> StreamColumns:
        """Keep the columns, and return them; or those that another worker kept a moment before.

        Raises
        ------
        SourceError
            If the folder or the bucket refuses.
        """
        place = self._root / _COLUMNS_FILE
        text = json.dumps(dict(columns.kinds), indent=1, ensure_ascii=False)
        try:
            place.write(text.encode(), new=True)
        except FileExistsError:
            return self.read_columns() or columns
        except OSError as error:
            raise SourceError(f"cannot write {place}: {error.strerror or error}") from error
        return columns

    def list_parts(self, window: Window) -> tuple[str, ...]:
        """Return the names of the parts of a window, in the order in which their rows came."""
        names = self._root.list_names(window.key)
        return tuple(name for name in names if name_window(name) == window.key)

    def read_window(self, window: Window) -> KeptPart | None:
        """Return all rows of a window; None if no part of it is written yet.

        Raises
        ------
        SourceError
            If a file is damaged.
        """
        parts = [self._read_part(name) for name in self.list_parts(window)]
        if not parts:
            return None
        return KeptPart(
            pd.concat([part.frame for part in parts], ignore_index=True)
            if len(parts) > 1
            else parts[0].frame,
            np.concatenate([part.versions for part in parts]),
            tuple(number for part in parts for number in part.entries),
        )

    def read_entries(self, window: Window) -> frozenset[int]:
        """Return the entries of this log that the newest part of a window holds."""
        names = [name for name in self._root.list_names(self._name_part(window)) if name_window(name)]
        return frozenset(self._read_part(names[-1]).entries) if names else frozenset()

    def _read_part(self, name: str, columns: list[str] | None = None) -> KeptPart:
        import pyarrow as pa
        import pyarrow.parquet as pq

        place = self._root / name
        try:
            table = pq.read_table(io.BytesIO(place.read()), columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{place} cannot be read: {' '.join(str(error).split())}") from error
        facts = json.loads((table.schema.metadata or {}).get(_FACTS, b"{}"))
        lengths, versions = facts.get("rows", [table.num_rows]), facts.get("versions", [0])
        entries = (number for first, last in facts.get("entries", []) for number in range(first, last + 1))
        frame = table.to_pandas(ignore_metadata=True)
        return KeptPart(frame, np.repeat(np.array(versions, dtype=np.int64), lengths), tuple(entries))

    def write_part(self, window: Window, part: KeptPart) -> None:
        """Write rows as one more part of a window; writing the same entries again replaces it.

        Raises
        ------
        SourceError
            If the folder or the bucket refuses.
        """
        self._write_part(f"{self._name_part(window)}{min(part.entries, default=0):012d}.parquet", part)

    def _name_part(self, window: Window) -> str:
        return f"{window.key}.{self._log}{'-' if self._log else ''}"

    def _write_part(self, name: str, part: KeptPart) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        lengths, versions = _count_runs(part.versions)
        facts = {"rows": lengths, "versions": versions, "entries": _list_spans(part.entries)}
        table = pa.Table.from_pandas(part.frame, preserve_index=False)
        table = table.replace_schema_metadata({_FACTS: json.dumps(facts).encode()})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", version="2.6", row_group_size=_GROUP_ROWS)
        self._write(name, sink.getvalue().to_pybytes())

    def add_versions(self, window: Window, rows: pd.DataFrame, versions: NDArray[np.int64]) -> None:
        """Say of kept rows that waited for later ones which version scored them then.

        Parameters
        ----------
        rows : DataFrame of shape (n, >= d)
            With time and entity.
        versions : int array of shape (n,)

        Raises
        ------
        SourceError
            If a file is damaged, or the folder or the bucket refuses.
        """
        keys = [str(self._data.time), *filter(None, (self._data.id,))]
        later = rows[keys].assign(version=versions).drop_duplicates(keys)
        for name in self.list_parts(window):
            part = self._read_part(name)
            matched = part.frame[keys].merge(later, on=keys, how="left")["version"].fillna(0)
            added = np.where(part.versions > 0, 0, matched.to_numpy(np.int64))
            if added.any():
                self._write_part(name, KeptPart(part.frame, part.versions + added, part.entries))

    def drop_doubles(self, window: Window) -> int:
        """Leave of the rows of one entity and time the first that came; return how many went.

        Costs the times and entities of the window, or nothing where it has one part, which holds none twice.
        Without a column of entities nothing is a double.

        Raises
        ------
        SourceError
            If a file is damaged, or the folder or the bucket refuses.
        """
        names = self.list_parts(window) if self._data.id else ()
        keys = [str(self._data.time), str(self._data.id)]
        if len(names) < 2:
            return 0
        parts = [self._read_part(name, keys).frame.assign(part=name) for name in names]
        table = pd.concat(parts, ignore_index=True)
        table["double"] = table.duplicated(keys)
        for name in table.loc[table["double"], "part"].unique():
            part, first = self._read_part(name), ~table.loc[table["part"] == name, "double"].to_numpy()
            self._write_part(name, KeptPart(part.frame[first], part.versions[first], part.entries))
        return int(table["double"].sum())

    def _write(self, name: str, content: bytes) -> None:
        place = self._root / name
        try:
            place.write(content)
        except OSError as error:
            raise SourceError(f"cannot write {place}: {error.strerror or error}") from error


def _count_runs(versions: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Return the lengths of the runs of equal versions, and the version of each."""
    starts = np.flatnonzero(np.diff(versions, prepend=versions[:1] - 1))
    return np.diff(np.append(starts, len(versions))).tolist(), versions[starts].tolist()


def _list_spans(numbers: tuple[int, ...]) -> list[list[int]]:
    """Return first and last of each span of consecutive numbers."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return spans
