"""One worker of a stream: messages in, rows with scores and dead letters recorded, alerts out.

A batch of messages is decoded, checked, scored and recorded in one transaction of the ledger; only then is it
acknowledged. So a worker may be killed at any instant: what is not recorded comes again, and what comes again
is known by its position, or by its entity and time. Its memory is the newest rows of each entity, which it
reads back when it starts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Pipeline
from pynomaly.data.brokers.messages import Message
from pynomaly.data.sources import read_source
from pynomaly.data.streams.decoding import DeadLetter, DecodedRows, MessageDecoder
from pynomaly.data.streams.history import EntityHistory
from pynomaly.data.streams.kept_rows import KeptRows
from pynomaly.data.streams.window_keys import name_windows
from pynomaly.data.window import Window
from pynomaly.errors import PynomalyError, SourceError, WindowError
from pynomaly.records.ledger import Ledger, StreamMovedError, StreamPosition
from pynomaly.records.registry.live_champion import LiveChampion
from pynomaly.steps.streaming.arrival_times import refuse_times
from pynomaly.steps.streaming.dead_letters import build_letters
from pynomaly.steps.streaming.entry_rows import EntryRows, build_entry, unpack_rows, unscored_rows
from pynomaly.steps.streaming.live_scorer import AlertingRows, score_live_rows
from pynomaly.steps.streaming.recent_keys import RecentKeys

__all__ = ["BatchOutcome", "StreamWorker"]

_TRIES = 5


@dataclass(frozen=True, eq=False)
class BatchOutcome:
    """What became of a batch of messages.

    Attributes
    ----------
    messages, rows, again, late, letters : int
        Messages; new rows; rows that came before and are left out; rows of closed windows; dead letters.
    scored : EntryRows or None
        Rows that were scored in this batch, in the order in which they came.
    alerting : AlertingRows or None
        Those of them that alert, with what they look back on.
    problem : str
        Why rows were not scored; "" if they were.
    waits : float array of shape (k,)
        Seconds from when each message was sent until its rows were recorded; of new messages whose time the
        broker tells.
    """

    messages: int
    rows: int = 0
    again: int = 0
    late: int = 0
    letters: int = 0
    scored: EntryRows | None = None
    alerting: AlertingRows | None = None
    problem: str = ""
    left_out: Counter[str] = field(default_factory=Counter)
    waits: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


class StreamWorker:
    """Processes batches of messages of one pipeline; one batch at a time.

    Parameters
    ----------
    pipeline : Pipeline
        With ``data.source: stream``.
    ledger : Ledger
        Open as long as the worker.
    champion : LiveChampion
        Followed by the caller.
    name : str
        Names the worker where the broker counts no positions.
    ordered : bool
        Whether one worker alone reads a part, in order (:class:`pynomaly.data.brokers.Consumer`); else a
        message that comes again is known by the entity and the time of its rows alone.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        ledger: Ledger,
        champion: LiveChampion,
        name: str = "",
        *,
        ordered: bool = True,
    ) -> None:
        self.pipeline, self.champion = pipeline, champion
        self._ledger, self._data, self._name, self._ordered = ledger, pipeline.data, name, ordered
        self._kept = KeptRows(pipeline.data)
        self._tags = 0
        self._restore()

    def process(self, messages: Sequence[Message]) -> BatchOutcome:
        """Decode, check, score and record messages; when this returns, they may be acknowledged.

        Raises
        ------
        RecordError
            If the ledger fails; nothing of the batch is recorded, and it may be given again.
        SourceError
            If the columns of the stream cannot be kept.
        """
        for attempt in range(_TRIES):
            try:
                return self._process(messages)
            except StreamMovedError:
                if attempt == _TRIES - 1:
                    raise
                self._restore()
            except BaseException:
                self._is_stale = True  # rows are remembered that nobody recorded
                raise
        raise AssertionError("the last try returns or raises")

    def process_each(self, messages: Sequence[Message]) -> list[BatchOutcome]:
        """Process messages as one batch; if one breaks what reads it, as several, and that one is refused.

        Raises
        ------
        PynomalyError, OSError, MemoryError
            As :meth:`process`; what came before in the batch may be recorded, and is known when it comes
            again.
        """
        try:
            return [self.process(messages)]
        except (PynomalyError, OSError, MemoryError):
            raise
        except Exception as error:  # of a library, about a message that nobody thought of
            if len(messages) > 1:
                middle = len(messages) // 2
                return [*self.process_each(messages[:middle]), *self.process_each(messages[middle:])]
            return [self._refuse(messages[0], f"{type(error).__name__}: {error}")]

    def _refuse(self, message: Message, reason: str) -> BatchOutcome:
        """Record a message as a dead letter."""
        self._restore()
        positions = self._find_positions([message], pd.DataFrame(), np.empty(0, dtype=np.int64))
        before = {item.part: self._find_offset(item.part) for item in positions}
        letters = build_letters(self.pipeline.name, [DeadLetter(message, "unusable", reason)])
        self._ledger.stream.record_batch(self.pipeline.name, [], letters, positions, before)
        self._positions |= {item.part: item for item in positions}
        return BatchOutcome(1, letters=1)

    def _restore(self) -> None:
        """Read back positions, columns, and the newest rows of each entity."""
        self._is_stale = False
        self._positions = self._ledger.stream.read_positions(self.pipeline.name)
        self._decoder = MessageDecoder(self.pipeline.stream, self._data, self._kept.read_columns())
        self._history: EntityHistory | None = None
        self._keys = RecentKeys(self._data)
        if self._decoder.columns is None:
            return
        self._history = EntityHistory(self._data, self._decoder.columns)
        for rows in self._read_recent_rows():
            self._history.remember(rows)
            self._keys.remember(rows)

    def _read_recent_rows(self) -> Iterator[pd.DataFrame]:
        """Yield the rows that the next ones look back on: of files, and of windows that are open."""
        newest = max(filter(None, (item.newest for item in self._positions.values())), default=None)
        if newest is not None and self._data.lookback:
            recent = Window(newest - self._data.lookback, newest + timedelta(microseconds=1))
            with suppress(SourceError, WindowError):  # no window was closed yet, or none so late
                yield read_source(self._data.drop_lookback(), recent)
        for item in self._ledger.stream.list_open_windows(self.pipeline.name):
            after = 0
            while entries := self._ledger.stream.read_entries(self.pipeline.name, item.window, after):
                if with_rows := [entry.content for entry in entries if entry.rows]:
                    rows = unpack_rows(with_rows)
                    yield rows.frame[rows.kept]
                after = entries[-1].seq

    def _process(self, messages: Sequence[Message]) -> BatchOutcome:
        if self._is_stale:
            self._restore()
        fresh = [message for message in messages if self._is_new(message)]
        decoded = self._decode(fresh)
        letters = list(decoded.letters)
        frame, owners = self._refuse_times(decoded, fresh, letters)
        is_new = self._keys.find_new(frame)
        again = int((~is_new).sum())
        if again:
            frame, owners = frame[is_new].reset_index(drop=True), owners[is_new]
        entry, alerting, problem = self._score(frame, owners, fresh, letters)
        times = (
            entry.frame[str(self._data.time)] if len(entry.frame) else pd.Series(dtype="datetime64[us, UTC]")
        )
        windows = name_windows(times, self.pipeline.windows.score)
        entries = [
            build_entry(window, entry.take(windows == window)) for window in dict.fromkeys(windows.tolist())
        ]
        positions = self._find_positions(fresh, frame, owners)
        before = {item.part: self._find_offset(item.part) for item in positions}
        late = self._count_late(windows[entry.kept])
        self._ledger.stream.record_batch(
            self.pipeline.name, entries, build_letters(self.pipeline.name, letters), positions, before
        )
        self._positions |= {item.part: item for item in positions}
        self._keys.remember_new()
        scored = entry.take(entry.versions > 0)
        return BatchOutcome(
            len(messages),
            len(frame),
            again,
            late,
            len(letters),
            scored,
            alerting,
            problem,
            decoded.left_out,
            _measure_waits(fresh),
        )

    def _is_new(self, message: Message) -> bool:
        offset = self._find_offset(message.part)
        return not self._ordered or message.offset is None or offset is None or message.offset > offset

    def _find_offset(self, part: str) -> int | None:
        position = self._positions.get(part)
        return None if position is None else position.offset

    def _decode(self, messages: Sequence[Message]) -> DecodedRows:
        is_first = self._decoder.columns is None
        decoded = self._decoder.decode(messages)
        if is_first and self._decoder.columns is not None:
            served = self.champion.served
            columns = self._decoder.columns.join_features(
                served.bundle.contract if served else None, self._data
            )
            settled = self._kept.settle_columns(columns)
            if settled != self._decoder.columns:
                self._decoder = MessageDecoder(self.pipeline.stream, self._data, settled)
                decoded = self._decoder.decode(messages)
            self._history = EntityHistory(self._data, settled)
        return decoded

    def _refuse_times(
        self, decoded: DecodedRows, messages: Sequence[Message], letters: list[DeadLetter]
    ) -> tuple[pd.DataFrame, NDArray[np.int64]]:
        """Return the rows of times that can be; adds a dead letter for each other."""
        frame, owners = decoded.frame, decoded.owners
        if not len(frame):
            return frame, owners
        newest = {name: item.newest for name, item in self._positions.items() if item.newest is not None}
        named = [(self._name_part(message), message.sent) for message in messages]
        sources = [named[owner] for owner in owners.tolist()]
        times = frame[str(self._data.time)]
        refused = refuse_times(self.pipeline.stream, times, sources, newest, datetime.now(UTC))
        letters += [DeadLetter(messages[owners[row]], *why) for row, why in refused.items()]
        if not refused:
            return frame, owners
        kept = np.ones(len(frame), dtype=bool)
        kept[list(refused)] = False
        return frame[kept].reset_index(drop=True), owners[kept]

    def _name_part(self, message: Message) -> str:
        return message.part or f"worker {self._name}"

    def _score(
        self,
        frame: pd.DataFrame,
        owners: NDArray[np.int64],
        messages: Sequence[Message],
        letters: list[DeadLetter],
    ) -> tuple[EntryRows, AlertingRows | None, str]:
        """Return the new rows, and those that waited, with their scores; and which of them alert."""
        first = self._tags
        tags = np.arange(first, first + len(frame))
        self._tags += len(frame)
        if self._history is None or not len(frame):
            return unscored_rows(frame), None, ""
        ready = self._history.take(frame, tags)
        live = score_live_rows(self.pipeline, self.champion, ready.frame)
        for row, (rule, reason) in live.refused.items():
            if ready.tags[row] >= first:
                letters.append(DeadLetter(messages[owners[ready.tags[row] - first]], rule, reason))
        is_own = ready.tags >= first
        waited = ~is_own & (live.versions > 0)
        places = ready.tags[is_own] - first
        scored = live.scored[is_own].set_axis(places).reindex(np.arange(len(frame)))
        versions = np.zeros(len(frame), dtype=np.int64)
        versions[places] = live.versions[is_own]
        names = list(frame.columns)
        entry = EntryRows(
            pd.concat([frame, ready.frame.loc[waited, names]], ignore_index=True) if waited.any() else frame,
            pd.concat([scored, live.scored[waited]], ignore_index=True) if waited.any() else scored,
            np.concatenate([versions, live.versions[waited]]),
            np.concatenate([np.ones(len(frame), dtype=bool), np.zeros(int(waited.sum()), dtype=bool)]),
            np.full(len(frame) + int(waited.sum()), "", dtype=object),
        )
        return entry, live.find_alerting(ready.frame), live.problem

    def _find_positions(
        self, messages: Sequence[Message], frame: pd.DataFrame, owners: NDArray[np.int64]
    ) -> list[StreamPosition]:
        """Return how far the stream is read after these messages; by worker where nothing counts them."""
        if not messages:
            return []
        names = [self._name_part(message) for message in messages]
        codes, parts = pd.factorize(np.array(names, dtype=object))
        newest: dict[int, datetime] = {}
        if len(frame):
            latest = frame[str(self._data.time)].groupby(codes[owners]).max()
            newest = dict(zip(latest.index.tolist(), latest.dt.to_pydatetime(), strict=True))
        offsets: dict[int, int] = {}
        if self._ordered:
            for code, message in zip(codes.tolist(), messages, strict=True):
                if message.offset is not None:
                    offsets[code] = max(message.offset, offsets.get(code, message.offset))
        positions = []
        for code, part in enumerate(parts.tolist()):
            before = self._positions.get(part, StreamPosition(part))
            moments = [each for each in (before.newest, newest.get(code)) if each is not None]
            at = max(moments, default=None)
            positions.append(StreamPosition(part, offsets.get(code, before.offset), at, datetime.now(UTC)))
        return positions

    def _count_late(self, windows: NDArray[np.object_]) -> int:
        """Return how many rows belong to windows that are scored already."""
        late = 0
        for key, count in Counter(windows.tolist()).items():
            if self._ledger.find_partition(self.pipeline.name, key) is not None:
                late += count
        return late


def _measure_waits(messages: Sequence[Message]) -> NDArray[np.float64]:
    now = datetime.now(UTC).timestamp()
    return np.array([now - message.sent.timestamp() for message in messages if message.sent is not None])
