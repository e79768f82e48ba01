"""Task of monitoring: one verdict per window, with its artifacts and events."""

from __future__ import annotations

from datetime import datetime

from prefect.artifacts import create_link_artifact, create_markdown_artifact

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.records.formats import format_window
from pynomaly.records.markdown import format_bullets
from pynomaly.steps.monitoring.monitor_window import MonitoredWindow
from pynomaly.steps.monitoring.monitor_window import monitor_window as monitor_window_step
from tasks.events import announce_event, announce_quality_blocks
from tasks.links import build_run_url
from tasks.step import pipeline_task

__all__ = ["monitor_window"]


@pipeline_task("judge a window")
def monitor_window(pipeline: Pipeline, window: Window | None, as_of: datetime) -> MonitoredWindow:
    """Judge a window, publish the verdict, and emit it as an event."""
    with announce_quality_blocks(pipeline, "monitor", window):
        result = monitor_window_step(pipeline, window, as_of)
    verdict, exchangeable = result.degradation, result.exchangeability
    withdrawal_reasons = exchangeable.reasons if exchangeable.state == "withdrawn" else ()
    key = pipeline.name.replace("_", "-")
    create_markdown_artifact(
        key=f"{key}-degradation",
        markdown=f"**{verdict.state}** in {format_window(result.window)} under v{result.version}; "
        f"action: {verdict.action}\n\n"
        + format_bullets((*verdict.reasons, *result.observation.reasons, *withdrawal_reasons)),
        description="Verdict on data, scores, alert rate and performance",
    )
    if result.report:
        create_link_artifact(
            key=f"{key}-drift-report",
            link=build_run_url(pipeline, result.run_id, "drift.html"),
            link_text=f"Drift report of {format_window(result.window)}",
            description="Evidently's page, kept with the MLflow run",
        )
    announce_event(
        pipeline, f"window.{result.drift.status}", {"window": result.window, "version": result.version}
    )
    if result.bake == "breach":
        rollback_payload = {"version": result.version, "window": result.window, "actor": "bake"}
        announce_event(pipeline, "champion.rollback", rollback_payload)
    if verdict.asks_for_training:
        reason = f"{verdict.state} in {result.window}: {'; '.join(verdict.reasons)}"
        announce_event(
            pipeline,
            "degradation.detected",
            {
                "reason": reason[:500],
                "window": result.window,
                "as_of": as_of.isoformat(),
                "action": verdict.action,
            },
        )
    return result
