"""Flow ``monitor``: one verdict on the newest window; a bad one becomes an event for automations."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.run_guard import guard_run
from flows.run_moment import format_run_name, resolve_run_moment
from pynomaly.config import load_pipeline
from pynomaly.steps.monitoring.monitor_window import find_monitoring_window
from tasks import monitoring, reporting

__all__ = ["monitor"]


@flow(name="monitor", flow_run_name=format_run_name)
def monitor(config: str = "configs/quickstart.yaml", as_of: str = "") -> dict[str, Any]:
    """Judge the newest monitoring window: data, scores, alert rate, performance where there are labels.

    Args:
        config: Path of the pipeline YAML.
        as_of: Moment the run stands for, with an offset; empty means the scheduled time, "latest"
            the end of the data.
    """
    pipeline = load_pipeline(config)
    with guard_run(pipeline, "monitor"):
        at = resolve_run_moment(pipeline, as_of)
        result = monitoring.monitor_window(pipeline, find_monitoring_window(pipeline, at), at)
        page = reporting.publish_window_page(pipeline, result.window, result.version)
        return result.to_dict() | {"page": page.path if page else ""}
