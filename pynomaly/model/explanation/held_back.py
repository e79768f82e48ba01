"""Rows that would alert and are held back, because no deviation of theirs is one that is wanted.

The deviation of a cell is measured from what :mod:`pynomaly.model.explanation.expected` expects in its place,
in robust scales of the reference, of the row's entity if entities have their own. Called by
:mod:`pynomaly.model.bundle`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.model.calibration.alert_limits import AlertLimits
from pynomaly.model.explanation.expected import predict_expected_cells
from pynomaly.model.features import FeatureEncoder
from pynomaly.model.scoring import PreparedRows
from pynomaly.model.sketch.sketch import Sketch

__all__ = ["find_held_back_rows", "hold_back_rows"]

_IQR_OF_NORMAL = 1.3489795003921634
_RANGE_OF_NORMAL = 6.0  # all rows of a normal column lie within about so many deviations


def hold_back_rows(
    rows: PreparedRows,
    scored: pd.DataFrame,
    features: FeatureEncoder,
    sketch: Sketch,
    limits: AlertLimits | None,
) -> pd.DataFrame:
    """Return the result columns without the alerts that the limits hold back, and why in ``held_back``."""
    if limits is None:
        return scored
    flags = scored["is_anomaly"].to_numpy(dtype=bool)
    held_back = find_held_back_rows(rows, flags, features, sketch, limits)
    return scored.assign(is_anomaly=flags & (held_back == ""), held_back=held_back)


def find_held_back_rows(
    rows: PreparedRows,
    flags: NDArray[np.bool_],
    features: FeatureEncoder,
    sketch: Sketch,
    limits: AlertLimits,
) -> NDArray[Any]:
    """Return why each flagged row is held back; "" for all other rows.

    Parameters
    ----------
    rows : PreparedRows
        n rows as the model takes them.
    flags : ndarray of shape (n,), bool
        Rows that the policy flags by their p-values; only these are looked at.
    features : FeatureEncoder
        With the baselines of entities, if they have their own.
    sketch : Sketch
        Of the reference; its number columns are judged.
    limits : AlertLimits

    Returns
    -------
    ndarray of shape (n,), object
    """
    reasons = np.full(len(rows.frame), "", dtype=object)
    places = np.flatnonzero(flags)
    names = tuple(str(name) for name in rows.frame.columns if name in sketch.numeric)
    if not len(places) or not names:
        return reasons
    flagged = rows.frame.iloc[places]
    entities = None if rows.entities is None else rows.entities[places]
    expected = predict_expected_cells(flagged, sketch, features.baselines, entities)
    numbers, usual = (
        table[list(names)].to_numpy(dtype=np.float64, na_value=np.nan) for table in (flagged, expected)
    )
    scales = np.tile([_find_scale(sketch, name) for name in names], (len(places), 1))
    if features.baselines is not None and entities is not None:
        located = features.baselines.locate(entities)
        for at, name in enumerate(names):
            scales[:, at] = features.baselines.pick(name, located, (0.0, scales[0, at]))[1]
    reasons[places] = limits.find_held_back(numbers, usual, scales, names)
    return reasons


def _find_scale(sketch: Sketch, name: str) -> float:
    """Return a robust standard deviation of a column; of a constant one, 1 of its unit."""
    quantile = sketch.numeric[name].quantile
    for low, high, width in ((0.25, 0.75, _IQR_OF_NORMAL), (0.0, 1.0, _RANGE_OF_NORMAL)):
        scale = (quantile(high) - quantile(low)) / width
        if np.isfinite(scale) and scale > 0:
            return float(scale)
    return 1.0
