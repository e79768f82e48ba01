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
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly import config
from pynomaly.data.past import get_past
from pynomaly.data.past_array import PastArray
from pynomaly.model.calibration.calibration import MIN_SCORES
from pynomaly.model.dependence.dependence import INDEPENDENT, Dependence, to_seconds

__all__ = [
    "FOLDS",
    "SCARCE_ROWS",
    "assign_folds",
    "assign_time_folds",
    "score_out_of_fold",
    "uses_cross_fitting",
]

Floats = NDArray[np.float64]

FOLDS = 5
SCARCE_ROWS = 100  # with fewer rows set aside, p = 0.01 is not possible and no tail can be fitted


def uses_cross_fitting(
    training: config.Training,
    held_out: int,
    rows: int,
    needed: int = 0,
    *,
    in_stretches: bool = False,
    dependence: Dependence = INDEPENDENT,
) -> bool:
    """Return whether to use out-of-fold scores, if a split would set aside `held_out` of `rows` rows.

    ``auto`` uses them where the rows set aside are scarce, where they are fewer than the `needed` ones that
    count down to the threshold of the alert policy while all rows are enough, and where rows carry their
    past: those set aside are one stretch of time, not a sample of all of it, whatever the detector. Dependent
    rows set aside are scarce where they are worth few independent ones.
    """
    few = dependence.is_apart and dependence.count_effective(held_out) < SCARCE_ROWS
    if training.calibrate == "auto" and (in_stretches or few):
        return MIN_SCORES <= rows <= training.max_rows
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
    rows: pd.DataFrame,
    seed: int,
    fit: Callable[[pd.DataFrame], Callable[[pd.DataFrame], Floats]],
    times: pd.Series[Any] | None = None,
    gap: float = 0.0,
) -> Floats:
    """Score each row with a model fitted on the other folds.

    Parameters
    ----------
    rows : DataFrame of shape (n, d)
        Rows that carry their past are held out by stretches of time (`assign_time_folds`).
    seed : int
    fit : callable
        Takes rows and returns a function that scores rows.
    times : Series of shape (n,), optional
        Aware times. With a `gap`, seconds, rows are held out by stretches of time, and rows that lie closer
        to a stretch than the gap are not fitted for it.

    Returns
    -------
    ndarray of shape (n,)
    """
    past = get_past(rows)
    moments = to_seconds(times) if times is not None and gap > 0 else None
    if past is not None:
        folds = assign_time_folds(past.stretches.moments[past.places])
    else:
        folds = assign_folds(len(rows), seed) if moments is None else assign_time_folds(moments)
    scores = np.empty(len(rows))
    for fold in np.unique(folds):
        out = folds == fold
        kept = ~out if past is None else ~out & ~_overlaps(past, out)
        if moments is not None:
            kept &= (moments < moments[out].min() - gap) | (moments > moments[out].max() + gap)
        scores[out] = fit(rows[kept])(rows[out])
    return scores


def assign_time_folds(moments: NDArray[Any]) -> NDArray[np.intp]:
    """Return the fold of each of `moments`, shape (n,): stretches of time of about equally many rows.

    Neighbouring rows of a series share most of what they look back on, so rows drawn at random would be
    scored by models that saw their windows.
    """
    ranks = np.searchsorted(np.sort(moments), moments, side="left")  # rows of one moment stay together
    return np.asarray(ranks * min(FOLDS, len(moments)) // max(1, len(moments)), dtype=np.intp)


def _overlaps(past: PastArray, out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rows outside of a fold that read rows of it, up to a quarter of the fold's length away."""
    stretches = past.stretches
    own = stretches.moments[past.places]
    oldest = stretches.moments[past.places - past.before]
    newest = stretches.moments[past.places + np.maximum(past.after, 0)]
    first, last = own[out].min(), own[out].max()
    margin = (last - first) // 4
    reads_fold = ((own > last) & (oldest <= last)) | ((own < first) & (newest >= first))
    return np.asarray(reads_fold & (own <= last + margin) & (own >= first - margin))
