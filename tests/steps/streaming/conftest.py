"""A pipeline whose rows come as messages, with a champion that was trained on a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

from pynomaly.config import Pipeline, Stream
from pynomaly.data.brokers.messages import Message
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry.live_champion import LiveChampion
from pynomaly.steps.streaming.worker import BatchOutcome, StreamWorker
from tests.machines import make_machines
from tests.steps.conftest import start_with_champion


@dataclass
class LiveTable:
    """A pipeline over a table, and the same with its rows as messages; both know the same models."""

    batch: Pipeline
    live: Pipeline
    rows: pd.DataFrame

    def messages(self, rows: pd.DataFrame, first: int = 0, part: str = "readings/0") -> list[Message]:
        """One message a row, in the order of the rows."""
        records = (
            rows.assign(time=rows["time"].map(str))
            .astype(object)
            .where(rows.notna(), None)
            .to_dict("records")
        )
        return [Message(orjson.dumps(record), part, first + place) for place, record in enumerate(records)]

    def send(self, messages: Sequence[Message], at_once: int = 50) -> list[BatchOutcome]:
        """A worker processes them, a few at once, and ends."""
        with Ledger.open(self.live.ledger_url) as ledger:
            champion = LiveChampion(self.live)
            champion.refresh()
            worker = StreamWorker(self.live, ledger, champion)
            return [
                outcome
                for first in range(0, len(messages), at_once)
                for outcome in worker.process_each(messages[first : first + at_once])
            ]


@pytest.fixture
def live_table(pipeline: Callable[..., Pipeline], tmp_path: Path) -> Callable[..., LiveTable]:
    """Keyword arguments change blocks of both pipelines."""

    def make(
        stream: dict[str, Any] | None = None,
        start: Callable[[Pipeline], object] = start_with_champion,
        **blocks: Any,
    ) -> LiveTable:
        rows = make_machines(28)
        batch = pipeline(table=rows, **blocks)
        start(batch)
        data = batch.data.model_copy(update={"source": "stream", "path": str(tmp_path / "kept")})
        settings = Stream.model_validate({"broker": "memory", "topic": "readings"} | (stream or {}))
        return LiveTable(batch, batch.model_copy(update={"data": data, "stream": settings}), rows)

    return make
