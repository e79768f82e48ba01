"""Tasks of scoring: which windows are due, and one task a window."""

from __future__ import annotations

from datetime import datetime

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.steps.due import Due, due_windows
from pynomaly.steps.score import Scored
from pynomaly.steps.score import score_window as score_window_step
from tasks.events import announce, blocks_announced
from tasks.step import step

__all__ = ["due", "score_window"]


@step("windows due")
def due(pipeline: Pipeline, moment: datetime, start: str, end: str) -> Due:
    """Windows to score at `moment`, or those of an explicit range."""
    return due_windows(pipeline, moment, start, end)


@step("score a window")
def score_window(pipeline: Pipeline, window: Window | None) -> Scored:
    """Score one window with the champion of this moment."""
    with blocks_announced(pipeline, "score", window):
        scored = score_window_step(pipeline, window)
    if scored.bake == "breach":
        taken_back = {"version": scored.version, "window": scored.window, "actor": "bake"}
        announce(pipeline, "champion.rollback", taken_back)
    return scored
