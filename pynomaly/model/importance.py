"""How much a detector's ranking of rows rests on each column: measured once, when a bundle is fitted.

One column at a time is shuffled among held-out rows, and the rows are scored again: the more their order
changes, the more the detector uses the column. A drift of a column that changes nothing only warns. Bounded:
about 10,000 rows are scored in all. Called by :mod:`pynomaly.model.bundle`.

References
----------
Breiman: Random forests, Machine Learning 2001, section 10 (permutation importance).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["importance"]

ROWS, FEWEST, CELLS = 200, 50, 10_000
WIDEST = 200
"""More columns than this are not measured: each would get too few rows."""

Array = npt.NDArray[np.float64]


def importance(
    scores: Callable[[pd.DataFrame], Array], frame: pd.DataFrame, columns: tuple[str, ...], seed: int
) -> dict[str, float]:
    """Share of the ranking that rests on each column.

    Parameters
    ----------
    scores : callable
        Rows in, scores out.
    frame : DataFrame of shape (n, >= d)
        Held-out rows; at most 200 are drawn, by seed.
    columns : tuple of str
    seed : int

    Returns
    -------
    dict of str to float
        Columns that hold one value among the drawn rows are left out: shuffling says nothing of them. The
        others' shares sum to their part of all columns. Empty where nothing can be said: one column, more
        than 200, fewer than 50 rows, or scores that are all equal.
    """
    d = len(columns)
    if not 1 < d <= WIDEST or len(frame) < FEWEST:
        return {}
    rng = np.random.default_rng(seed)
    size = min(len(frame), max(FEWEST, min(ROWS, CELLS // d)))
    rows = frame.iloc[np.sort(rng.choice(len(frame), size=size, replace=False))]
    usual = _ranks(scores(rows))
    if usual.std() == 0:
        return {}
    found = {}
    for name in columns:
        if rows[name].nunique(dropna=False) < 2:
            continue
        shuffled = rows[name].iloc[rng.permutation(size)].set_axis(rows.index)
        other = _ranks(scores(rows.assign(**{name: shuffled})))
        agreement = float(np.corrcoef(usual, other)[0, 1]) if other.std() > 0 else 0.0
        found[name] = max(0.0, 1.0 - agreement)
    total = sum(found.values())
    if total <= 0:
        return {}
    return {name: value / total * len(found) / d for name, value in found.items()}


def _ranks(values: Array) -> Array:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), dtype=np.float64)
