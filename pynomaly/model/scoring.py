"""From rows to scores, and from scores to p-values, severity and alerts; each row by itself.

Called by :mod:`pynomaly.model.bundle` for the fitted model, and when fitting for the models of the folds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.frame import FrameContract
from pynomaly.detectors.base import Detector
from pynomaly.detectors.methods.reranking import Reranking
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.calibration import Calibration, name_rarity, name_severity
from pynomaly.model.features import FeatureEncoder
from pynomaly.model.row_times import read_row_times

__all__ = ["SCORE_COLUMNS", "assess_scores", "make_scorer", "prepare_rows", "score_prepared"]

Floats = NDArray[np.float64]

SCORE_COLUMNS = ("score", "p_value", "severity", "is_anomaly", "extrapolated", "rarity")


def prepare_rows(
    frame: pd.DataFrame, contract: FrameContract, *, calendar: bool
) -> tuple[pd.DataFrame, pd.Series[Any] | None]:
    """Return conformed rows, and their times if the features use a calendar."""
    return contract.conform(frame), read_row_times(frame, contract) if calendar else None


def make_scorer(
    features: FeatureEncoder, detector: Detector, contract: FrameContract, reranking: Reranking | None = None
) -> Callable[[pd.DataFrame], Floats]:
    """Return a function that scores rows with a fitted model; the reranking, if any, is applied last."""

    def scores(frame: pd.DataFrame) -> Floats:
        conformed, times = prepare_rows(frame, contract, calendar=features.calendar)
        return score_prepared(conformed, times, features, detector, reranking)

    return scores


def score_prepared(
    conformed: pd.DataFrame,
    times: pd.Series[Any] | None,
    features: FeatureEncoder,
    detector: Detector,
    reranking: Reranking | None,
) -> Floats:
    """Score the rows and times that `prepare_rows` returns; array of shape (n,)."""
    numbers = features.transform(conformed, times)
    scores = detector.score(numbers)
    return scores if reranking is None else reranking.score(numbers, scores)


def assess_scores(scores: Floats, calibration: Calibration, policy: AlertPolicy) -> dict[str, NDArray[Any]]:
    """Return `SCORE_COLUMNS` for `scores`, all arrays of shape (n,); each row is judged by itself."""
    p_values = calibration.p_values(scores)
    return {
        "score": scores,
        "p_value": p_values,
        "severity": name_severity(p_values),
        "is_anomaly": policy.alerts(p_values),
        "extrapolated": calibration.mark_extrapolated(p_values),
        "rarity": name_rarity(p_values, policy.rows_per_day if calibration.computable else None),
    }
