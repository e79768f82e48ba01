"""Runs a worker of a stream: reads the broker, processes batches, raises alerts, closes windows.

Reading is asynchronous; each batch is processed in one thread while the event loop keeps the connection
alive. Alerts are opened in a second thread, windows are closed in a third, and sinks have threads of their
own. One batch is in memory at a time, whatever the lag.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pynomaly.config import Pipeline
from pynomaly.data.brokers import Consumer, Message, Publisher, open_consumer, open_publisher
from pynomaly.data.streams.window_keys import name_windows
from pynomaly.errors import BrokerError, ConfigError, LeaseHeldError, PynomalyError, RecordError
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry.live_champion import LiveChampion
from pynomaly.steps.delivery.live import LiveDelivery
from pynomaly.steps.delivery.open_sinks import BlockReader, refuse_block
from pynomaly.steps.notices.deliver import Sender, send_to_address
from pynomaly.steps.notices.live import LiveNotices
from pynomaly.steps.streaming.closing import ClosedWindow, LiveCloser
from pynomaly.steps.streaming.dead_letters import format_letter
from pynomaly.steps.streaming.entry_rows import EntryRows
from pynomaly.steps.streaming.live_alerts import LiveAlerts, build_scores
from pynomaly.steps.streaming.worker import BatchOutcome, StreamWorker
from pynomaly.steps.window_run import WindowRun

__all__ = ["StreamProgress", "StreamRun"]

_TICK_S = 1.0
"""Seconds from one look at what is over to the next."""

_LEASE_PAUSE_S = 0.05
_ALERT_PAUSE_S, _LONGEST_ALERT_PAUSE_S = 0.3, 0.8
"""Time from one look at the alerts of open windows to the next, which takes all alerts of a window: four
times what the look took, so that looks leave the processor to the rows, within these bounds."""

_PAUSE_BEHIND_S = 3.0
"""The pause while a batch waits: its rows are late by the lag already, and looks take time from them."""

_LAG_S = 5.0
"""Seconds from one note of the lag in the ledger to the next."""

_RETRY_S, _LONGEST_RETRY_S = 1.0, 30.0
"""Seconds until a batch is tried again whose records failed, doubled each time up to the second."""


@dataclass
class StreamProgress:
    """What a worker has done since it started.

    Attributes
    ----------
    messages, rows, scored, alerts, again, late, letters : int
        Messages; rows recorded; rows scored, and those of them that alert; rows that came before; rows of
        windows that were closed; dead letters.
    windows : list of str
        Windows that were closed.
    lag : dict of str to int
        Messages not yet read, by part; empty where the broker does not tell.
    problems : list of str
        What did not work, the newest last.
    """

    messages: int = 0
    rows: int = 0
    scored: int = 0
    alerts: int = 0
    again: int = 0
    late: int = 0
    letters: int = 0
    windows: list[str] = field(default_factory=list)
    lag: dict[str, int] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, outcome: BatchOutcome) -> None:
        """Count a batch."""
        self.messages += outcome.messages
        self.rows += outcome.rows
        self.again += outcome.again
        self.late += outcome.late
        self.letters += outcome.letters
        self.left_out += outcome.left_out
        if outcome.scored is not None:
            self.scored += len(outcome.scored.frame)
            self.alerts += int(outcome.scored.alerted.sum())

    def to_dict(self) -> dict[str, object]:
        """Return plain values, for ``--json``."""
        return {**vars(self), "left_out": dict(self.left_out)}


class StreamRun:
    """One worker of a pipeline's stream.

    Parameters
    ----------
    pipeline : Pipeline
        With ``data.source: stream`` and ``stream.broker``.
    name : str
        Name of the worker, which no other running one has; one that starts again under its name is given at
        once what it had not finished.
    on_problem : callable
        Is given what did not work, in words; the worker goes on.
    on_closed : callable
        Is given the windows that were closed together.
    on_batch : callable
        Is given what became of every batch.
    read_block : callable
        Returns what a Prefect block holds, for sinks that name one.
    through : Sender
        How people are told.
    consumer : Consumer, optional
        What gives messages, in place of a consumer of the broker; without a broker, dead letters stay in the
        ledger.

    Raises
    ------
    ConfigError
        If the pipeline reads no stream.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        name: str = "",
        *,
        on_problem: Callable[[str], None] = lambda text: None,
        on_closed: Callable[[Sequence[ClosedWindow]], None] = lambda windows: None,
        on_batch: Callable[[BatchOutcome], None] = lambda outcome: None,
        read_block: BlockReader = refuse_block,
        through: Sender = send_to_address,
        consumer: Consumer | None = None,
    ) -> None:
        if not pipeline.stream.broker and consumer is None:
            raise ConfigError(f"{pipeline.name} reads no stream; set data.source: stream and stream.broker")
        self.pipeline, self.progress = pipeline, StreamProgress()
        self._name = name
        self._on_problem, self._on_closed, self._on_batch = on_problem, on_closed, on_batch
        self._consumer = consumer
        self._stop_asked = False
        self._last_work = self._lag_due = 0.0
        self._alerts_due, self._ending = asyncio.Event(), asyncio.Event()
        self._closer = LiveCloser(pipeline)
        self._read_block = read_block
        self._notices = LiveNotices(pipeline, through, self._say_problem)
        self._publishing = asyncio.Lock()

    async def run(self, *, until_idle_s: float | None = None) -> StreamProgress:
        """Work until :meth:`stop`, or until nothing has come for `until_idle_s` seconds and no message waits.

        Raises
        ------
        BrokerError
            If the broker cannot be reached at the start, refuses, or does not know the topic.
        RecordError, SourceError, ConfigError
            If the records or the rows that are kept cannot be opened.
        """
        pipeline, stream = self.pipeline, self.pipeline.stream
        group = stream.group or f"pynomaly-{pipeline.name}"
        self._consumer = consumer = self._consumer or open_consumer(
            stream, group, name=self._name, on_problem=self._say_problem
        )
        champion = LiveChampion(pipeline, warm=True)
        await asyncio.to_thread(champion.follow)
        publisher = open_publisher(stream) if stream.broker else None
        sinks = await asyncio.to_thread(LiveDelivery, pipeline, self._read_block, self._say_problem)
        try:
            with (
                Ledger.open(pipeline.ledger_url) as ledger,
                WindowRun(pipeline) as closing,
                WindowRun(pipeline) as alerting,
                self._notices,
            ):
                sinks.start()
                alerts = LiveAlerts(pipeline)
                worker = await asyncio.to_thread(
                    StreamWorker, pipeline, ledger, champion, self._name, ordered=consumer.ordered
                )

                async def handle(messages: Sequence[Message]) -> None:
                    for outcome in await self._process(worker, messages):
                        self.progress.add(outcome)
                        self._last_work = time.monotonic()
                        if outcome.problem and outcome.rows:
                            self._say_problem(f"rows are kept, and not scored: {outcome.problem}")
                        self._on_batch(outcome)
                        if outcome.alerting is not None:
                            alerts.add(outcome.alerting)
                            self._alerts_due.set()
                        if outcome.scored is not None and sinks.takes_scores:
                            await asyncio.to_thread(self._hand_over_scores, sinks, outcome.scored)
                        if outcome.letters:
                            await self._publish_letters(ledger, publisher)

                await self._publish_letters(ledger, publisher)
                if self._stop_asked:
                    await consumer.stop()
                self._last_work = time.monotonic()  # idle is who reads: loading a champion takes seconds, too
                ticking = asyncio.create_task(self._tick(closing, ledger, publisher, until_idle_s))
                telling = asyncio.create_task(self._tell(alerts, alerting, sinks))
                reading = asyncio.create_task(consumer.run(handle))
                try:
                    await asyncio.wait((ticking, telling, reading), return_when=asyncio.FIRST_COMPLETED)
                finally:  # each loop ends after what it does: a thread cannot be cancelled
                    await consumer.stop()
                    self._ending.set()
                    self._alerts_due.set()
                    ended = await asyncio.gather(reading, ticking, telling, return_exceptions=True)
                for result in ended:
                    if isinstance(result, BaseException):
                        raise result
                await asyncio.to_thread(self._close_windows, closing)
                await asyncio.to_thread(self._raise_alerts, alerts, alerting, sinks)
        finally:
            await asyncio.to_thread(sinks.stop)
            if publisher is not None:
                await publisher.close()
            await asyncio.to_thread(champion.close)
        return self.progress

    async def stop(self) -> None:
        """Let :meth:`run` return after the batch that it processes."""
        self._stop_asked = True
        if self._consumer is not None:
            await self._consumer.stop()

    async def _process(self, worker: StreamWorker, messages: Sequence[Message]) -> list[BatchOutcome]:
        """Process a batch; records that fail are tried again, while the broker keeps what follows."""
        wait = _RETRY_S
        while True:
            try:
                return await asyncio.to_thread(worker.process_each, messages)
            except RecordError as error:
                if self._stop_asked:
                    raise  # the broker gives this batch again
                self._say_problem(f"{error}; next try in {wait:.0f} s")
                await asyncio.sleep(wait)
                wait = min(2 * wait, _LONGEST_RETRY_S)

    async def _tick(
        self, closing: WindowRun, ledger: Ledger, publisher: Publisher | None, until_idle_s: float | None
    ) -> None:
        assert self._consumer is not None
        while not await self._wait_for(self._ending, _TICK_S):
            await asyncio.to_thread(self._close_windows, closing)
            await self._publish_letters(ledger, publisher)
            self.progress.lag = await self._consumer.measure_lag()
            await asyncio.to_thread(self._note_lag, ledger)
            is_quiet = until_idle_s is not None and time.monotonic() - self._last_work >= until_idle_s
            if is_quiet and not sum(self.progress.lag.values()):
                return

    def _note_lag(self, ledger: Ledger) -> None:
        if time.monotonic() < self._lag_due or not self.progress.lag:
            return
        self._lag_due = time.monotonic() + _LAG_S
        try:
            ledger.stream.note_lag(self.pipeline.name, self.progress.lag)
        except RecordError as error:
            self._say_problem(f"the lag is not on record: {error}")

    async def _tell(self, alerts: LiveAlerts, alerting: WindowRun, sinks: LiveDelivery) -> None:
        """Open alerts as soon as a row alerts, and wake the sinks."""
        while not self._ending.is_set():
            await self._wait_for(self._alerts_due, _TICK_S)
            self._alerts_due.clear()
            began = time.monotonic()
            await asyncio.to_thread(self._raise_alerts, alerts, alerting, sinks)
            pause = min(max(4 * (time.monotonic() - began), _ALERT_PAUSE_S), _LONGEST_ALERT_PAUSE_S)
            await self._wait_for(self._ending, _PAUSE_BEHIND_S if self._is_behind else pause)

    @property
    def _is_behind(self) -> bool:
        """Whether a batch waits beside the one that is processed."""
        return sum(self.progress.lag.values()) > 2 * self.pipeline.stream.max_rows

    @staticmethod
    async def _wait_for(event: asyncio.Event, seconds: float) -> bool:
        """Wait until an event is set, or so long; return whether it is."""
        with suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)
        return event.is_set()

    def _hand_over_scores(self, sinks: LiveDelivery, rows: EntryRows) -> None:
        """Hand the scores of a batch over, by window; their windows are still open."""
        table = build_scores(self.pipeline, rows)
        windows = name_windows(table[str(self.pipeline.data.time)], self.pipeline.windows.score)
        for window in dict.fromkeys(windows.tolist()):
            sinks.hand_over(window, table[windows == window])

    def _raise_alerts(self, alerts: LiveAlerts, alerting: WindowRun, sinks: LiveDelivery) -> None:
        try:
            if alerts.raise_due(alerting, self._closer.list_closing(alerting.ledger)):
                sinks.wake()
                self._notices.wake()
            if alerts.waiting:
                self._alerts_due.set()
        except LeaseHeldError:  # they are being grouped, perhaps with a window that closes
            time.sleep(_LEASE_PAUSE_S)
            self._alerts_due.set()
        except PynomalyError as error:
            self._say_problem(f"alerts wait: {error}")

    def _close_windows(self, closing: WindowRun) -> None:
        try:
            closed = self._closer.close(closing)
        except PynomalyError as error:  # tried again at the next tick; the rows stay in the ledger
            self._say_problem(f"no window could be closed: {error}")
            return
        for item in closed:
            if item.problem:
                self._say_problem(f"{item.window}: {item.problem}")
        if closed := tuple(item for item in closed if not item.stays_open):
            self.progress.windows += [item.window for item in closed]
            self._on_closed(closed)

    async def _publish_letters(self, ledger: Ledger, publisher: Publisher | None) -> None:
        """Publish the dead letters that are recorded and not yet in their topic; one worker at a time."""
        if publisher is None:
            return
        log, name = ledger.stream, self.pipeline.name
        try:
            async with self._publishing:
                if await asyncio.to_thread(log.list_letters, name, unpublished=True, limit=1):
                    await self._publish_all_letters(ledger, publisher)
        except LeaseHeldError:
            return  # another worker does
        except (BrokerError, RecordError) as error:
            self._say_problem(f"dead letters wait in the ledger: {error}")

    async def _publish_all_letters(self, ledger: Ledger, publisher: Publisher) -> None:
        log, name = ledger.stream, self.pipeline.name
        with ledger.hold_lease(f"letters:{name}"):
            while letters := await asyncio.to_thread(log.list_letters, name, unpublished=True):
                outgoing = [format_letter(name, letter) for letter in letters]
                await publisher.publish(self.pipeline.stream.dead_letter_topic, outgoing)
                await asyncio.to_thread(log.mark_published, name, [letter.seq for letter in letters])

    def _say_problem(self, text: str) -> None:
        if text not in self.progress.problems[-1:]:
            self._on_problem(text)
        self.progress.problems = [*self.progress.problems[-99:], text]
