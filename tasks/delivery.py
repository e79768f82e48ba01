"""Task that delivers to sinks what is written down, after every run; reads Prefect blocks."""

from __future__ import annotations

from typing import Any, cast

from prefect import get_run_logger
from prefect.blocks.core import Block

from pynomaly.config import Pipeline
from pynomaly.errors import PynomalyError, RecordError
from pynomaly.steps.delivery.deliverer import ChannelResult, Deliverer
from tasks.step import pipeline_task

__all__ = ["deliver_to_sinks", "open_channels", "read_block"]


def read_block(name: str) -> str:
    """Return the text that a Prefect block holds, like ``secret/ops``.

    Raises
    ------
    RecordError
        If there is no such block, or it holds no text; the message never contains what it holds.
    """
    try:
        block = cast(Any, Block.load)(name, _sync=True)
    except ValueError as error:
        raise RecordError(f"there is no Prefect block {name!r}") from error
    value = block.get() if hasattr(block, "get") else getattr(block, "value", None)
    value = getattr(value, "get_secret_value", lambda: value)()
    if not isinstance(value, str) or not value.strip():
        raise RecordError(f"the Prefect block {name!r} holds no text; a block of the type Secret does")
    return value.strip()


def open_channels(pipeline: Pipeline) -> None:
    """Open the channels of new sinks, so that what a run writes down is delivered after it."""
    with Deliverer(pipeline) as deliverer:
        deliverer.open_channels()


@pipeline_task("deliver to sinks", retries=0)
def deliver_to_sinks(
    pipeline: Pipeline, sink: str = "", redeliver: bool = False, at_once: bool = False
) -> tuple[ChannelResult, ...]:
    """Deliver what is due, or the dead letters; a failure is logged, and waits for the next reconcile."""
    logger = get_run_logger()
    try:
        with Deliverer(pipeline, read_block, at_once=at_once, only=sink) as deliverer:
            results = deliverer.redeliver() if redeliver else deliverer.deliver_due()
    except PynomalyError as error:
        logger.error(f"nothing was delivered: {error}")
        return ()
    for item in results:
        if item.error:
            logger.warning(f"{item.sink} has not received all {item.what}: {item.error}")
        if item.dead:
            logger.warning(
                f"{item.sink} refused {item.dead} parts of {item.what}: `pynomaly deliver --redeliver`"
            )
    return results
