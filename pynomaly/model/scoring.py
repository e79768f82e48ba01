"""From rows to scores, and from scores to p-values, severity and alerts; each row by itself.

Called by :mod:`pynomaly.model.bundle` for the fitted model, and when fitting for the models of the folds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.frame import FrameContract
from pynomaly.data.past import get_past
from pynomaly.data.past_array import PastArray
from pynomaly.detectors.base import Detector
from pynomaly.detectors.methods.reranking import Reranking
from pynomaly.detectors.past_rows import PastRows
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.calibration import Calibration, name_rarity, name_severity
from pynomaly.model.entities.scales import Names, read_row_entities
from pynomaly.model.features import FeatureEncoder
from pynomaly.model.past_encoding import encode_past
from pynomaly.model.row_times import read_row_times

__all__ = [
    "SCORE_COLUMNS",
    "PreparedRows",
    "assess_scores",
    "encode_rows",
    "make_scorer",
    "prepare_rows",
    "score_prepared",
]

Floats = NDArray[np.float64]

SCORE_COLUMNS = ("score", "p_value", "severity", "is_anomaly", "extrapolated", "rarity")


@dataclass(frozen=True, eq=False)
class PreparedRows:
    """Rows as a model takes them.

    Attributes
    ----------
    frame : DataFrame of shape (n, d)
        Conformed rows.
    times : Series of shape (n,) or None
        Their times, if the features use a calendar.
    past : PastArray of length n or None
        Their past, if the rows carry one.
    entities : ndarray of shape (n,), object, or None
        Whose rows they are, if the model needs to know.
    """

    frame: pd.DataFrame
    times: pd.Series[Any] | None = None
    past: PastArray | None = None
    entities: Names | None = None


def prepare_rows(
    frame: pd.DataFrame, contract: FrameContract, *, calendar: bool, entities: bool = False
) -> PreparedRows:
    """Return conformed rows, with their past; their times and entities, if the model needs them."""
    times = read_row_times(frame, contract) if calendar else None
    names = read_row_entities(frame, contract) if entities else None
    return PreparedRows(contract.conform(frame), times, get_past(frame), names)


def encode_rows(rows: PreparedRows, features: FeatureEncoder, *, looks_back: bool) -> Floats | PastRows:
    """Return what a detector is fitted on and scores: numbers, of shape (n, d), or those and a past."""
    numbers = features.transform(rows.frame, rows.times, rows.entities)
    return encode_past(rows.frame, rows.past, numbers, features) if looks_back else numbers


def make_scorer(
    features: FeatureEncoder, detector: Detector, contract: FrameContract, reranking: Reranking | None = None
) -> Callable[[pd.DataFrame], Floats]:
    """Return a function that scores rows with a fitted model; the reranking, if any, is applied last."""

    def scores(frame: pd.DataFrame) -> Floats:
        rows = prepare_rows(frame, contract, calendar=features.calendar, entities=features.by_entity)
        return score_prepared(rows, features, detector, reranking)

    return scores


def score_prepared(
    rows: PreparedRows, features: FeatureEncoder, detector: Detector, reranking: Reranking | None
) -> Floats:
    """Score what `prepare_rows` returns; array of shape (n,)."""
    encoded = encode_rows(rows, features, looks_back=detector.looks_back)
    scores = detector.score(encoded)
    if reranking is None:
        return scores
    return reranking.score(encoded.numbers if isinstance(encoded, PastRows) else encoded, scores)


def assess_scores(
    scores: Floats, calibration: Calibration, policy: AlertPolicy, entities: Names | None = None
) -> dict[str, NDArray[Any]]:
    """Return `SCORE_COLUMNS` for `scores`, all arrays of shape (n,); each row is judged by itself."""
    p_values = calibration.p_values(scores, entities)
    return {
        "score": scores,
        "p_value": p_values,
        "severity": name_severity(p_values),
        "is_anomaly": policy.alerts(p_values),
        "extrapolated": calibration.mark_extrapolated(p_values, entities),
        "rarity": name_rarity(p_values, policy.rows_per_day if calibration.computable else None),
    }
