"""The rows of a replay, read once, and what its policies share: trained models and validated windows.

Called by :mod:`pynomaly.steps.replay.replay_training` and :mod:`pynomaly.steps.replay.replay`. Labels are
visible after ``data.label_delay``; nothing is written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from pynomaly.config import Candidate, Pipeline
from pynomaly.data.quality import CheckedRows, validate
from pynomaly.data.sources import read_source
from pynomaly.data.window import Window
from pynomaly.errors import ConfigError, list_allowed
from pynomaly.model.bundle import Bundle
from pynomaly.records.ledger import TrainedBaseline
from pynomaly.steps.training.train_candidates import MemoryCandidate
from pynomaly.steps.training.training_rows import JudgedRows

__all__ = ["LABEL_COLUMN", "TRUTH_COLUMN", "ReplayHistory", "TrainedModel"]

TRUTH_COLUMN = "pynomaly.truth"
"""Column that the report judges by; decisions use the label column, in which late labels are missing."""

LABEL_COLUMN = "pynomaly.label"
"""Column with every label, late ones included, of which decisions read those that are due."""


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trained model, with the baseline that production would register.

    Attributes
    ----------
    bundle : Bundle
    candidate : MemoryCandidate
        The winner that holds the bundle, with its scores of the judged rows.
    baseline : TrainedBaseline
        What later windows are compared with.
    judged : JudgedRows
        The held-out rows, to compare it with a champion on.
    among : int
        Number of candidates among which those rows chose it.
    key : str
        Content key of the training.
    seconds : float
        Duration of the training.
    recalibrated, reused : bool
        Whether it is an older model with newer p-values; whether an earlier training was reused.
    """

    bundle: Bundle
    candidate: MemoryCandidate
    baseline: TrainedBaseline
    judged: JudgedRows
    among: int
    key: str
    seconds: float
    recalibrated: bool = False
    reused: bool = False


@dataclass
class ReplayHistory:
    """Rows of a range, read once, with cached trainings and validated windows for the next policy."""

    pipeline: Pipeline
    frame: pd.DataFrame
    candidates: tuple[Candidate, ...]
    every: bool
    students: dict[tuple[str, str], TrainedModel] = field(default_factory=dict)
    checked: dict[tuple[str, str], CheckedRows] = field(default_factory=dict)

    @classmethod
    def read(
        cls, pipeline: Pipeline, start: datetime, end: datetime, every: bool, truth: str | None = None
    ) -> ReplayHistory:
        """Read the first reference and all rows to `end`; errors are those of ``sources.read``.

        Fits run in this process, without ``training.timeout``: a process for each costs more than most fits.

        Raises
        ------
        ConfigError
            `truth` is no column of the source.
        """
        frame = read_source(pipeline.data, Window(pipeline.reference_start(start), end))
        frame = frame[frame[pipeline.data.time].notna()].reset_index(drop=True)
        label = pipeline.data.label
        if truth is not None and truth not in frame:
            raise ConfigError(f"truth: no column {truth!r}; {list_allowed(truth, map(str, frame))}")
        frame[LABEL_COLUMN] = frame[label] if label else np.nan
        frame[TRUTH_COLUMN] = frame[LABEL_COLUMN if truth is None else truth]
        configured = pipeline.training.candidates
        training = pipeline.training.model_copy(update={"timeout": None})
        pipeline = pipeline.model_copy(update={"training": training})
        return cls(pipeline, frame, configured if every else configured[:1], every)

    def notes(self) -> tuple[str, ...]:
        """Returns how a replay differs from operation."""
        detectors = ", ".join(candidate.detector for candidate in self.candidates)
        untrained = len(self.pipeline.training.candidates) - len(self.candidates)
        untrained_note = f"; {untrained} more are configured (--all-candidates)" if untrained else ""
        lines = [f"trained: {detectors}{untrained_note}"]
        lines.append(
            "not replayed: search, training.timeout, the gate's clean process, baking, and people's answers"
        )
        if len(self.frame) > self.pipeline.training.read_rows:
            lines.append("not replayed: training.read_rows; a training reads every row of its reference")
        return tuple(lines)

    def rows(self, window: Window) -> int:
        """Returns the number of rows in the window."""
        return int(self._inside(window).sum())

    def slice(self, window: Window, as_of: datetime) -> pd.DataFrame:
        """Returns the rows of the window, with the labels known at `as_of`."""
        data = self.pipeline.data
        frame = self.frame[self._inside(window)].reset_index(drop=True)
        if data.label:
            label_is_known = frame[data.time] + data.label_delay <= pd.Timestamp(as_of)
            frame[data.label] = frame[data.label].where(label_is_known)
        return frame

    def read_reference(self, window: Window, as_of: datetime) -> pd.DataFrame:
        """Returns the rows that a training at `as_of` learns from, as production reads them."""
        return self.slice(window, as_of).drop(columns=[TRUTH_COLUMN, LABEL_COLUMN])

    def _inside(self, window: Window) -> pd.Series[bool]:
        times = self.frame[self.pipeline.data.time]
        return (times >= window.start) & (times < window.end)

    def read_usable_rows(self, window: Window, bundle: Bundle) -> tuple[pd.DataFrame, str]:
        """Returns the rows that pass validation at the window's end, and why the window is blocked, or ""."""
        frame = self.slice(window, window.end)
        if frame.empty:
            return frame, "no row lies in the window"
        key = (window.key, json.dumps(bundle.contract.to_dict(), sort_keys=True))
        if key not in self.checked:
            self.checked[key] = validate(frame, bundle.contract, self.pipeline.quality, "score")
        checked = self.checked[key]
        blocked = checked.report.outcome == "block"
        return checked.clean, "; ".join(checked.report.reasons) or "blocked" if blocked else ""
