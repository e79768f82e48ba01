"""Flows of operation: reconcile after dead processes, prune, drill, backfill, send test messages."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow

from flows.run_guard import guard_run
from flows.run_moment import format_run_name, resolve_run_moment
from pynomaly.config import load_pipeline
from pynomaly.errors import DataError, WindowError
from pynomaly.steps.monitoring.monitor_window import find_monitoring_window
from pynomaly.steps.operations.backfill import list_windows_ended_in, parse_past_range
from pynomaly.steps.operations.prune import override_retention
from pynomaly.steps.window_run import WindowRun
from tasks import alerting, operations, scoring

__all__ = ["backfill", "drill", "notify_test", "prune", "reconcile"]


@flow(name="reconcile", flow_run_name=format_run_name)
def reconcile(config: str = "configs/quickstart.yaml") -> dict[str, Any]:
    """Close runs of dead processes, finish half-moved aliases, deliver waiting messages, report silence.

    Args:
        config: Path of the pipeline YAML.
    """
    pipeline = load_pipeline(config)
    with guard_run(pipeline):
        closed_runs = operations.close_dead_runs(pipeline)
        alerting.raise_alerts(pipeline)  # windows whose run died between scoring and grouping
        return operations.reconcile(pipeline).to_dict() | {"flow_runs": closed_runs}


@flow(name="prune", flow_run_name=format_run_name)
def prune(
    config: str = "configs/quickstart.yaml",
    apply: Literal["as configured", "no", "yes"] = "as configured",
    keep: str = "",
) -> dict[str, Any]:
    """Remove versions, runs, scores, reports and quarantine past their retention, or list them only.

    Args:
        config: Path of the pipeline YAML.
        apply: Remove them ("yes"), only list them ("no"), or do what retention.when_scheduled says.
        keep: Retentions that replace those of the YAML, like "scores=30d newest=5".
    """
    pipeline = override_retention(load_pipeline(config), tuple(keep.split()))
    removes = apply == "yes" or (apply != "no" and pipeline.retention.when_scheduled == "apply")
    with guard_run(pipeline):
        return operations.prune(pipeline, removes).to_dict()


@flow(name="drill", flow_run_name=format_run_name)
def drill(config: str = "configs/quickstart.yaml", as_of: str = "") -> dict[str, Any]:
    """Inject known anomalies into a shadow copy of the newest window; check if and how soon the alert comes.

    Args:
        config: Path of the pipeline YAML.
        as_of: Moment the run stands for, with an offset; empty means the scheduled time, "latest"
            the end of the data.
    """
    pipeline = load_pipeline(config)
    with guard_run(pipeline):
        at = resolve_run_moment(pipeline, as_of)
        return operations.drill(pipeline, find_monitoring_window(pipeline, at), at).to_dict()


@flow(name="backfill", flow_run_name=format_run_name)
def backfill(
    config: str = "configs/quickstart.yaml", span: str = "", monitor: Literal["no", "yes"] = "no"
) -> dict[str, Any]:
    """Score every window that ended in a past range, and judge the range if asked; safe to repeat.

    Args:
        config: Path of the pipeline YAML.
        span: The range, like 2026-01-05..2026-01-12; dates mean midnight UTC.
        monitor: Judge the range's monitoring windows too.
    """
    pipeline = load_pipeline(config)
    start, end = parse_past_range(pipeline, span)
    scored_windows, judged_windows, failures = [], [], []
    with guard_run(pipeline), WindowRun(pipeline) as run:
        for window in list_windows_ended_in(start, end, pipeline.windows.score):
            try:
                scored_windows.append(scoring.score_window(pipeline, window, run).to_dict())
            except DataError as error:
                failures.append(str(error))
        alert_groups = alerting.raise_alerts(pipeline, run)
        for window in list_windows_ended_in(start, end, pipeline.windows.monitor) if monitor == "yes" else ():
            try:
                judged_windows.append(operations.judge_past_window(pipeline, window).to_dict())
            except DataError as error:
                failures.append(str(error))
    if not scored_windows and not judged_windows:
        raise WindowError(failures[-1] if failures else f"no window ended in {span}")
    return {
        "windows": scored_windows,
        "judged": judged_windows,
        "empty": failures,
        "left_out": "",
        "alerts": alert_groups,
    }


@flow(name="notify-test")
def notify_test(config: str = "configs/quickstart.yaml") -> dict[str, Any]:
    """Send a test message to every target of a pipeline.

    Args:
        config: Path of the pipeline YAML.
    """
    pipeline = load_pipeline(config)
    return {"targets": [item.to_dict() for item in operations.send_test_message(pipeline)]}
