"""Flow ``stream``: a worker of a pipeline's stream, for a while; the next run takes over before it ends."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.run_guard import guard_run
from flows.run_moment import format_run_name
from pynomaly.config import load_pipeline
from tasks import streaming

__all__ = ["stream"]


@flow(name="stream", flow_run_name=format_run_name)
def stream(config: str = "configs/quickstart.yaml", minutes: int = 61, name: str = "") -> dict[str, Any]:
    """Score the messages of a broker as they come, for so many minutes.

    A run that is killed loses nothing: the messages that it had not recorded come to the next one.

    Args:
        config: Path of the pipeline YAML.
        minutes: How long it works; a minute longer than the schedule leaves no gap.
        name: Name of the worker, which no other running one has; empty means one of its own.
    """
    pipeline = load_pipeline(config)
    with guard_run(pipeline):
        return {"pipeline": pipeline.name, **streaming.work_on_stream(pipeline, minutes, name)}
