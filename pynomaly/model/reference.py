"""The sketch that a model ships with: its rows, its held-out scores, and how they differ among themselves.

Called by :mod:`pynomaly.model.bundle`, at the fit and at a recalibration; and :func:`window_sketch` by
whoever compares a window with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.frame import FrameContract
from pynomaly.model.baseline import Baseline
from pynomaly.model.sketch import Sketch
from pynomaly.model.times import moments

__all__ = ["Scored", "reference_sketch", "renewed", "window_sketch"]


@dataclass(frozen=True, eq=False)
class Scored:
    """Held-out rows, and their scores as an array of shape (n,)."""

    frame: pd.DataFrame
    scores: NDArray[np.float64]


def reference_sketch(
    frame: pd.DataFrame,
    held_out: Scored,
    contract: FrameContract,
    length: pd.Timedelta,
    seasons: int,
    importance: Mapping[str, float],
    weight: float = 1.0,
) -> Sketch:
    """Sketch a reference.

    Parameters
    ----------
    frame : DataFrame of shape (n, >= d)
        Every row of the reference.
    held_out : Scored
        Scores of fitted rows are too low: these are not.
    contract : FrameContract
    length : Timedelta
        Of a monitored window.
    seasons : int
        Weeks that a comparison by season needs.
    importance : mapping of str to float
    weight : float
        Rows that each row stands for: more than 1 for a sample, which is thinner than a window will be.
    """
    rows, times = contract.conform(frame), _times(frame, contract)
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
    scored = _times(held_out.frame, contract)
    if scored is not None and sketch.score is not None and sketch.score.n:
        # Held-out rows are a thinner stream than a window will be.
        score = Baseline.of_scores(
            held_out.scores,
            scored,
            sketch.score,
            length=length,
            seasons=seasons,
            thin=max(1.0, weight * len(rows) / len(held_out.scores)),
        )
        baseline = replace(baseline, score=score)
    return sketch.with_reference(baseline, importance)


def renewed(sketch: Sketch, rows: Scored, contract: FrameContract, weight: float = 1.0) -> Sketch:
    """The sketch of a model that stays, on newer rows; made with the same settings as `sketch`."""
    known = sketch.baseline
    return reference_sketch(
        rows.frame,
        rows,
        contract,
        length=pd.Timedelta(seconds=known.length) if known else pd.Timedelta(days=1),
        seasons=known.seasons if known else 2,
        importance=sketch.importance,
        weight=weight,
    )


def window_sketch(
    frame: pd.DataFrame,
    contract: FrameContract,
    reference: Sketch,
    scores: NDArray[np.float64] | None = None,
) -> Sketch:
    """Sketch a window, DataFrame of shape (n, >= d), so that it can be compared with `reference`."""
    return Sketch.of(contract.conform(frame), scores, _times(frame, contract), reference)


def _times(frame: pd.DataFrame, contract: FrameContract) -> pd.Series[Any] | None:
    """Times of all rows; None where there are none, or not of every row."""
    if contract.time is None or contract.time not in frame or not len(frame):
        return None
    if frame[contract.time].isna().any():
        return None
    return moments(frame, contract)
