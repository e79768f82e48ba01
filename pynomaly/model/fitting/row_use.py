"""Rows with a use of their own, marked in a column: ranked but never learned, or left out between the parts.

The champion's own confident alerts stay out of a fit. Leaving them out of the ranks as well would make the
p-values of new models smaller from training to training. Dependent rows between those to fit and those to
calibrate on are in neither part, but a fit with out-of-fold scores uses them. Called by
:mod:`pynomaly.model.fitting.fitting` and by the split of a reference.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pynomaly import config
from pynomaly.data.past import get_past

__all__ = [
    "BETWEEN",
    "ORDINARY",
    "RANKED",
    "RANKED_OUT_OF_FOLD",
    "USE",
    "sample_rows",
    "select_apart",
    "select_learned",
]

USE = "pynomaly.use"
"""Name of the column; absent where every row is ordinary."""

ORDINARY, RANKED, RANKED_OUT_OF_FOLD, BETWEEN = 0.0, 1.0, 2.0, 3.0
"""Marks. A ranked row is never fitted; the last two kinds are used with out-of-fold scores alone."""


def select_learned(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that may be fitted."""
    return rows[~np.isin(rows[USE], (RANKED, RANKED_OUT_OF_FOLD))] if USE in rows else rows


def select_apart(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a part that are used where rows to fit and to calibrate on are kept apart."""
    return rows[~np.isin(rows[USE], (RANKED_OUT_OF_FOLD, BETWEEN))] if USE in rows else rows


def sample_rows(rows: pd.DataFrame, training: config.Training) -> pd.DataFrame:
    """Return at most ``training.max_rows`` rows: drawn by seed, or the newest of rows with a past."""
    if len(rows) <= training.max_rows:
        return rows
    past = get_past(rows)
    if past is None:
        return rows.sample(training.max_rows, random_state=training.seed).sort_index()
    order = np.argsort(past.stretches.moments[past.places], kind="stable")
    return rows.iloc[np.sort(order[-training.max_rows :])]
