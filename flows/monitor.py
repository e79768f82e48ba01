"""Flow ``monitor``: one verdict on the newest window; a bad one becomes an event for automations."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.moment import moment, named
from flows.watched import watched
from pynomaly.config import load
from pynomaly.steps.monitor import monitored_window
from tasks import monitoring, reporting

__all__ = ["monitor"]


@flow(name="monitor", flow_run_name=named)
def monitor(config: str = "configs/quickstart.yaml", as_of: str = "") -> dict[str, Any]:
    """Judge the newest monitoring window: data, scores, alert rate, performance where there are labels.

    Args:
        config: Path of the pipeline YAML.
        as_of: Moment the run stands for, with an offset; empty means the scheduled time, "latest"
            the end of the data.
    """
    pipeline = load(config)
    with watched(pipeline, "monitor"):
        at = moment(pipeline, as_of)
        result = monitoring.monitor_window(pipeline, monitored_window(pipeline, at), at)
        page = reporting.window_page(pipeline, result.window, result.version)
        return result.to_dict() | {"page": page.path if page else ""}
