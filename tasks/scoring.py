"""Tasks of scoring: find the windows that are due, and score each in its own task."""

from __future__ import annotations

from datetime import datetime

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.steps.due import Due
from pynomaly.steps.due import due_windows as due_windows_step
from pynomaly.steps.score import Scored
from pynomaly.steps.score import score_window as score_window_step
from tasks.events import announce, blocks_announced
from tasks.step import step

__all__ = ["due", "score_window"]


@step("windows due")
def due(pipeline: Pipeline, moment: datetime, start: str, end: str) -> Due:
    """Returns the windows to score at `moment`, or those of an explicit range."""
    return due_windows_step(pipeline, moment, start, end)


@step("score a window")
def score_window(pipeline: Pipeline, window: Window | None) -> Scored:
    """Score one window with the champion of this moment."""
    with blocks_announced(pipeline, "score", window):
        result = score_window_step(pipeline, window)
    if result.bake == "breach":
        rollback_payload = {"version": result.version, "window": result.window, "actor": "bake"}
        announce(pipeline, "champion.rollback", rollback_payload)
    return result
