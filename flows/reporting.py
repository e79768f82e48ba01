"""Flow ``report``: writes the newest pages, on schedule or on request, and notifies people if asked."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow

from flows.run_guard import guard_run
from flows.run_moment import format_run_name, resolve_run_moment
from pynomaly.config import load_pipeline
from tasks import reporting

__all__ = ["report"]


@flow(name="report", flow_run_name=format_run_name)
def report(
    config: str = "configs/quickstart.yaml", as_of: str = "", send: Literal["no", "yes"] = "no"
) -> dict[str, Any]:
    """Write the champion's page and the last judged window's page again, and notify people if asked.

    Args:
        config: Path of the pipeline YAML.
        as_of: Moment the report stands for, with an offset; empty means the scheduled time, "latest"
            the end of the data.
        send: Notify the targets under notify that want reports.
    """
    pipeline = load_pipeline(config)
    with guard_run(pipeline):
        pages = reporting.publish_newest_report(pipeline, resolve_run_moment(pipeline, as_of), send == "yes")
    return {"pages": [page.to_dict() for page in pages]}
