"""Task that groups scored windows into alerts, after scoring."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact

from pynomaly.config import Pipeline
from pynomaly.errors import LeaseHeldError, RecordError
from pynomaly.judging.alerts.alert import Alert
from pynomaly.steps.alerting.assessments import show_alerts
from pynomaly.steps.alerting.raise_alerts import raise_alerts as raise_alerts_step
from pynomaly.steps.alerting.resolve_alerts import list_alerts
from pynomaly.steps.window_run import WindowRun
from tasks.events import announce_event
from tasks.step import pipeline_task

__all__ = ["raise_alerts"]

MAX_TABLE_ROWS = 20
"""Largest number of alerts in the table."""


@pipeline_task("raise alerts")
def raise_alerts(pipeline: Pipeline, run: WindowRun | None = None) -> list[dict[str, Any]]:
    """Group the windows that are scored but not grouped; does nothing while another run groups them."""
    try:
        alert_groups = [item.to_dict() for item in raise_alerts_step(pipeline, run)]
    except LeaseHeldError as error:
        get_run_logger().info(f"alerts are being grouped by another run: {error}")
        return []
    if any(item["opened"] or item["grown"] or item["withdrawn"] for item in alert_groups):
        _publish_open_alerts(pipeline)
    for item in alert_groups:
        if item["said"]:
            get_run_logger().warning(item["said"])
        if item["opened"] - item["quiet"] > 0:
            announce_event(pipeline, "alert.opened", item)
    try:
        show_alerts(pipeline)
    except RecordError as error:
        get_run_logger().warning(f"alerts are not shown in MLflow yet; reconcile shows them: {error}")
    return alert_groups


def _publish_open_alerts(pipeline: Pipeline) -> None:
    """Publish the most severe open alerts as a table in Prefect's UI, and how to answer one."""
    open_alerts = list_alerts(pipeline)
    create_table_artifact(
        key=f"{pipeline.name.replace('_', '-')}-alerts",
        table=[_format_alert_row(alert) for alert in open_alerts[:MAX_TABLE_ROWS]],
        description=f"{len(open_alerts)} alerts wait, gravest first (at most {MAX_TABLE_ROWS} here). "
        f"Answer one by `pynomaly resolve {pipeline.origin.name} ALERT --as confirmed` or "
        "`--as false-alarm`.",
    )


def _format_alert_row(alert: Alert) -> dict[str, Any]:
    ending_counts = Counter(str(item.get("ending") or "open") for item in alert.alike)
    return {
        "alert": alert.alert[:8],
        "severity": alert.severity,
        "kind": alert.category,
        "entity": alert.entity or "-",
        "from": _format_minute(alert.first),
        "to": _format_minute(alert.last),
        "rows": alert.rows,
        "carried by": "; ".join(map(str, alert.carriers[:3])) or "-",
        "alike": ", ".join(f"{count} {ending}" for ending, count in sorted(ending_counts.items())) or "-",
    }


def _format_minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "-"
