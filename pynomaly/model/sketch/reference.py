"""The reference sketch of a model: its rows, its held-out scores and its baseline.

Called by :mod:`pynomaly.model.bundle` at a fit and at a recalibration. :func:`sketch_window` is called by
code that compares a window with the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.frame import FrameContract
from pynomaly.model.row_times import read_row_times
from pynomaly.model.sketch.baseline import Baseline, find_usual_wander
from pynomaly.model.sketch.sketch import Sketch

__all__ = ["HeldOutRows", "renew_reference_sketch", "sketch_reference", "sketch_window"]


@dataclass(frozen=True, eq=False)
class HeldOutRows:
    """Rows that the detector was not fitted on, and their scores, array of shape (n,)."""

    frame: pd.DataFrame
    scores: NDArray[np.float64]


def sketch_reference(
    frame: pd.DataFrame,
    held_out: HeldOutRows,
    contract: FrameContract,
    length: pd.Timedelta,
    seasons: int,
    importance: Mapping[str, float],
    weight: float = 1.0,
) -> Sketch:
    """Sketch the rows and the held-out scores of a reference, with its baseline if it has times.

    Parameters
    ----------
    frame : DataFrame of shape (n, >= d)
        Every row of the reference.
    held_out : HeldOutRows
        Held-out rows are used because scores of fitted rows are too low.
    contract : FrameContract
    length : Timedelta
        Length of a monitored window.
    seasons : int
        Weeks in which a cell of the week must have been seen.
    importance : mapping of str to float
    weight : float
        Number of rows that each row stands for; above 1 for a sample, which has fewer rows than a window.
    """
    rows, times = contract.conform(frame), _read_complete_times(frame, contract)
    sketch = Sketch.of(rows, held_out.scores, times)
    if times is None:
        return sketch.with_reference(None, importance)
    baseline = Baseline.of(
        rows,
        times,
        sketch.numeric,
        sketch.categorical,
        sketch.moments,
        length=length,
        seasons=seasons,
        thin=weight,
    )
    held_out_times = _read_complete_times(held_out.frame, contract)
    if held_out_times is not None and sketch.score is not None and sketch.score.n:
        # Held-out rows are fewer a day than the rows of a window.
        score = Baseline.measure_scores(
            held_out.scores,
            held_out_times,
            sketch.score,
            length=length,
            seasons=seasons,
            thin=max(1.0, weight * len(rows) / len(held_out.scores)),
            wander=find_usual_wander(baseline.columns),
        )
        baseline = replace(baseline, score=score)
    return sketch.with_reference(baseline, importance)


def renew_reference_sketch(
    sketch: Sketch, rows: HeldOutRows, contract: FrameContract, weight: float = 1.0
) -> Sketch:
    """Return the reference sketch of newer rows for the same model, with the settings of `sketch`."""
    baseline = sketch.baseline
    return sketch_reference(
        rows.frame,
        rows,
        contract,
        length=pd.Timedelta(seconds=baseline.length) if baseline else pd.Timedelta(days=1),
        seasons=baseline.seasons if baseline else 2,
        importance=sketch.importance,
        weight=weight,
    )


def sketch_window(
    frame: pd.DataFrame,
    contract: FrameContract,
    reference: Sketch,
    scores: NDArray[np.float64] | None = None,
) -> Sketch:
    """Sketch a window, DataFrame of shape (n, >= d), so that it can be compared with `reference`."""
    return Sketch.of(contract.conform(frame), scores, _read_complete_times(frame, contract), reference)


def _read_complete_times(frame: pd.DataFrame, contract: FrameContract) -> pd.Series[Any] | None:
    """Return the times of all rows; None if there are no rows, no time column or a missing time."""
    if contract.time is None or contract.time not in frame or not len(frame):
        return None
    if frame[contract.time].isna().any():
        return None
    return read_row_times(frame, contract)
