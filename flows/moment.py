"""What a run stands for: its scheduled time, never the clock at the moment it happens to run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from prefect.runtime import flow_run

from pynomaly.config import Pipeline
from pynomaly.steps.due import moment_of

__all__ = ["moment", "named"]


def named() -> str:
    """Name of a run in the UI: the pipeline, and the moment it stands for."""
    given = flow_run.parameters
    pipeline = Path(str(given.get("config", ""))).stem
    scheduled = flow_run.scheduled_start_time
    at = (
        given.get("as_of")
        or given.get("start")
        or (scheduled.strftime("%Y-%m-%dT%H:%M") if scheduled else "")
    )
    return f"{pipeline} {at[:16]}".strip()


def moment(pipeline: Pipeline, as_of: str) -> datetime:
    """The moment the current flow run stands for; see :func:`pynomaly.steps.due.moment_of`."""
    scheduled = flow_run.scheduled_start_time
    # Prefect's own date type loses its zone on the way through other libraries: a plain one is made.
    at = datetime.fromtimestamp(scheduled.timestamp(), UTC) if scheduled else datetime.now(UTC)
    return moment_of(pipeline, as_of, at)
