"""Tasks of the live path: close the windows that are over, work as a worker of a stream."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import get_run_logger

from pynomaly.config import Pipeline
from pynomaly.steps.streaming.closing import close_due_windows, find_closed_until
from pynomaly.steps.streaming.run_stream import StreamRun
from pynomaly.steps.window_run import WindowRun
from tasks.delivery import read_block
from tasks.operations import send_to_target
from tasks.step import pipeline_task

__all__ = ["close_stream_windows", "work_on_stream"]


@pipeline_task("close windows of the stream")
def close_stream_windows(pipeline: Pipeline, run: WindowRun, moment: datetime) -> datetime:
    """Closes what is over, with or without a worker; returns until when windows are closed."""
    for item in close_due_windows(pipeline, run):
        if item.problem:
            get_run_logger().warning(f"{item.window}: {item.problem}")
    return min(moment, find_closed_until(pipeline, run.ledger, datetime.now(UTC)))


@pipeline_task("work on the stream", retries=0, timeout_s=48 * 3600)
def work_on_stream(pipeline: Pipeline, minutes: int, name: str) -> dict[str, Any]:
    """Scores messages as they come, for so many minutes; returns what was done."""
    logger = get_run_logger()
    run = StreamRun(pipeline, name, on_problem=logger.warning, read_block=read_block, through=send_to_target)

    async def work() -> dict[str, Any]:
        working = asyncio.ensure_future(run.run())
        await asyncio.wait({working}, timeout=timedelta(minutes=minutes).total_seconds())
        await run.stop()
        return (await working).to_dict()

    # In a thread of its own: the one of a task may have an event loop.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="stream") as threads:
        return threads.submit(asyncio.run, work()).result()
