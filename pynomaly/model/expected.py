"""What each cell of a row would be expected to hold, given the rest of the row.

A number is expected where the other numbers of its row put it: the conditional mean under the means and
co-moments of the reference, held to the values that the reference held. So a pressure is held against what
the flow of the same row says, not against the median of all hours. A column that the moments do not hold
(categories, numbers beyond the first hundred) is expected to be its commonest category or median. Called by
:mod:`pynomaly.model.explain`; every row by itself.

References
----------
Anderson: An Introduction to Multivariate Statistical Analysis, section 2.5. Wiley 2003 (conditional means).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.model.moments import Moments
from pynomaly.model.sketch import Sketch

__all__ = ["expected", "usual"]

Floats = NDArray[np.float64]

_FARTHEST = 5.0  # deviations to which cells count, as in `Moments`
_RIDGE = 0.01  # of a column's variance: what exact relations between columns leave to be said


def expected(frame: pd.DataFrame, reference: Sketch) -> pd.DataFrame:
    """The frame with each cell as it would be expected.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Conformed rows. A missing cell says nothing about the others.
    reference : Sketch
        Of the rows the model learned from.

    Returns
    -------
    DataFrame of shape (n, d)
        Same columns, index and dtypes; None and NaN only where a column was missing throughout.
    """
    columns: dict[str, Any] = {}
    means = _conditional(frame, reference.moments) if reference.moments is not None else {}
    for name in map(str, frame.columns):
        if name in means and name in reference.numeric and reference.numeric[name].n:
            low, high = (reference.numeric[name].quantile(share) for share in (0.0, 1.0))
            columns[name] = np.clip(means[name], low, high)
        else:
            columns[name] = pd.Series([usual(reference, name)] * len(frame), dtype=frame[name].dtype).array
    return pd.DataFrame(columns, index=frame.index)


def usual(reference: Sketch, name: str) -> float | str | None:
    """Median or most frequent category of a column; None where it was missing throughout."""
    if name in reference.numeric:
        median = reference.numeric[name].quantile(0.5)
        return median if math.isfinite(median) else None
    if name in reference.categorical:
        return next(iter(reference.categorical[name].counts), None)
    return None


def _conditional(frame: pd.DataFrame, moments: Moments) -> dict[str, Floats]:
    """Mean of each number column given the others of its row, each of shape (n,)."""
    names = [name for name in moments.names if name in frame]
    if names != list(moments.names) or moments.n < 2:
        return {}
    cells = frame[names].to_numpy(dtype=np.float64, na_value=np.nan)
    spread = np.sqrt(np.diag(moments.comoment) / moments.n)
    spread = np.where(spread > 0, spread, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.clip((cells - moments.centre) / moments.scale, -_FARTHEST, _FARTHEST)
    scaled = np.where(np.isnan(scaled), moments.mean, scaled)
    off = (scaled - moments.mean) / spread
    precision = np.linalg.inv((moments.correlation() + _RIDGE * np.eye(len(names))) / (1 + _RIDGE))
    found: dict[str, Floats] = {}
    for place, name in enumerate(names):
        # z_j - (P z)_j / P_jj is the mean of z_j given the others: z_j itself cancels.
        others = precision[place] / precision[place, place]
        others[place] = 0.0
        mean = np.zeros(len(off))
        for other, weight in enumerate(others):  # in the order of the columns, whatever the batch
            mean -= weight * off[:, other]
        found[name] = (moments.mean[place] + spread[place] * mean) * moments.scale[place] + moments.centre[
            place
        ]
    return found
