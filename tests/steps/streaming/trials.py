"""A stream whose workers die, change places and close windows at any moment, in one thread.

A kill is an exception that no code here handles, raised before one of the writes that last. Who was killed is
replaced, as a supervisor would; messages that were not acknowledged come again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.data.brokers.messages import Message
from pynomaly.data.streams.kept_rows import KeptRows
from pynomaly.data.window import Window
from pynomaly.records.ledger import Ledger, StreamLog
from pynomaly.records.registry.live_champion import LiveChampion
from pynomaly.steps.scoring.scored_table import score_table
from pynomaly.steps.streaming import closing
from pynomaly.steps.streaming.closing import close_due_windows, keep_window_rows
from pynomaly.steps.streaming.worker import StreamWorker
from pynomaly.steps.window_run import WindowRun
from tests.homes import copy_database
from tests.steps.streaming.conftest import LiveTable

__all__ = ["KilledError", "StreamTrial", "killed_at", "score_by_batch"]

LATER = datetime(2099, 1, 1, tzinfo=UTC)
_WRITES = (
    (StreamLog, "record_batch"),
    (StreamLog, "remove_entries"),
    (KeptRows, "write_part"),
    (Ledger, "put_partition"),
    (closing, "raise_alerts"),
)


class KilledError(BaseException):
    """The process ends here."""


@contextmanager
def killed_at(write: int) -> Iterator[None]:
    """Die before a write, counted from 1; 0 lets the body live."""
    met = 0
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in _WRITES:
            original = getattr(owner, name)

            def wrapped(*arguments, _original=original, **named):
                nonlocal met
                met += 1
                if met == write:
                    raise KilledError
                return _original(*arguments, **named)

            patch.setattr(owner, name, wrapped)
        with suppress(KilledError):
            yield


def score_by_batch(batch: Pipeline, rows: pd.DataFrame, folder: Path) -> dict[str, pd.DataFrame]:
    """What the batch path computes of these rows alone, by window; nothing is written."""
    file = folder / "sent.csv"
    rows.assign(anomaly=0).to_csv(file, index=False)
    settings = batch.model_copy(update={"data": batch.data.model_copy(update={"path": str(file)})})
    tables = {}
    with WindowRun(settings) as run:
        ref = run.registry.resolve_alias(settings.name, "champion")
        bundle = run.load_bundle(ref)
        for start in sorted(rows["time"].dt.floor(settings.windows.score).unique()):
            window = Window(start.to_pydatetime(), start.to_pydatetime() + settings.windows.score)
            tables[window.key] = score_table(
                bundle, ref, run.read_window(window).require_clean(bundle.contract)
            )
    return tables


@dataclass
class StreamTrial:
    """Two workers of one stream whose topic has two parts.

    Parameters
    ----------
    live : Pipeline
    parts : list of list of Message
        The topic; offsets are positions.
    draw : Random
        Decides what happens next.
    """

    live: Pipeline
    parts: list[list[Message]]
    draw: Random
    champion: LiveChampion
    ledger: Ledger
    closing: WindowRun
    committed: list[int] = field(default_factory=lambda: [0, 0])
    owners: list[int] = field(default_factory=lambda: [0, 1])
    kills: int = 0

    def __post_init__(self) -> None:
        self.workers = [self._start_worker(), self._start_worker()]
        self.problems: list[str] = []

    def _start_worker(self) -> StreamWorker:
        return StreamWorker(self.live, self.ledger, self.champion)

    def run(self) -> None:
        """Let things happen until every message is acknowledged, then close what is open."""
        while any(at < len(part) for at, part in zip(self.committed, self.parts, strict=True)):
            event = self.draw.random()
            if event < 0.6:
                self.read(self.draw.randrange(2), self.draw.choice([0, 0, 0, 1]))
            elif event < 0.75:
                self.owners = [self.draw.randrange(2), self.draw.randrange(2)]
            elif event < 0.9:
                self.close(self.draw.choice([0, 0, *range(1, 9)]))
            else:
                self.keep(self.draw.choice([0, *range(1, 5)]))
        self.close(0, LATER)

    def read(self, worker: int, write: int) -> None:
        """A worker reads a batch of its parts; it may die before it is recorded or acknowledged."""
        own = [part for part, owner in enumerate(self.owners) if owner == worker]
        batch: list[Message] = []
        ends = dict.fromkeys(own, 0)
        for part in own:
            ends[part] = min(self.committed[part] + self.draw.randrange(1, 25), len(self.parts[part]))
            batch += self.parts[part][self.committed[part] : ends[part]]
        if not batch:
            return
        is_recorded = False
        with killed_at(write):
            self.workers[worker].process(batch)
            is_recorded = True
        if (
            not is_recorded or self.draw.random() < 0.2
        ):  # killed: before the record, or before it is confirmed
            self.kills += 1
            self.workers[worker] = self._start_worker()
            return
        for part, end in ends.items():
            self.committed[part] = end

    def close(self, write: int, now: datetime | None = None) -> None:
        """Close the windows that are over, and perhaps die meanwhile."""
        done = False
        with killed_at(write):
            closed = close_due_windows(self.live, self.closing, now)
            self.problems += [f"{item.window}: {item.problem}" for item in closed if item.problem]
            done = True
        self.kills += not done

    def keep(self, write: int) -> None:
        """Move rows of every open window into files, as of a long one."""
        done = False
        with killed_at(write):
            for item in self.ledger.stream.list_open_windows(self.live.name):
                window = Window.of_key(item.window)
                assert window is not None
                keep_window_rows(self.live, self.ledger, window)
            done = True
        self.kills += not done


def reset_records(table: LiveTable, kept: Path) -> None:
    """Put the ledger back as it was copied to `kept` before."""
    file = Path(table.live.ledger_url.removeprefix("sqlite:///"))
    if kept.exists():
        copy_database(kept, file)
    else:
        copy_database(file, kept)


def deal_messages(table: LiveTable, rows: pd.DataFrame, draw: Random, late: timedelta) -> list[list[Message]]:
    """The rows as messages in two parts, by machine: some come late, some twice."""
    parts: list[list[Message]] = []
    for machines in (("a", "b"), ("c", "d")):
        own = rows[rows["machine"].isin(machines)].reset_index(drop=True)
        delays = [draw.choice([0, 0, 0, draw.random()]) * late.total_seconds() for _ in range(len(own))]
        comes = own["time"] + pd.to_timedelta(delays, unit="s")
        order = comes.sort_values(kind="stable").index.tolist()
        for place in sorted(draw.sample(range(len(order)), len(order) // 8), reverse=True):
            order.insert(draw.randrange(place, len(order)) + 1, order[place])
        parts.append(table.messages(own.iloc[order], part=f"readings/{len(parts)}"))
    return parts
