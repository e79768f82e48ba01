"""Out-of-fold scores: every row scored by a model that did not see it, so none is set aside.

For tables where a split is wasteful. The model that ships is fitted on all rows, so its p-values compare a
new row's score with scores of models fitted on a fold less. They are about right when leaving out a fold
hardly moves a score, and tend to be too large, not too small, as less data fits worse. There is no guarantee
at a given sample size (Barber et al. 2021, section 2: the jackknife without +); keeping every fold's model
would give ``P(p <= t) <= 2 t``, at `FOLDS` times the size and time. Called by :mod:`pynomaly.model.fitting`,
which refuses scores of models that are plainly others.

References
----------
Barber, Candès, Ramdas, Tibshirani (2021), Predictive inference with the jackknife+, Annals of Statistics
49(1).
Hennhöfer, Preisach (2024), Leave-one-out-, bootstrap- and cross-conformal anomaly detectors, IEEE ICKG.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly import config
from pynomaly.model.calibration import FEWEST

__all__ = ["FOLDS", "SCARCE", "folds_of", "is_crossed", "out_of_fold"]

Floats = NDArray[np.float64]

FOLDS = 5
SCARCE = 100  # fewer rows set aside neither resolve p = 0.01 nor carry a tail


def is_crossed(training: config.Training, held_out: int, rows: int) -> bool:
    """Whether to calibrate on out-of-fold scores, when a split sets aside `held_out` of `rows` rows."""
    if training.calibrate == "auto":
        return held_out < SCARCE and rows >= FEWEST  # with fewer, no p-value is computable either way
    return training.calibrate == "cross"


def folds_of(rows: int, seed: int) -> NDArray[np.intp]:
    """Fold of each of `rows` rows, array of shape (rows,): sizes differ by one at most."""
    order = np.random.default_rng(seed).permutation(rows)
    folds = np.empty(rows, dtype=np.intp)
    folds[order] = np.arange(rows) % min(FOLDS, rows)
    return folds


def out_of_fold(
    rows: pd.DataFrame, seed: int, fit: Callable[[pd.DataFrame], Callable[[pd.DataFrame], Floats]]
) -> Floats:
    """Score each row by what was fitted on the other folds.

    Parameters
    ----------
    rows : DataFrame of shape (n, d)
    seed : int
    fit : callable
        Takes rows; gives a function that takes rows and gives their scores.

    Returns
    -------
    ndarray of shape (n,)
    """
    folds = folds_of(len(rows), seed)
    scores = np.empty(len(rows))
    for fold in np.unique(folds):
        out = folds == fold
        scores[out] = fit(rows[~out])(rows[out])
    return scores
