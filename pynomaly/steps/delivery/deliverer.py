"""Deliver what is due to every sink of a pipeline; a sink that is down stops neither others nor a run.

Delivery is at least once: a part is marked after the receiver has it, and a process that dies in between
hands it over again, which changes nothing there. Called after every run, by reconcile, by ``pynomaly
deliver`` and, several times a second, by whoever scores live.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from types import TracebackType
from typing import Any

import pandas as pd

from pynomaly.config import Pipeline, Sink
from pynomaly.errors import (
    ConfigError,
    LeaseHeldError,
    PynomalyError,
    ReceiverError,
    RecordError,
    RefusedError,
)
from pynomaly.records.ledger import Channel, Deliveries, DeliveryState, Ledger
from pynomaly.records.ledger.transit.deliveries import DEAD_PREFIX
from pynomaly.records.sinks import SINKS, Part
from pynomaly.records.sinks.dead_letters import read_dead_letter, remove_dead_letter, write_dead_letter
from pynomaly.records.store import Store
from pynomaly.steps.delivery.channels import (
    DueParts,
    add_live_rows,
    choose_rows,
    count_due,
    mark_delivered,
    open_channel,
)
from pynomaly.steps.delivery.open_sinks import BlockReader, Receivers, refuse_block
from pynomaly.steps.delivery.rows import list_score_rows

__all__ = ["ChannelResult", "Deliverer", "takes_live_scores"]


@dataclass(frozen=True)
class ChannelResult:
    """What came of one channel.

    Attributes
    ----------
    rows, parts : int
        Delivered now.
    dead : int
        Parts that were refused, or failed for too long: each is a file now.
    due : int
        Windows, events or decisions that still wait.
    error : str
        Why they do; never contains a secret. "" if none do, or another process hands them over.
    """

    sink: str
    what: str
    rows: int = 0
    parts: int = 0
    dead: int = 0
    due: int = 0
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


class Deliverer:
    """The sinks of a pipeline, with their receivers open; use it as a context manager.

    Parameters
    ----------
    pipeline : Pipeline
    read_block : callable, optional
        Returns what a Prefect block holds; without it, a sink that names one waits.
    patient : bool
        Whether a receiver that does not answer is asked again within a call, after pauses (``retry``); the
        live path is not patient.
    at_once : bool
        Whether a receiver is asked whose pause is not over yet.
    only : str
        Name of the one sink to deliver to; "" means all.
    pause : callable
        Waits so many seconds.

    Raises
    ------
    RecordError
        If the ledger cannot be opened.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        read_block: BlockReader = refuse_block,
        *,
        patient: bool = True,
        at_once: bool = False,
        only: str = "",
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.pipeline = pipeline
        self.sinks = tuple(sink for sink in pipeline.sinks if only in ("", sink.name))
        self._at_once = at_once
        self._receivers = Receivers(read_block, patient, pause)
        self._ledger = Ledger.open(pipeline.ledger_url)

    def __enter__(self) -> Deliverer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the receivers and the ledger."""
        self._receivers.close()
        self._threads.shutdown()
        self._ledger.close()

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=max(len(self.sinks), 1), thread_name_prefix="deliver")

    @property
    def _deliveries(self) -> Deliveries:
        return self._ledger.deliveries

    def open_channels(self) -> None:
        """Open the channels of new sinks: what is written down from now on is delivered."""
        for sink in self.sinks:
            for what in sink.what:
                open_channel(self._deliveries, self._name_channel(sink, what), sink)

    def deliver_due(self) -> tuple[ChannelResult, ...]:
        """Deliver everything that is due; sinks are served at the same time, each in its own thread.

        Returns
        -------
        tuple of ChannelResult
            For every channel; none raises.

        Raises
        ------
        RecordError
            If the ledger fails.
        """
        results = self._threads.map(self._deliver_to_sink, self.sinks)
        return tuple(item for channel_results in results for item in channel_results)

    def redeliver(self) -> tuple[ChannelResult, ...]:
        """Hand the dead letters over again, the oldest first; those that arrive are removed.

        Scores of a window that was scored again since are removed too: the newer ones were delivered.
        """
        letters = self._deliveries.list_states(self.pipeline.name, dead=True)
        return tuple(
            self._redeliver_channel(
                sink, what, [item for item in letters if (item.sink, item.what) == (sink.name, what)]
            )
            for sink in self.sinks
            for what in sink.what
        )

    def _redeliver_channel(self, sink: Sink, what: str, letters: list[DeliveryState]) -> ChannelResult:
        result = ChannelResult(sink.name, what)
        for letter in letters:
            try:
                part = read_dead_letter(self._store, letter.dead)
                if self._is_current(part):
                    self._receivers.hand_over(sink, part)
                    result = replace(result, rows=result.rows + len(part.rows), parts=result.parts + 1)
                remove_dead_letter(self._store, letter.dead)
            except (ConfigError, RecordError) as error:
                if isinstance(error.__cause__, FileNotFoundError):  # somebody removed it
                    self._deliveries.remove_state(letter)
                    continue
                text = self._receivers.tidy(sink, error)
                self._deliveries.put_state(replace(letter, attempts=letter.attempts + 1, error=text))
                result = replace(result, dead=result.dead + 1, error=text)
                continue
            self._deliveries.remove_state(letter)
        return result

    def _is_current(self, part: Part) -> bool:
        """Return whether the scores of a part are those on record; events and decisions always are."""
        if part.what != "scores":
            return True
        partition = self._ledger.find_partition(part.pipeline, part.subject)
        return partition is not None and partition.sha256 == part.revision

    def check_sinks(self) -> dict[str, str]:
        """Return by sink why it cannot be reached, "" if it answers; nothing is delivered."""
        names = [sink.name for sink in self.sinks]
        return dict(zip(names, self._threads.map(self._receivers.check, self.sinks), strict=True))

    def _deliver_to_sink(self, sink: Sink) -> list[ChannelResult]:
        return [self.deliver_channel(sink, what) for what in sink.what]

    def deliver_scores(self, sink: Sink, window: str, scores: pd.DataFrame) -> ChannelResult:
        """Hand scores over whose window is still open; when it closes, they are not sent again.

        Nothing rests on it: what a sink does not take now it is given when the window is written down, and a
        kind that takes windows whole is given them then alone. A batch that is handed over again makes the
        window's sum differ, so that the window is sent whole: rows are replaced by their keys.

        Parameters
        ----------
        sink : Sink
        window : str
            The key of the window.
        scores : DataFrame of shape (n, k)
            As the store will hold them.
        """
        result = ChannelResult(sink.name, "scores")
        if not takes_live_scores(sink):
            return result
        rows = choose_rows(sink, list_score_rows(self.pipeline, window, scores))
        channel = self._name_channel(sink, "scores")
        try:
            with self._ledger.hold_lease(_name_lease(channel), renew=False):
                cursor = open_channel(self._deliveries, channel, sink)
                if self._waits(cursor):
                    return replace(result, error=cursor.error)
                try:
                    for first in range(0, len(rows), sink.batch):
                        some = rows.iloc[first : first + sink.batch].reset_index(drop=True)
                        self._receivers.hand_over(
                            sink, Part(channel.pipeline, "scores", window, "", some, first, len(rows))
                        )
                except (ConfigError, ReceiverError) as error:
                    return replace(result, error=self._note_failure(sink, cursor, error).error)
                except RefusedError as error:  # when the window closes, it becomes a dead letter
                    return replace(result, error=self._receivers.tidy(sink, error))
                add_live_rows(self._deliveries, channel, window, rows)
        except LeaseHeldError:
            return result
        return replace(result, rows=len(rows), parts=1)

    def deliver_channel(self, sink: Sink, what: str) -> ChannelResult:
        """Deliver what is due of scores, alerts or decisions to one sink; see `deliver_due`."""
        channel = self._name_channel(sink, what)
        cursor = open_channel(self._deliveries, channel, sink)
        due = count_due(self._deliveries, cursor)
        if not due or self._waits(cursor):
            return ChannelResult(sink.name, what, due=due, error=cursor.error if due else "")
        try:
            with self._ledger.hold_lease(_name_lease(channel)):
                return self._hand_over_parts(sink, open_channel(self._deliveries, channel, sink))
        except LeaseHeldError:
            return ChannelResult(sink.name, what, due=due)  # the holder hands it over

    def _waits(self, cursor: DeliveryState) -> bool:
        return not self._at_once and cursor.retry_at is not None and self._deliveries.now < cursor.retry_at

    def _hand_over_parts(self, sink: Sink, cursor: DeliveryState) -> ChannelResult:
        result, unreadable = ChannelResult(sink.name, cursor.what), list[PynomalyError]()
        due = DueParts(self.pipeline, sink, self._deliveries, self._store, unreadable.append)
        try:
            for part in due.iterate(cursor):
                try:
                    self._receivers.hand_over(sink, part)
                    result = replace(result, rows=result.rows + len(part.rows), parts=result.parts + 1)
                except ReceiverError as error:
                    cursor = self._note_failure(sink, cursor, error)
                    if not self._is_given_up(sink, cursor):
                        break
                    self._bury(sink, part, f"failed since {cursor.failing_since}: {cursor.error}")
                    result = replace(result, dead=result.dead + 1)
                except RefusedError as error:
                    self._bury(sink, part, self._receivers.tidy(sink, error))
                    result = replace(result, dead=result.dead + 1)
                cursor = mark_delivered(self._deliveries, cursor, part)
        except (ConfigError, RecordError) as error:
            cursor = self._note_failure(sink, cursor, error)
        if unreadable and not cursor.error:
            cursor = self._note_failure(sink, cursor, unreadable[0])
        return replace(result, due=count_due(self._deliveries, cursor), error=cursor.error)

    def _note_failure(self, sink: Sink, cursor: DeliveryState, error: PynomalyError) -> DeliveryState:
        now, attempts = self._deliveries.now, cursor.attempts + 1
        return self._deliveries.put_state(
            replace(
                cursor,
                attempts=attempts,
                error=self._receivers.tidy(sink, error),
                failing_since=cursor.failing_since or now,
                retry_at=now + self._receivers.next_pause(sink, attempts, error),
            )
        )

    def _is_given_up(self, sink: Sink, cursor: DeliveryState) -> bool:
        return (
            cursor.failing_since is not None
            and self._deliveries.now - cursor.failing_since >= sink.retry.give_up
        )

    def _bury(self, sink: Sink, part: Part, reason: str) -> None:
        """Write a dead letter, and a row that names it."""
        now = self._deliveries.now
        path = write_dead_letter(self._store, sink.name, part, reason, now)
        name = path.rsplit("/", 1)[-1].removesuffix(".json")
        letter = DeliveryState(
            part.pipeline,
            sink.name,
            part.what,
            f"{DEAD_PREFIX}{name}",
            begun=now,
            content=part.revision,
            position=len(part.rows),
            attempts=1,
            error=reason,
            dead=path,
        )
        self._deliveries.put_state(letter)

    def _name_channel(self, sink: Sink, what: str) -> Channel:
        return Channel(self.pipeline.name, sink.name, what)

    @cached_property
    def _store(self) -> Store:
        return Store(self.pipeline.store_root)


def takes_live_scores(sink: Sink) -> bool:
    """Return whether a sink takes scores before their window is written down."""
    return "scores" in sink.what and not SINKS[sink.kind].takes_windows_whole


def _name_lease(channel: Channel) -> str:
    return f"deliver:{channel.pipeline}:{channel.sink}:{channel.what}"
