"""The rows of one entry of the log of a stream, with their scores, as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.frame import PAST
from pynomaly.data.streams.columns import RESERVED
from pynomaly.errors import IntegrityError
from pynomaly.model.bundle import SCORE_COLUMNS
from pynomaly.records.ledger import StreamEntry

__all__ = ["EntryRows", "build_entry", "pack_rows", "unpack_rows", "unscored_rows"]

_VERSION, _KEPT, _CARRIERS = f"{RESERVED}version", f"{RESERVED}kept", f"{RESERVED}carriers"


@dataclass(frozen=True, eq=False)
class EntryRows:
    """Rows of one window.

    Attributes
    ----------
    frame : DataFrame of shape (n, d)
        Columns of the stream.
    scored : DataFrame of shape (n, 6)
        :data:`~pynomaly.model.bundle.SCORE_COLUMNS`; missing where `versions` is 0.
    versions : int array of shape (n,)
        Version that scored each row; 0 where none did.
    kept : bool array of shape (n,)
        False for a row that an earlier entry or a file holds, and whose score came now.
    carriers : object array of shape (n,)
        JSON of the columns that carry an alert; "" where there is none, or they were not asked for.
    """

    frame: pd.DataFrame
    scored: pd.DataFrame
    versions: NDArray[np.int64]
    kept: NDArray[np.bool_]
    carriers: NDArray[np.object_]

    def take(self, places: NDArray[np.bool_] | NDArray[np.int64]) -> EntryRows:
        """Return the rows that a mask or positions select."""
        if places.dtype == bool and places.all():
            return self
        return EntryRows(
            self.frame[places] if places.dtype == bool else self.frame.iloc[places],
            self.scored[places] if places.dtype == bool else self.scored.iloc[places],
            self.versions[places],
            self.kept[places],
            self.carriers[places],
        )

    @property
    def alerted(self) -> NDArray[np.bool_]:
        """Which rows alert."""
        if not len(self.frame):
            return np.empty(0, dtype=bool)
        flags = self.scored["is_anomaly"].to_numpy(dtype=object)
        return np.asarray(flags == True, dtype=bool)  # noqa: E712 - a missing flag is none


def pack_rows(rows: EntryRows) -> bytes:
    """Return the rows as a stream of Arrow."""
    import pyarrow as pa

    frame = rows.frame.drop(columns=PAST) if PAST in rows.frame else rows.frame
    own = {f"{RESERVED}{name}": rows.scored[name].to_numpy() for name in SCORE_COLUMNS}
    own |= {_VERSION: rows.versions, _KEPT: rows.kept, _CARRIERS: rows.carriers}
    whole = pd.concat(
        [frame.reset_index(drop=True), pd.DataFrame(own, index=pd.RangeIndex(len(frame)))], axis=1
    )
    table = pa.Table.from_pandas(whole, preserve_index=False).replace_schema_metadata(None)
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def unpack_rows(contents: Sequence[bytes], *, alerting: bool = False) -> EntryRows:
    """Return the rows of entries, one after the other; at least one of them has rows.

    With `alerting`, only those that alert.

    Raises
    ------
    IntegrityError
        If an entry holds something else.
    """
    import pyarrow as pa

    try:
        tables = [pa.ipc.open_stream(content).read_all() for content in contents if content]
        table = pa.concat_tables(tables, promote_options="permissive")
        if alerting:
            table = table.filter(table[f"{RESERVED}is_anomaly"].cast(pa.bool_()))
        whole = table.to_pandas(ignore_metadata=True)
        scored = whole[[f"{RESERVED}{name}" for name in SCORE_COLUMNS]]
    except (pa.ArrowException, KeyError) as error:
        raise IntegrityError(f"an entry of the stream's log holds no rows: {error}") from error
    frame = whole[[name for name in whole if not str(name).startswith(RESERVED)]]
    return EntryRows(
        frame,
        scored.set_axis(list(SCORE_COLUMNS), axis=1),
        whole[_VERSION].to_numpy(dtype=np.int64),
        whole[_KEPT].to_numpy(dtype=bool),
        whole[_CARRIERS].to_numpy(dtype=object),
    )


def unscored_rows(frame: pd.DataFrame) -> EntryRows:
    """Return entry rows for rows that nobody scores: none, or before there are columns."""
    zeros, scored = (
        np.zeros(len(frame), dtype=np.int64),
        pd.DataFrame(index=frame.index, columns=SCORE_COLUMNS),
    )
    return EntryRows(
        frame, scored, zeros, np.ones(len(frame), dtype=bool), np.full(len(frame), "", dtype=object)
    )


def build_entry(window: str, rows: EntryRows) -> StreamEntry:
    """Return rows of one window as an entry of the log."""
    return StreamEntry(window, int(rows.kept.sum()), int(rows.alerted.sum()), pack_rows(rows))
