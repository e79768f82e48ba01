"""Turns the past of rows into numbers, with the encoding that the rows themselves get.

Called by :mod:`pynomaly.model.scoring` for detectors that look back.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.past_array import FILL_ROWS, PastArray
from pynomaly.detectors.past_rows import PastRows
from pynomaly.errors import DataError
from pynomaly.model.columns import NumberEncoder
from pynomaly.model.features import FeatureEncoder

__all__ = ["encode_past"]

Floats = NDArray[np.float64]


def encode_past(
    frame: pd.DataFrame, past: PastArray | None, numbers: Floats, features: FeatureEncoder
) -> PastRows:
    """Return rows with the encoded values of their past.

    Parameters
    ----------
    frame : DataFrame of shape (n, d)
        Conformed rows.
    past : PastArray of length n or None
        Their past.
    numbers : ndarray of shape (n, e)
        The rows as `features` encodes them.
    features : FeatureEncoder

    Returns
    -------
    PastRows
        A missing cell holds the value before it, in the row itself, too.

    Raises
    ------
    DataError
        If the rows carry no past, or a row has no time.
    """
    if past is None:
        raise DataError(
            "these rows carry no past, which this detector looks back on; set data.series.past, for example "
            "to 300, and read them from a table with data.time"
        )
    if (past.places < 0).any():
        row = int(np.flatnonzero(past.places < 0)[0])
        raise DataError(f"row {row} has no time, so it has no past; a row without a time is quarantined")
    if (past.after < 0).any():
        row = int(np.flatnonzero(past.after < 0)[0])
        raise DataError(f"row {row} waits for later rows (data.series.delay), so it has no score yet")
    past = past.compact()
    stretches, followed, places = past.stretches, [], []
    position = 0
    for encoder in features.columns:
        if isinstance(encoder, NumberEncoder) and encoder.name in stretches.columns:
            followed.append(encoder)
            places.append(position)
        position += len(encoder.names)
    values = np.empty((len(stretches.moments), len(followed)))
    numbers = numbers.copy()
    for column, encoder in enumerate(followed):
        cells = stretches.cells[:, stretches.columns.index(encoder.name)]
        filled = _fill_forward(cells, stretches.stretch)
        values[:, column] = features.encode_numbers(encoder, filled, stretches.entities)
        is_missing = frame[encoder.name].isna().to_numpy()
        numbers[is_missing, places[column]] = values[past.places[is_missing], column]
    return PastRows(numbers, values, tuple(places), stretches.moments, past.places, past.before, past.after)


def _fill_forward(cells: Floats, stretch: NDArray[np.int64]) -> Floats:
    """Return `cells` with the value before in place of a missing one, at most `FILL_ROWS` places back."""
    if not np.isnan(cells).any():
        return cells
    filled = pd.Series(cells).groupby(stretch).ffill(limit=FILL_ROWS)
    return np.asarray(filled, dtype=np.float64)
