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

from pynomaly.model.entities.scales import EntityScales, Names
from pynomaly.model.sketch.comoments import Comoments
from pynomaly.model.sketch.sketch import Sketch

__all__ = ["find_typical_value", "predict_expected_cells"]

Floats = NDArray[np.float64]

_MAX_DEVIATIONS = 5.0  # cells are clipped at this many deviations, as in `Comoments`
_RIDGE = 0.01  # share of a column's variance added, so that exactly dependent columns can be inverted


def predict_expected_cells(
    frame: pd.DataFrame,
    reference: Sketch,
    baselines: EntityScales | None = None,
    entities: Names | None = None,
) -> pd.DataFrame:
    """Return the expected value of each cell of the frame.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Conformed rows. A missing cell does not influence the others.
    reference : Sketch
        Sketch of the rows that the model was fitted on.
    baselines : EntityScales, optional
        Level and scale of each entity. Numbers of its rows are expected there, and move together as they do
        within an entity; rows of others as without baselines.
    entities : ndarray of shape (n,), object, or None
        Whose rows they are; needed with `baselines`.

    Returns
    -------
    DataFrame of shape (n, d)
        Same columns, index and dtypes; None or NaN only for a column without any value.
    """
    columns: dict[str, Any] = {}
    means = _conditional_means(frame, reference.moments) if reference.moments is not None else {}
    own = _expect_by_entity(frame, baselines, entities) if baselines and entities is not None else {}
    for name in map(str, frame.columns):
        if name in means and name in reference.numeric and reference.numeric[name].n:
            low, high = (reference.numeric[name].quantile(share) for share in (0.0, 1.0))
            columns[name] = np.clip(means[name], low, high)
        else:
            columns[name] = pd.Series(
                [find_typical_value(reference, name)] * len(frame), dtype=frame[name].dtype
            ).array
        if name in own:
            cells = np.asarray(columns[name], dtype=np.float64)
            columns[name] = np.where(np.isnan(own[name]), cells, own[name])
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
        scaled = (cells - moments.centre) / moments.scale
    expected = _expect_scaled(scaled, moments.mean, spread, moments.correlation())
    return {name: expected[:, at] * moments.scale[at] + moments.centre[at] for at, name in enumerate(names)}


def _expect_by_entity(frame: pd.DataFrame, baselines: EntityScales, entities: Names) -> dict[str, Floats]:
    """Return the same within the row's entity, NaN for a row of one without a baseline."""
    places = baselines.locate(entities)
    names = [name for name in baselines.columns if name in frame]
    known, at = places >= 0, [baselines.columns.index(name) for name in names]
    expected = np.full((len(frame), len(names)), np.nan)
    if not known.any() or names != list(baselines.columns):
        return {}
    levels, scales = (values[places[known]][:, at] for values in (baselines.levels, baselines.scales))
    followed = len(baselines.means)  # of further columns the level alone is kept
    expected[known] = levels
    cells = frame[names[:followed]].to_numpy(dtype=np.float64, na_value=np.nan)[known]
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (cells - levels[:, :followed]) / scales[:, :followed]
    usual = _expect_scaled(scaled, baselines.means, baselines.spreads, baselines.correlation)
    usual = np.clip(usual, -_MAX_DEVIATIONS, _MAX_DEVIATIONS)
    expected[np.ix_(known, np.arange(followed))] = levels[:, :followed] + usual * scales[:, :followed]
    return {name: expected[:, place] for place, name in enumerate(names)}


def _expect_scaled(scaled: Floats, mean: Floats, spread: Floats, correlation: Floats) -> Floats:
    """Return the mean of each scaled cell given the others of its row; arrays of shape (n, d)."""
    scaled = np.clip(scaled, -_MAX_DEVIATIONS, _MAX_DEVIATIONS)
    scaled = np.where(np.isnan(scaled), mean, scaled)
    deviations = (scaled - mean) / spread
    width = len(mean)
    precision = np.linalg.inv((correlation + _RIDGE * np.eye(width)) / (1 + _RIDGE))
    expected = np.empty_like(scaled)
    for at in range(width):
        # z_j - (P z)_j / P_jj is the mean of z_j given the others: z_j itself cancels.
        weights = precision[at] / precision[at, at]
        weights[at] = 0.0
        total = np.zeros(len(deviations))
        for other, weight in enumerate(weights):  # in column order, whatever the batch
            total -= weight * deviations[:, other]
        expected[:, at] = mean[at] + spread[at] * total
    return expected
