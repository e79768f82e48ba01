"""Flow ``report``: writes the newest pages, on schedule or on request, and notifies people if asked."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow

from flows.moment import moment, named
from flows.watched import watched
from pynomaly.config import load
from tasks import reporting

__all__ = ["report"]


@flow(name="report", flow_run_name=named)
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
    pipeline = load(config)
    with watched(pipeline):
        pages = reporting.newest_report(pipeline, moment(pipeline, as_of), send == "yes")
    return {"pages": [page.to_dict() for page in pages]}
