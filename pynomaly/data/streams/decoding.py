"""Messages to rows, by the settings that a file would be read by; what cannot be a row is named.

Called by :mod:`pynomaly.steps.streaming`. One message that cannot be read stops no other: it becomes a dead
letter with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data, Stream
from pynomaly.data.bad_rows import show_value
from pynomaly.data.brokers.messages import Message
from pynomaly.data.frame import read_categories, read_numbers
from pynomaly.data.shape.cells import read_cells
from pynomaly.data.shape.labels import parse_labels
from pynomaly.data.shape.moments import list_time_sources, place_moments
from pynomaly.data.sources.text.cells import build_frame
from pynomaly.data.streams.columns import StreamColumns
from pynomaly.data.streams.records import make_record_reader
from pynomaly.errors import DataError, PynomalyError

__all__ = ["DeadLetter", "DecodedRows", "MessageDecoder"]

_LONGEST_ENTITY = 1000
_NUMBER_TYPES = frozenset({int, float, type(None)})
_TEXT_TYPES = frozenset({str, type(None)})


@dataclass(frozen=True)
class DeadLetter:
    """A message, or a row of it, that cannot be used.

    Attributes
    ----------
    rule : str
        What it breaks, in one word.
    reason : str
    """

    message: Message
    rule: str
    reason: str


@dataclass(frozen=True, eq=False)
class DecodedRows:
    """Rows of messages in the order of their arrival.

    Attributes
    ----------
    frame : DataFrame of shape (n, d)
        Time, entity, label (where declared) and the columns of the stream.
    owners : int array of shape (n,)
        Position of the message of each row.
    letters : list of DeadLetter
    left_out : Counter
        How often a key came that is no column of the stream.
    """

    frame: pd.DataFrame
    owners: NDArray[np.int64]
    letters: list[DeadLetter]
    left_out: Counter[str] = field(default_factory=Counter)


class MessageDecoder:
    """Decodes the messages of one stream.

    Parameters
    ----------
    columns : StreamColumns, optional
        Columns of the rows; those of the first records that are decoded, if not given.

    Raises
    ------
    ConfigError
        If the schema of the format cannot be read.
    """

    def __init__(self, stream: Stream, data: Data, columns: StreamColumns | None = None) -> None:
        self.columns = columns
        self._data, self._most = data, stream.max_message_kib << 10
        self._read = make_record_reader(stream, data)
        self._times = list_time_sources(data)
        self._roles = [*self._times, *filter(None, (data.id, data.label))]

    def decode(self, messages: Sequence[Message]) -> DecodedRows:
        """Return the rows of messages, and those that cannot be used; nothing is raised for a message."""
        letters: list[DeadLetter] = []
        records: list[dict[str, Any]] = []
        owners: list[int] = []
        for place, message in enumerate(messages):
            try:
                rows = self._read_records(message)
            except DataError as error:
                letters.append(DeadLetter(message, "unreadable", str(error)))
                continue
            records += rows
            owners += [place] * len(rows)
        return self._build(messages, records, np.array(owners, dtype=np.int64), letters)

    def _read_records(self, message: Message) -> list[dict[str, Any]]:
        size = len(message.body)
        if size > self._most:
            raise DataError(
                f"the message has {size:,} bytes; at most {self._most:,} are read (stream.max_message_kib)"
            )
        return self._read(message.body)

    def _build(
        self,
        messages: Sequence[Message],
        records: list[dict[str, Any]],
        owners: NDArray[np.int64],
        letters: list[DeadLetter],
    ) -> DecodedRows:
        if not records:
            return DecodedRows(pd.DataFrame(), owners, letters)
        reasons: dict[int, tuple[str, str]] = {}
        frame = self._build_keys(records, reasons)
        rows = [record for place, record in enumerate(records) if place not in reasons]
        if self.columns is None and rows:
            self.columns = StreamColumns.of_records(rows, self._data)
        columns = self.columns or StreamColumns({})
        cells = {name: [record.get(name) for record in records] for name in columns.kinds}
        parts = {str(name): frame[name] for name in frame} | self._build_columns(cells, columns, reasons)
        frame = pd.DataFrame(parts, index=frame.index)
        known = {*columns.kinds, *self._roles}
        left_out: Counter[str] = Counter()
        if strangers := set().union(*records) - known:
            left_out.update(name for record in records for name in record if name in strangers)
        for row, (rule, reason) in sorted(reasons.items()):
            letters.append(DeadLetter(messages[owners[row]], rule, reason))
        kept = np.ones(len(records), dtype=bool)
        kept[list(reasons)] = False
        if not kept.all():
            frame, owners = frame[kept].reset_index(drop=True), owners[kept]
        return DecodedRows(frame, owners, letters, left_out)

    def _build_keys(self, records: list[dict[str, Any]], reasons: dict[int, tuple[str, str]]) -> pd.DataFrame:
        """Return time, entity and label of the records; adds why those that lack one cannot be used."""
        data = self._data
        cells = {name: [record.get(name) for record in records] for name in self._roles}
        for name in [*self._times, *([data.id] if data.id else [])]:
            if None not in cells[name]:
                continue
            for row, record in enumerate(records):
                if record.get(name) is None:
                    keys = ", ".join(map(repr, list(record)[:5])) or "none"
                    reasons.setdefault(row, ("no_key", f"no value for {name!r}; its keys are {keys}"))
        frame = pd.DataFrame(index=pd.RangeIndex(len(records)))
        frame[str(data.time)] = self._read_each(
            lambda part: place_moments(_take(cells, self._times, part, data), data)[data.time],
            len(records),
            reasons,
            ("bad_time", pd.Series([pd.NaT], dtype="datetime64[us, UTC]")),
        )
        for row in np.flatnonzero(frame[str(data.time)].isna()).tolist():
            value = " ".join(show_value(cells[name][row]) for name in self._times)
            reasons.setdefault(row, ("bad_time", f"{data.time!r} holds {value}, which is no time"))
        if data.id:
            frame[data.id] = build_frame({data.id: cells[data.id]}, data)[data.id].astype("str")
            for row, entity in enumerate(frame[data.id].tolist()):
                if isinstance(entity, str) and (len(entity) > _LONGEST_ENTITY or "\0" in entity):
                    reason = f"{data.id!r} holds {show_value(entity)}, which is no name: more than "
                    reason += f"{_LONGEST_ENTITY} characters, or one that is none"
                    reasons.setdefault(row, ("bad_id", reason))
        if data.label:
            frame[data.label] = self._read_each(
                lambda part: parse_labels(_take(cells, [str(data.label)], part, data)[data.label], data),
                len(records),
                reasons,
                ("bad_label", pd.Series([np.nan])),
            )
        return frame

    def _read_each(
        self,
        read: Callable[[slice], pd.Series[Any]],
        rows: int,
        reasons: dict[int, tuple[str, str]],
        otherwise: tuple[str, pd.Series[Any]],
    ) -> pd.Series[Any]:
        """Return what `read` makes of the rows; those that it refuses are found by halves, and named."""
        parts: list[pd.Series[Any]] = []
        waiting = [slice(0, rows)]
        while waiting:
            part = waiting.pop()
            try:
                parts.append(read(part))
            except PynomalyError as error:
                if part.stop - part.start == 1:
                    reasons.setdefault(part.start, (otherwise[0], str(error)))
                    parts.append(otherwise[1])
                    continue
                middle = (part.start + part.stop) // 2
                waiting += [slice(middle, part.stop), slice(part.start, middle)]
        return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)

    def _build_columns(
        self, cells: dict[str, list[Any]], columns: StreamColumns, reasons: dict[int, tuple[str, str]]
    ) -> dict[str, pd.Series[Any] | NDArray[Any]]:
        built: dict[str, pd.Series[Any] | NDArray[Any]] = {}
        for name in columns.kinds:
            types = set(map(type, cells[name]))
            if columns.kinds[name] == "number" and types <= _NUMBER_TYPES and not self._has_marks(name):
                built[name] = np.array(cells[name], dtype=np.float64)
            elif columns.kinds[name] == "text" and types <= _TEXT_TYPES and not self._has_marks(name):
                built[name] = pd.Series(cells[name], dtype="str").replace("", None)
            else:
                built[name] = self._read_column(name, cells[name], columns.kinds[name], reasons)
        return built

    def _has_marks(self, name: str) -> bool:
        data = self._data
        return bool(data.missing_values) or name in (*data.missing_in, *data.numbers, *data.magnitudes)

    def _read_column(
        self, name: str, cells: list[Any], kind: str, reasons: dict[int, tuple[str, str]]
    ) -> pd.Series[Any]:
        """Return a column of cells of any type, read as a file's would be."""
        column = read_cells(build_frame({name: cells}, self._data), self._data)[name]
        if kind == "text":
            return read_categories(column).astype("str")
        numbers, bad = read_numbers(column)
        for row in np.flatnonzero(bad).tolist():
            reason = f"{name!r} holds {show_value(cells[row])}, which is no number"
            reasons.setdefault(row, ("not_a_number", reason))
        return numbers


def _take(cells: dict[str, list[Any]], names: Sequence[str], part: slice, data: Data) -> pd.DataFrame:
    return build_frame({name: cells[name][part] for name in names}, data)
