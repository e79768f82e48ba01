"""Flows of operation: reconcile after dead processes, prune, drill, backfill, send test messages."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow

from flows.moment import moment, named
from flows.watched import watched
from pynomaly.config import load
from pynomaly.errors import DataError, WindowError
from pynomaly.steps.backfill import ended_in, past_range
from pynomaly.steps.monitor import monitored_window
from pynomaly.steps.prune import keeping
from tasks import alerting, operating, scoring

__all__ = ["backfill", "drill", "notify_test", "prune", "reconcile"]


@flow(name="reconcile", flow_run_name=named)
def reconcile(config: str = "configs/quickstart.yaml") -> dict[str, Any]:
    """Close runs of dead processes, finish half-moved aliases, deliver waiting messages, report silence.

    Args:
        config: Path of the pipeline YAML.
    """
    pipeline = load(config)
    with watched(pipeline):
        closed_runs = operating.close_dead_runs(pipeline)
        alerting.raise_alerts(pipeline)  # windows whose run died between scoring and grouping
        return operating.reconcile(pipeline).to_dict() | {"flow_runs": closed_runs}


@flow(name="prune", flow_run_name=named)
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
    pipeline = keeping(load(config), tuple(keep.split()))
    removes = apply == "yes" or (apply != "no" and pipeline.retention.when_scheduled == "apply")
    with watched(pipeline):
        return operating.prune(pipeline, removes).to_dict()


@flow(name="drill", flow_run_name=named)
def drill(config: str = "configs/quickstart.yaml", as_of: str = "") -> dict[str, Any]:
    """Inject known anomalies into a shadow copy of the newest window; check if and how soon the alert comes.

    Args:
        config: Path of the pipeline YAML.
        as_of: Moment the run stands for, with an offset; empty means the scheduled time, "latest"
            the end of the data.
    """
    pipeline = load(config)
    with watched(pipeline):
        at = moment(pipeline, as_of)
        return operating.drill(pipeline, monitored_window(pipeline, at), at).to_dict()


@flow(name="backfill", flow_run_name=named)
def backfill(
    config: str = "configs/quickstart.yaml", span: str = "", monitor: Literal["no", "yes"] = "no"
) -> dict[str, Any]:
    """Score every window that ended in a past range, and judge the range if asked; safe to repeat.

    Args:
        config: Path of the pipeline YAML.
        span: The range, like 2026-01-05..2026-01-12; dates mean midnight UTC.
        monitor: Judge the range's monitoring windows too.
    """
    pipeline = load(config)
    start, end = past_range(pipeline, span)
    scored_windows, judged_windows, failures = [], [], []
    with watched(pipeline):
        for window in ended_in(start, end, pipeline.windows.score):
            try:
                scored_windows.append(scoring.score_window(pipeline, window).to_dict())
            except DataError as error:
                failures.append(str(error))
        alert_groups = alerting.raise_alerts(pipeline)
        for window in ended_in(start, end, pipeline.windows.monitor) if monitor == "yes" else ():
            try:
                judged_windows.append(operating.judge_again(pipeline, window).to_dict())
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
    pipeline = load(config)
    return {"targets": [item.to_dict() for item in operating.send_test(pipeline)]}
