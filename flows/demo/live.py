"""``pynomaly demo --live``: a fleet sends rows through the broker in this process, scored as they come.

Alerts are printed as they reach a topic; the regime shifts; a challenger is trained and promoted while rows
flow, and the rows name it. The path is that of any stream: only the dates are simulated, and run fast.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from flows.demo.live_past import DAY, FIRST
from flows.monitoring import monitor
from flows.training import retrain, train
from pynomaly.config import Pipeline, Stream, load_pipeline
from pynomaly.data.brokers import BlockingPublisher, Message, Outgoing, memory, open_consumer, open_publisher
from pynomaly.data.fleet import SHIFT, generate_fleet
from pynomaly.data.window import Window
from pynomaly.judging.drift.degradation import TRAINING_ACTIONS
from pynomaly.steps.streaming.closing import ClosedWindow
from pynomaly.steps.streaming.run_stream import StreamRun
from pynomaly.steps.streaming.worker import BatchOutcome

__all__ = ["LiveDemo", "LiveStory"]

_SLICE = timedelta(hours=4)
_AHEAD = 3 * DAY
"""How far the fleet runs ahead of the windows that are closed: a day takes as long as its scoring does."""

_BESIDE_DAY_S = 4.0
"""Seconds that a simulated day takes at least while a window is judged and a challenger is trained."""

_PATIENCE_S = 300.0
"""Seconds that the next step of the demo may take."""

_SHOWN = 6
"""Alerts that are printed in each act; the others are counted."""


@dataclass
class LiveStory:
    """What happened so far.

    Attributes
    ----------
    sent : int
    rows, alerting : Counter of int
        Rows scored, and those of them that alert, by version.
    opened : int
        Alerts that reached the topic.
    windows : list of str
        Windows that were closed.
    promoted : list of str
        What each training decided.
    problems : list of str
    """

    sent: int = 0
    rows: Counter[int] = field(default_factory=Counter)
    alerting: Counter[int] = field(default_factory=Counter)
    opened: int = 0
    windows: list[str] = field(default_factory=list)
    promoted: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class LiveDemo:
    """One run of the demo.

    Parameters
    ----------
    config : Path
        As :func:`flows.demo.live_past.make_live_past` wrote it; its past rows are kept.
    say : callable
        Is given each line as it happens.
    day_s : float
        Seconds that a simulated day takes at least.
    """

    def __init__(self, config: Path, say: Callable[[str], None], day_s: float = 0.25) -> None:
        self.story = LiveStory()
        self._config, self._say, self._day_s = config, say, day_s
        self._pipeline: Pipeline = load_pipeline(config)
        self._ending = threading.Event()
        self._changed = threading.Condition()
        self._shown = 0

    def run(self, attempts: int = 8) -> LiveStory:
        """Train, and stream until a challenger was promoted and scored rows, or refused so often."""
        self._train_first_model()
        memory.create_topic(self._pipeline.stream.topic)
        memory.create_topic(f"{self._pipeline.name}.alerts")
        threads = [threading.Thread(target=target) for target in (self._work, self._send)]
        for thread in threads:
            thread.start()
        try:
            self._start_act("rows of the fleet come, a day in a moment; alerts arrive in a topic")
            self._wait_until_closed(SHIFT)
            self._start_act(f"the regime shifts on {SHIFT:%d %b}")
            for number in range(2, 2 + attempts):
                version_before = max(self.story.rows)  # rows may name the promoted one before it is said
                if self._retrain_at(SHIFT + number * self._pipeline.windows.monitor):
                    self._wait_until_named(version_before + 1)
                    self._start_act(f"rows name version {max(self.story.rows)} now")
                    self._wait_until_closed(self._closed_until + DAY)
                    break
        finally:
            self._ending.set()
            for thread in threads:
                thread.join()
        return self.story

    def _train_first_model(self) -> None:
        result = train(config=str(self._config), as_of=FIRST.isoformat(), reason="first training")
        self._say(f"trained on them: {_describe_training(result)}")

    def _retrain_at(self, moment: datetime) -> bool:
        """Judge the days until a moment, train if that asks for it; return whether the challenger won."""
        self._wait_until_closed(moment)
        day_s, self._day_s = self._day_s, max(self._day_s, _BESIDE_DAY_S)
        try:
            return self._judge_and_train(moment)
        finally:
            self._day_s = day_s

    def _judge_and_train(self, moment: datetime) -> bool:
        monitoring = monitor(config=str(self._config), as_of=moment.isoformat())
        verdict = monitoring["degradation"]
        self._say(f"judged on {moment:%d %b}: {verdict['state']}, {verdict['action']}")
        if verdict["action"] not in TRAINING_ACTIONS:
            return False
        before = self.story.sent
        reason = "; ".join(verdict["reasons"])[:400]
        result = retrain(
            config=str(self._config), as_of=moment.isoformat(), trigger="manual", reason=reason or "shown"
        )
        line = _describe_training(result)
        self.story.promoted.append(line)
        self._say(f"trained while {self.story.sent - before} rows came: {line}")
        return bool(result["trained"]) and result["decision"]["kind"] == "promote"

    # What runs beside

    def _send(self) -> None:
        """Send the fleet's rows until the end, four hours at once."""
        moment = FIRST
        with BlockingPublisher(open_publisher(self._pipeline.stream)) as publisher:
            while not self._ending.wait(self._day_s * (_SLICE / DAY)):
                if moment - self._closed_until >= _AHEAD:
                    continue
                rows = generate_fleet(Window(moment, moment + _SLICE))
                moment += _SLICE
                texts = rows.assign(timestamp=rows["timestamp"].map(lambda time: time.isoformat()))
                records = texts.astype(object).where(rows.notna(), None).to_dict("records")
                messages = [Outgoing(orjson.dumps(record), str(record["machine"])) for record in records]
                publisher.publish(self._pipeline.stream.topic, messages)
                self.story.sent += len(messages)

    def _work(self) -> None:
        """Run one worker of the stream, and read the topic of alerts, until the end."""
        try:
            asyncio.run(self._work_until_end())
        except Exception as error:  # whatever it is, the demo says it; and it leaves the thread as it would
            self.story.problems.append(f"the worker ended: {error}")
            raise
        finally:
            with self._changed:
                self._changed.notify_all()

    async def _work_until_end(self) -> None:
        run = StreamRun(
            self._pipeline,
            "demo",
            on_problem=self.story.problems.append,
            on_closed=self._note_closed,
            on_batch=self._note_batch,
        )
        reader = open_consumer(Stream(broker="memory", topic=f"{self._pipeline.name}.alerts"), "screen")
        working, reading = asyncio.create_task(run.run()), asyncio.create_task(reader.run(self._show_alerts))
        while not (self._ending.is_set() or working.done() or reading.done()):
            await asyncio.sleep(0.05)
        await run.stop()
        await working
        with suppress(TimeoutError):  # alerts of the last rows are on their way to the reader
            await asyncio.wait_for(asyncio.shield(reading), 0.3)
        await reader.stop()
        await reading

    async def _show_alerts(self, messages: Sequence[Message]) -> None:
        for message in messages:
            event = orjson.loads(message.body)
            if not event["type"].endswith("alert.opened"):
                continue
            self.story.opened += 1
            self._shown += 1
            if self._shown <= _SHOWN:
                self._say(f"  alert: {describe_alert(event['data'])}")

    def _note_batch(self, outcome: BatchOutcome) -> None:
        if outcome.scored is None:
            return
        with self._changed:
            versions, alerted = outcome.scored.versions, outcome.scored.alerted
            for version in np.unique(versions).tolist():
                self.story.rows[version] += int((versions == version).sum())
                self.story.alerting[version] += int(alerted[versions == version].sum())
            self._changed.notify_all()

    def _note_closed(self, windows: Sequence[ClosedWindow]) -> None:
        with self._changed:
            self.story.windows += [item.window for item in windows]
            self._changed.notify_all()

    # What is waited for

    @property
    def _closed_until(self) -> datetime:
        """End of the newest window that is closed."""
        newest = Window.of_key(max(self.story.windows, default=""))
        return FIRST if newest is None else newest.end

    def _wait_until_closed(self, moment: datetime) -> None:
        """Wait until the windows before a moment are closed."""
        self._wait_for(lambda: self._closed_until >= moment)

    def _wait_until_named(self, version: int) -> None:
        """Wait until rows name this version or a newer one."""
        self._wait_for(lambda: max(self.story.rows) >= version)

    def _wait_for(self, is_there: Callable[[], bool]) -> None:
        """Wait for something; RuntimeError if the worker ended, TimeoutError if it does not come."""
        until = time.monotonic() + _PATIENCE_S
        with self._changed:
            while not is_there():
                if self.story.problems and self.story.problems[-1].startswith("the worker ended"):
                    raise RuntimeError(self.story.problems[-1])
                if time.monotonic() > until:
                    raise TimeoutError(
                        f"the demo did not get on within {_PATIENCE_S:.0f} s; {self.story.sent} rows were "
                        f"sent, windows are closed up to {self._closed_until:%d %b}"
                    )
                self._changed.wait(1.0)

    def _start_act(self, title: str) -> None:
        self._shown = 0
        self._say(title)


def describe_alert(row: dict[str, Any]) -> str:
    """Return one line about a row of an alert, as sinks hand it over."""
    columns = str(row["carriers"] or "").split("; ")[0]
    return f"{row['entity']} at {str(row['first'])[:16]}, severity {row['severity']}" + (
        f", for {columns}" if columns else ""
    )


def _describe_training(result: dict[str, Any]) -> str:
    reasons = result["decision"]["reasons"]
    if not result["trained"] or result["registered"] is None:
        return f"refused: {reasons[0]}"
    registered, decision = result["registered"], result["decision"]
    name = f"version {registered['version']} ({registered['detector']})"
    return f"{name}: {decision['kind']}, {decision['outcome']}"
