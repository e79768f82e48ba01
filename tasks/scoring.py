"""Tasks of scoring: find the windows that are due, and score each in its own task."""

from __future__ import annotations

from datetime import datetime

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.steps.scoring.due_windows import DueWindows
from pynomaly.steps.scoring.due_windows import find_due_windows as due_windows_step
from pynomaly.steps.scoring.score_windows import WindowScores
from pynomaly.steps.scoring.score_windows import score_window as score_window_step
from pynomaly.steps.window_run import WindowRun
from tasks.events import announce_event, announce_quality_blocks
from tasks.step import pipeline_task

__all__ = ["find_due_windows", "score_window"]


@pipeline_task("windows due")
def find_due_windows(pipeline: Pipeline, moment: datetime, start: str, end: str) -> DueWindows:
    """Returns the windows to score at `moment`, or those of an explicit range."""
    return due_windows_step(pipeline, moment, start, end)


@pipeline_task("score a window")
def score_window(pipeline: Pipeline, window: Window | None, run: WindowRun | None = None) -> WindowScores:
    """Score one window with the champion of this moment; `run` holds what the windows of a flow share."""
    with announce_quality_blocks(pipeline, "score", window):
        result = score_window_step(pipeline, window, run)
    if result.bake == "breach":
        rollback_payload = {"version": result.version, "window": result.window, "actor": "bake"}
        announce_event(pipeline, "champion.rollback", rollback_payload)
    return result
