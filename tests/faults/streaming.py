"""A worker of a stream in a process of its own, for :mod:`tests.faults.test_stream_kills`."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from pynomaly.config import load_pipeline
from pynomaly.steps.streaming.closing import close_due_windows
from pynomaly.steps.streaming.run_stream import StreamRun
from pynomaly.steps.window_run import WindowRun

__all__ = ["close_all", "work"]


def work(config: str, until_idle_s: float, begun: Any) -> None:
    """Read the stream; `begun` is set after the first batch."""
    run = StreamRun(load_pipeline(config), "the only one", on_batch=lambda outcome: begun.set())
    asyncio.run(run.run(until_idle_s=until_idle_s))


def close_all(config: str) -> None:
    """Close what is open, as when every part has been silent for long."""
    pipeline = load_pipeline(config)
    with WindowRun(pipeline) as run:
        close_due_windows(pipeline, run, datetime(2099, 1, 1, tzinfo=UTC))
