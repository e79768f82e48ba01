"""Task that groups scored windows into alerts, after scoring."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact

from pynomaly.config import Pipeline
from pynomaly.errors import LeaseHeldError, RecordError
from pynomaly.judging.alert import Alert
from pynomaly.steps.alerting import raise_alerts as raise_alerts_step
from pynomaly.steps.answering import alerts_of
from pynomaly.steps.assessments import show_alerts
from tasks.events import announce
from tasks.step import step

__all__ = ["raise_alerts"]

SHOWN = 20
"""Largest number of alerts in the table."""


@step("raise alerts")
def raise_alerts(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Group the windows that are scored but not grouped; does nothing while another run groups them."""
    try:
        alert_groups = [item.to_dict() for item in raise_alerts_step(pipeline)]
    except LeaseHeldError as error:
        get_run_logger().info(f"alerts are being grouped by another run: {error}")
        return []
    if any(item["opened"] or item["grown"] or item["withdrawn"] for item in alert_groups):
        _publish(pipeline)
    for item in alert_groups:
        if item["said"]:
            get_run_logger().warning(item["said"])
        if item["opened"] - item["quiet"] > 0:
            announce(pipeline, "alert.opened", item)
    try:
        show_alerts(pipeline)
    except RecordError as error:
        get_run_logger().warning(f"alerts are not shown in MLflow yet; reconcile shows them: {error}")
    return alert_groups


def _publish(pipeline: Pipeline) -> None:
    """Publish the most severe open alerts as a table in Prefect's UI, and how to answer one."""
    open_alerts = alerts_of(pipeline)
    create_table_artifact(
        key=f"{pipeline.name.replace('_', '-')}-alerts",
        table=[_row(alert) for alert in open_alerts[:SHOWN]],
        description=f"{len(open_alerts)} alerts wait, the gravest first (at most {SHOWN} are here). Answer "
        f"one by `pynomaly resolve {pipeline.origin.name} ALERT --as confirmed` or `--as false-alarm`.",
    )


def _row(alert: Alert) -> dict[str, Any]:
    ending_counts = Counter(str(item.get("ending") or "open") for item in alert.alike)
    return {
        "alert": alert.alert[:8],
        "severity": alert.severity,
        "kind": alert.category,
        "entity": alert.entity or "-",
        "from": _minute(alert.first),
        "to": _minute(alert.last),
        "rows": alert.rows,
        "carried by": "; ".join(map(str, alert.carriers[:3])) or "-",
        "alike": ", ".join(f"{count} {ending}" for ending, count in sorted(ending_counts.items())) or "-",
    }


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "-"
