"""Events for every verdict, named ``pynomaly.*``, so that automations can act on them."""

from __future__ import annotations

from typing import Any

from prefect.events import emit_event

from pynomaly.config import Pipeline

__all__ = ["announce"]


def announce(pipeline: Pipeline, what: str, payload: dict[str, Any]) -> None:
    """Emit ``pynomaly.<what>`` about the pipeline; deployments listen by resource id."""
    emit_event(
        event=f"pynomaly.{what}",
        resource={
            "prefect.resource.id": f"pynomaly.pipeline.{pipeline.name}",
            "prefect.resource.name": pipeline.name,
        },
        payload=payload,
    )
