"""What a run stands for: its scheduled time, never the clock at the moment it happens to run."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect.runtime import flow_run

from pynomaly.config import Pipeline
from pynomaly.steps.due import moment_of

__all__ = ["moment"]


def moment(pipeline: Pipeline, as_of: str) -> datetime:
    """The moment the current flow run stands for; see :func:`pynomaly.steps.due.moment_of`."""
    scheduled = flow_run.scheduled_start_time
    # Prefect's own date type loses its zone on the way through other libraries: a plain one is made.
    at = datetime.fromtimestamp(scheduled.timestamp(), UTC) if scheduled else datetime.now(UTC)
    return moment_of(pipeline, as_of, at)
