"""Fit features and detector, and calibrate: on rows kept apart, or on out-of-fold scores of all rows.

Out-of-fold scores are used only where they are those of the model that ships: if its own scores of the rows
it was fitted on, which should be the lower ones, are higher than chance explains, the folds' models are
others, p-values from them could be a wall of alerts, and a split is used instead. Known anomalies, where
there are any, teach last (:mod:`pynomaly.model.known`). Called by :mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.detectors import make
from pynomaly.detectors.base import Detector
from pynomaly.detectors.deadline import fit_within
from pynomaly.detectors.reranking import Reranking
from pynomaly.errors import DataError, DetectorError, FitTimeoutError
from pynomaly.model.calibration import Calibration
from pynomaly.model.crossfit import is_crossed, out_of_fold
from pynomaly.model.features import Features
from pynomaly.model.known import Known, left_out, teach
from pynomaly.model.scoring import prepared, scorer

__all__ = ["Fitted", "fit_model"]

Floats = NDArray[np.float64]

CHANCE = 1.36  # Kolmogorov's distance times sqrt(n) that one sample in forty exceeds on one side


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted and calibrated model.

    Attributes
    ----------
    given : int
        Rows there were to fit on, before sampling.
    rows, held_out : DataFrame
        Rows that were fitted on, and rows whose scores (`scores`) calibrate; the same when cross-fitted.
    note : str
        What a person should know of the calibration, or "".
    teachers : DataFrame or None
        Held-out rows that taught `reranking` and so do not calibrate.
    reranking : Reranking or None
    known : dict or None
        What known anomalies came to (:class:`~pynomaly.model.known.Taught`); None where there were none.
    """

    features: Features
    detector: Detector
    calibration: Calibration
    given: int
    rows: pd.DataFrame
    held_out: pd.DataFrame
    scores: Floats
    note: str = ""
    teachers: pd.DataFrame | None = None
    reranking: Reranking | None = None
    known: dict[str, Any] | None = None

    @property
    def seen(self) -> pd.DataFrame:
        """Every row that is presumed normal and took part, once."""
        if self.calibration.method == "cross":
            return self.rows
        parts = [self.rows, self.held_out, self.teachers]
        return pd.concat([part for part in parts if part is not None], ignore_index=True)


def fit_model(
    fit_frame: pd.DataFrame,
    calibration_frame: pd.DataFrame,
    pipeline: config.Pipeline,
    candidate: config.Candidate,
    contract: FrameContract,
    known: Known | None = None,
) -> Fitted:
    """Fit on the first part and calibrate on the second, or do both on all rows (``training.calibrate``).

    More rows than ``training.max_rows`` are sampled by seed. Known anomalies may move the scores, and with
    them the rows that calibrate.
    """
    fitted = _fitted(fit_frame, calibration_frame, pipeline, candidate, contract)
    if known is None or not len(known.frame):
        return fitted
    return _taught(fitted, known, pipeline.training, contract)


def _taught(fitted: Fitted, known: Known, training: config.Training, contract: FrameContract) -> Fitted:
    """The same model after known anomalies taught it, if that ranks better; the facts say it either way."""

    def numbers(frame: pd.DataFrame) -> Floats:
        conformed, times = prepared(frame, contract, calendar=fitted.features.calendar)
        return fitted.features.transform(conformed, times)

    count = len(known.frame)
    if training.known_anomalies == "leave_out":
        return replace(fitted, known=left_out(count, "training.known_anomalies is leave_out"))
    try:
        odd = numbers(known.frame)
    except DataError as error:  # features.missing: reject
        return replace(fitted, known=left_out(count, f"they cannot be turned into numbers: {error}"))
    usual = numbers(fitted.held_out)
    taught = teach(usual, fitted.scores, odd, fitted.detector.score(odd), known.blocks, training.seed)
    if taught.reranking is None:
        return replace(fitted, known=taught.facts)
    kept = taught.calibrating
    scores = taught.reranking.score(usual[kept], fitted.scores[kept])
    return replace(
        fitted,
        calibration=Calibration.fit(scores, method=fitted.calibration.method, tail=training.tail == "pareto"),
        held_out=fitted.held_out[kept],
        scores=scores,
        teachers=fitted.held_out[~kept],
        reranking=taught.reranking,
        known=taught.facts,
    )


