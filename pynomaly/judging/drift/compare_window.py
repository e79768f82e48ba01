"""Compute the drift of one window: the one way for monitoring, baking, drills, replays and scored files.

The window is compared with the same hours of the week of the reference, where the reference has such a
baseline; known anomalies are left out, as they are in the reference. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.judging.drift.drift_report import DriftReport
from pynomaly.judging.drift.window_drift import compare_sketches
from pynomaly.model.sketch.reference import sketch_window
from pynomaly.model.sketch.sketch import Sketch

__all__ = ["compute_window_drift"]


def compute_window_drift(
    reference: Sketch,
    contract: FrameContract,
    frame: pd.DataFrame,
    settings: config.Drift,
    scores: npt.ArrayLike | None = None,
    earlier: Sequence[Mapping[str, float]] | None = (),
) -> DriftReport:
    """Compare the rows of a window, and their scores, with the reference of a model.

    Parameters
    ----------
    reference : Sketch
        The model's reference, with its seasons (:attr:`pynomaly.model.bundle.Bundle.sketch`).
    contract : FrameContract
        The model's contract. Rows that its label column calls an anomaly are left out, unless all are.
    frame : DataFrame of shape (n, >= d)
        Validated rows; without their times, or with a missing time, they are compared with all seasons.
    settings : Drift
    scores : array of shape (n,), optional
        Scores of the rows under this model; without them the report has no ``score``.
    earlier : sequence of mapping of str to float, or None
        Levels of the model's earlier windows (:attr:`DriftReport.levels`), oldest first: what moved by little
        adds up. None where nothing may be added to them.

    Raises
    ------
    ColumnError
        If a feature is missing, or a numeric one holds text.
    """
    measured = None if scores is None else np.asarray(scores, dtype=np.float64)
    label = contract.label
    if label is not None and label in frame and (is_usual := (frame[label] != 1).to_numpy(bool)).any():
        frame = frame[is_usual]
        measured = None if measured is None else measured[is_usual]
    current = sketch_window(frame, contract, reference, measured)
    return compare_sketches(reference, current, settings, earlier)
