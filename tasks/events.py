"""Prefect events for every verdict, named ``pynomaly.*``, so that automations can act on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.events import emit_event

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.errors import QualityError

__all__ = ["announce_event", "announce_quality_blocks"]


def announce_event(pipeline: Pipeline, what: str, payload: dict[str, Any]) -> None:
    """Emit the event ``pynomaly.<what>`` about the pipeline; deployments select events by resource id."""
    emit_event(
        event=f"pynomaly.{what}",
        resource={
            "prefect.resource.id": f"pynomaly.pipeline.{pipeline.name}",
            "prefect.resource.name": pipeline.name,
        },
        payload=payload,
    )


@contextmanager
def announce_quality_blocks(pipeline: Pipeline, work: str, window: Window | None) -> Iterator[None]:
    """Emit ``pynomaly.quality.block`` if validation stops `work`, and raise the error again."""
    try:
        yield
    except QualityError as error:
        key = window.key if window else "all"
        announce_event(pipeline, "quality.block", {"work": work, "window": key, "reason": str(error)[:500]})
        raise
