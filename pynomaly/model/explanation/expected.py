"""Expected value of each cell of a row, given the rest of the row.

The expected number is the conditional mean given the other numbers of the row, under the means and co-moments
of the reference, clipped to the range of the reference. So a pressure is compared with the value that the
flow of the same row suggests, not with the median of all hours. For a column without moments (categories,
number columns after the first hundred) the expected value is the most frequent category or the median. Each
row is treated alone. Called by :mod:`pynomaly.model.explanation.explain`.

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

from pynomaly.model.sketch.comoments import Comoments
from pynomaly.model.sketch.sketch import Sketch

__all__ = ["find_typical_value", "predict_expected_cells"]

Floats = NDArray[np.float64]

_MAX_DEVIATIONS = 5.0  # cells are clipped at this many deviations, as in `Comoments`
_RIDGE = 0.01  # share of a column's variance added, so that exactly dependent columns can be inverted


def predict_expected_cells(frame: pd.DataFrame, reference: Sketch) -> pd.DataFrame:
    """Return the expected value of each cell of the frame.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Conformed rows. A missing cell does not influence the others.
    reference : Sketch
        Sketch of the rows that the model was fitted on.

    Returns
    -------
    DataFrame of shape (n, d)
        Same columns, index and dtypes; None or NaN only for a column without any value.
    """
    columns: dict[str, Any] = {}
    means = _conditional_means(frame, reference.moments) if reference.moments is not None else {}
    for name in map(str, frame.columns):
        if name in means and name in reference.numeric and reference.numeric[name].n:
            low, high = (reference.numeric[name].quantile(share) for share in (0.0, 1.0))
            columns[name] = np.clip(means[name], low, high)
        else:
            columns[name] = pd.Series(
                [find_typical_value(reference, name)] * len(frame), dtype=frame[name].dtype
            ).array
    return pd.DataFrame(columns, index=frame.index)


def find_typical_value(reference: Sketch, name: str) -> float | str | None:
    """Return the median or most frequent category of a column; None if it has no value."""
    if name in reference.numeric:
        median = reference.numeric[name].quantile(0.5)
        return median if math.isfinite(median) else None
    if name in reference.categorical:
        return next(iter(reference.categorical[name].counts), None)
    return None


def _conditional_means(frame: pd.DataFrame, moments: Comoments) -> dict[str, Floats]:
    """Return the mean of each number column given the others of its row, arrays of shape (n,)."""
    names = [name for name in moments.names if name in frame]
    if names != list(moments.names) or moments.n < 2:
        return {}
    cells = frame[names].to_numpy(dtype=np.float64, na_value=np.nan)
    spread = np.sqrt(np.diag(moments.comoment) / moments.n)
    spread = np.where(spread > 0, spread, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.clip((cells - moments.centre) / moments.scale, -_MAX_DEVIATIONS, _MAX_DEVIATIONS)
    scaled = np.where(np.isnan(scaled), moments.mean, scaled)
    deviations = (scaled - moments.mean) / spread
    precision = np.linalg.inv((moments.correlation() + _RIDGE * np.eye(len(names))) / (1 + _RIDGE))
    means_by_name: dict[str, Floats] = {}
    for at, name in enumerate(names):
        # z_j - (P z)_j / P_jj is the mean of z_j given the others: z_j itself cancels.
        weights = precision[at] / precision[at, at]
        weights[at] = 0.0
        mean = np.zeros(len(deviations))
        for other, weight in enumerate(weights):  # in column order, whatever the batch
            mean -= weight * deviations[:, other]
        means_by_name[name] = (moments.mean[at] + spread[at] * mean) * moments.scale[at] + moments.centre[at]
    return means_by_name
