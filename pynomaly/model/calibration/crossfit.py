"""Out-of-fold scores: each row is scored by a model not fitted on it, so no row is set aside.

For small tables. The final model is fitted on all rows, so its p-values compare the score of a new row with
scores of models fitted without one fold. They are about right when leaving out a fold hardly changes a score.
They tend to be too large rather than too small, because a model fitted on fewer rows fits worse. There is no
guarantee at a given sample size (Barber et al. 2021, section 2: the jackknife without +); keeping every
fold's model would give ``P(p <= t) <= 2 t``, at `FOLDS` times the size and time. Called by
:mod:`pynomaly.model.fitting.fitting`, which rejects the scores if the models of the folds differ too much.

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
from pynomaly.model.calibration.calibration import MIN_SCORES

__all__ = ["FOLDS", "SCARCE_ROWS", "assign_folds", "score_out_of_fold", "uses_cross_fitting"]

Floats = NDArray[np.float64]

FOLDS = 5
SCARCE_ROWS = 100  # with fewer rows set aside, p = 0.01 is not possible and no tail can be fitted


def uses_cross_fitting(training: config.Training, held_out: int, rows: int, needed: int = 0) -> bool:
    """Return whether to use out-of-fold scores, if a split would set aside `held_out` of `rows` rows.

    ``auto`` uses them where the rows set aside are scarce, and where they are fewer than the `needed` ones
    that count down to the threshold of the alert policy while all rows are enough.
    """
    if training.calibrate == "auto":
        scarce = held_out < SCARCE_ROWS and rows >= MIN_SCORES  # with fewer, no p-value is computable at all
        return scarce or held_out < needed <= min(rows, training.max_rows)
    return training.calibrate == "cross"


def assign_folds(rows: int, seed: int) -> NDArray[np.intp]:
    """Return the fold of each row, array of shape (rows,); fold sizes differ by one at most."""
    order = np.random.default_rng(seed).permutation(rows)
    folds = np.empty(rows, dtype=np.intp)
    folds[order] = np.arange(rows) % min(FOLDS, rows)
    return folds


def score_out_of_fold(
    rows: pd.DataFrame, seed: int, fit: Callable[[pd.DataFrame], Callable[[pd.DataFrame], Floats]]
) -> Floats:
    """Score each row with a model fitted on the other folds.

    Parameters
    ----------
    rows : DataFrame of shape (n, d)
    seed : int
    fit : callable
        Takes rows and returns a function that scores rows.

    Returns
    -------
    ndarray of shape (n,)
    """
    folds = assign_folds(len(rows), seed)
    scores = np.empty(len(rows))
    for fold in np.unique(folds):
        out = folds == fold
        scores[out] = fit(rows[~out])(rows[out])
    return scores
