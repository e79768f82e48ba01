"""Task of alerts: scored windows become alerts, after scoring."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger

from pynomaly.config import Pipeline
from pynomaly.errors import LeaseHeldError, RecordError
from pynomaly.steps.alerting import raise_alerts as raise_alerts_step
from pynomaly.steps.assessments import show_alerts
from tasks.events import announce
from tasks.step import step

__all__ = ["raise_alerts"]


@step("raise alerts")
def raise_alerts(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Group the windows that were scored and not grouped; another run that does so already is left to it."""
    try:
        raised = [item.to_dict() for item in raise_alerts_step(pipeline)]
    except LeaseHeldError as error:
        get_run_logger().info(f"alerts are being grouped by another run: {error}")
        return []
    for item in raised:
        if item["said"]:
            get_run_logger().warning(item["said"])
        if item["opened"] - item["quiet"] > 0:
            announce(pipeline, "alert.opened", item)
    try:
        show_alerts(pipeline)
    except RecordError as error:
        get_run_logger().warning(f"alerts are not shown in MLflow yet; reconcile shows them: {error}")
    return raised
