"""Flow ``score``: scores every due window with the version that is champion at that moment."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from flows.run_guard import guard_run
from flows.run_moment import format_run_name, resolve_run_moment
from pynomaly.config import load_pipeline
from pynomaly.errors import QualityError, WindowError
from pynomaly.steps.window_run import WindowRun
from tasks import alerting, scoring, streaming

__all__ = ["score"]


@flow(name="score", flow_run_name=format_run_name)
def score(
    config: str = "configs/quickstart.yaml",
    start: str = "",
    end: str = "",
    as_of: str = "",
) -> dict[str, Any]:
    """Score the windows that are due, one partition per window; a window scored before stays as it is.

    A window that validation blocks is left out and recorded, and the later ones are scored; the run then
    ends as failed and names it.

    Args:
        config: Path of the pipeline YAML.
        start: First moment to score, with an offset; empty means since the last partition.
        end: End of the range, with an offset.
        as_of: Moment the run stands for, with an offset; empty means the scheduled time, "latest"
            the end of the data.
    """
    pipeline = load_pipeline(config)
    with guard_run(pipeline, "" if start else "score"), WindowRun(pipeline) as run:
        moment = resolve_run_moment(pipeline, as_of)
        if pipeline.data.source == "stream":
            moment = streaming.close_stream_windows(pipeline, run, moment)
        due = scoring.find_due_windows(pipeline, moment, start, end)
        scored_windows, empty_messages, blocked_messages = [], [], []
        for window in due.windows:
            try:
                scored_windows.append(scoring.score_window(pipeline, window, run))
            except WindowError as error:
                empty_messages.append(str(error))
            except QualityError as error:
                blocked_messages.append(str(error))
        for line in (due.left_out, *empty_messages):
            if line:
                get_run_logger().warning(line)
        if empty_messages and not scored_windows and not blocked_messages:
            raise WindowError(empty_messages[-1])
        alert_groups = alerting.raise_alerts(pipeline, run)
        if blocked_messages:
            raise QualityError(_describe_blocks(blocked_messages, len(scored_windows)))
        windows = [item.to_dict() for item in scored_windows]
        return {"windows": windows, "empty": empty_messages, "left_out": due.left_out, "alerts": alert_groups}


def _describe_blocks(messages: list[str], scored: int) -> str:
    """Returns the first message, with the number of other windows that are blocked or scored."""
    others = f"; {len(messages) - 1} more windows are blocked" if len(messages) > 1 else ""
    rest = f"; the other {scored} due windows are scored" if scored else ""
    return f"{messages[0]}{others}{rest}; once it is mended, `pynomaly score --start` scores it again"
