"""Score: every window that is due, with whatever is champion at that moment."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from flows.moment import moment, named
from flows.watched import watched
from pynomaly.config import load
from pynomaly.errors import WindowError
from tasks import alerting, scoring

__all__ = ["score"]


@flow(name="score", flow_run_name=named)
def score(
    config: str = "configs/quickstart.yaml",
    start: str = "",
    end: str = "",
    as_of: str = "",
) -> dict[str, Any]:
    """Score the windows that are due, one partition a window; a window scored before stays as it is.

    Args:
        config: Path of the pipeline YAML.
        start: First moment to score, with an offset; empty means since the last partition.
        end: End of the range, with an offset.
        as_of: Moment the run stands for, with an offset; empty means the scheduled time, "latest"
            the end of the data.
    """
    pipeline = load(config)
    with watched(pipeline, "" if start else "score"):
        due = scoring.due(pipeline, moment(pipeline, as_of), start, end)
        scored, empty = [], []
        for window in due.windows:
            try:
                scored.append(scoring.score_window(pipeline, window))
            except WindowError as error:
                empty.append(str(error))
        for line in (due.left_out, *empty):
            if line:
                get_run_logger().warning(line)
        if empty and not scored:
            raise WindowError(empty[-1])
        raised = alerting.raise_alerts(pipeline)
        windows = [item.to_dict() for item in scored]
        return {"windows": windows, "empty": empty, "left_out": due.left_out, "alerts": raised}
