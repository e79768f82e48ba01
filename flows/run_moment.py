"""The moment a flow run stands for: its scheduled time, not the clock time at which it happens to run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from prefect.runtime import flow_run

from pynomaly.config import Pipeline
from pynomaly.steps.scoring.due_windows import resolve_moment

__all__ = ["format_run_name", "resolve_run_moment"]


def format_run_name() -> str:
    """Returns the name of the run in Prefect's UI: the pipeline and the moment the run stands for."""
    parameters = flow_run.parameters
    pipeline = Path(str(parameters.get("config", ""))).stem
    scheduled = flow_run.scheduled_start_time
    as_of = (
        parameters.get("as_of")
        or parameters.get("start")
        or (scheduled.strftime("%Y-%m-%dT%H:%M") if scheduled else "")
    )
    return f"{pipeline} {as_of[:16]}".strip()


def resolve_run_moment(pipeline: Pipeline, as_of: str) -> datetime:
    """Return the moment that the current flow run stands for: `as_of`, or its scheduled time."""
    scheduled = flow_run.scheduled_start_time
    # Prefect's own date type loses its zone in other libraries, so a plain datetime is made.
    at = datetime.fromtimestamp(scheduled.timestamp(), UTC) if scheduled else datetime.now(UTC)
    return resolve_moment(pipeline, as_of, at)