def _fitted(
    fit_frame: pd.DataFrame,
    calibration_frame: pd.DataFrame,
    pipeline: config.Pipeline,
    candidate: config.Candidate,
    contract: FrameContract,
) -> Fitted:
    training = pipeline.training
    given = len(fit_frame) + len(calibration_frame)
    note = ""
    if is_crossed(training, len(calibration_frame), given):
        together = pd.concat([fit_frame, calibration_frame], ignore_index=True)
        try:
            crossed = _crossed(together, pipeline, candidate, contract)
        except FitTimeoutError:
            raise
        except DetectorError as error:
            # A fold may be too small where the whole is not; a fault of the whole comes up again below.
            note = f"calibrated on {len(calibration_frame)} rows kept apart: a fold cannot be fitted: {error}"
        else:
            apart = _apart(crossed, contract)
            if apart <= CHANCE / math.sqrt(len(crossed.rows)):
                return crossed
            note = (
                f"calibrated on {len(calibration_frame)} rows kept apart: out-of-fold scores are {apart:.0%} "
                "away from those of the whole fit, this detector changes too much with the rows"
            )
    rows = _sampled(fit_frame, training)
    features, detector = _fit(rows, pipeline, candidate, contract, limited=True)
    scores = scorer(features, detector, contract)(calibration_frame)
    calibration = Calibration.fit(scores, tail=training.tail == "pareto")
    return Fitted(features, detector, calibration, len(fit_frame), rows, calibration_frame, scores, note)


def _crossed(
    together: pd.DataFrame, pipeline: config.Pipeline, candidate: config.Candidate, contract: FrameContract
) -> Fitted:
    training = pipeline.training
    rows = _sampled(together, training)
    features, detector = _fit(rows, pipeline, candidate, contract, limited=True)
    scores = out_of_fold(
        rows,
        training.seed,
        # A fold needs no process of its own: the same fit has ended in time on more rows.
        lambda part: scorer(*_fit(part, pipeline, candidate, contract, limited=False), contract),
    )
    calibration = Calibration.fit(scores, method="cross", tail=training.tail == "pareto")
    return Fitted(features, detector, calibration, len(together), rows, rows, scores)


def _apart(crossed: Fitted, contract: FrameContract) -> float:
    """How far the whole fit scores its own rows above their out-of-fold scores: Kolmogorov, one-sided."""
    if not crossed.calibration.computable:
        return 0.0
    own = scorer(crossed.features, crossed.detector, contract)(crossed.rows)
    p = np.sort(crossed.calibration.conformal(own))
    return float(np.max(np.arange(1, len(p) + 1) / len(p) - p))


def _sampled(rows: pd.DataFrame, training: config.Training) -> pd.DataFrame:
    if len(rows) <= training.max_rows:
        return rows
    return rows.sample(training.max_rows, random_state=training.seed).sort_index()


def _fit(
    part: pd.DataFrame,
    pipeline: config.Pipeline,
    candidate: config.Candidate,
    contract: FrameContract,
    *,
    limited: bool,
) -> tuple[Features, Detector]:
    """Features and detector of some rows; if `limited`, within the hard limit of time."""
    training = pipeline.training
    conformed, times = prepared(part, contract, calendar=pipeline.features.calendar)
    features = Features.fit(conformed, times, pipeline.features)
    numbers = features.transform(conformed, times)
    fresh = make(candidate.detector, seed=training.seed, **candidate.params)
    limit = training.timeout.total_seconds()
    return features, fit_within(fresh, numbers, limit) if limited else fresh.fit(numbers)
