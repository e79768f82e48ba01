"""Column importance: how much a detector's ranking of rows depends on each column.

Measured once, when a bundle is fitted. One column at a time is shuffled among held-out rows, and the rows are
scored again: the more their order changes, the more the detector uses the column. Drift in a column that the
detector does not use leads only to a warning. Cost: about 10,000 rows are scored. Called by
:mod:`pynomaly.model.bundle`.

References
----------
Breiman: Random forests, Machine Learning 2001, section 10 (permutation importance).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["measure_importance"]

ROWS, FEWEST, CELLS = 200, 50, 10_000
MAX_COLUMNS = 200
"""With more columns, importance is not measured, because each would get too few rows."""

Array = npt.NDArray[np.float64]


def measure_importance(
    scores: Callable[[pd.DataFrame], Array], frame: pd.DataFrame, columns: tuple[str, ...], seed: int
) -> dict[str, float]:
    """Return the share of the ranking that depends on each column.

    Parameters
    ----------
    scores : callable
        Takes rows and returns their scores.
    frame : DataFrame of shape (n, >= d)
        Held-out rows; at most 200 are drawn, by seed.
    columns : tuple of str
    seed : int

    Returns
    -------
    dict of str to float
        Columns with a single value among the drawn rows are left out, because shuffling does not change them.
        The shares of the others sum to (number of others) / (number of columns). Empty if nothing can be
        measured: one column, more than 200, fewer than 50 rows, scores that are all equal, or no change.
    """
    d = len(columns)
    if not 1 < d <= MAX_COLUMNS or len(frame) < FEWEST:
        return {}
    rng = np.random.default_rng(seed)
    size = min(len(frame), max(FEWEST, min(ROWS, CELLS // d)))
    rows = frame.iloc[np.sort(rng.choice(len(frame), size=size, replace=False))]
    base_ranks = _rank_scores(scores(rows))
    if base_ranks.std() == 0:
        return {}
    changes = {}
    for name in columns:
        if rows[name].nunique(dropna=False) < 2:
            continue
        shuffled = rows[name].iloc[rng.permutation(size)].set_axis(rows.index)
        shuffled_ranks = _rank_scores(scores(rows.assign(**{name: shuffled})))
        agreement = float(np.corrcoef(base_ranks, shuffled_ranks)[0, 1]) if shuffled_ranks.std() > 0 else 0.0
        changes[name] = max(0.0, 1.0 - agreement)
    total = sum(changes.values())
    if total <= 0:
        return {}
    return {name: value / total * len(changes) / d for name, value in changes.items()}


def _rank_scores(values: Array) -> Array:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), dtype=np.float64)
