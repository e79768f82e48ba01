"""The windows in which rows lie, for many rows at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.data.window import ORIGIN, Window

__all__ = ["name_windows"]

_MICROSECOND = timedelta(microseconds=1)


def name_windows(times: pd.Series[Any], length: timedelta) -> NDArray[np.object_]:
    """Return the key of the aligned window of each time; object array of shape (n,).

    Parameters
    ----------
    times : Series of shape (n,), datetime64 with a zone
        None is missing.
    length : timedelta
    """
    if not len(times):
        return np.empty(0, dtype=object)
    moments = times.dt.as_unit("us").astype("int64").to_numpy()
    origin = (ORIGIN - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND
    numbers, codes = np.unique((moments - origin) // (length // _MICROSECOND), return_inverse=True)
    starts = [ORIGIN + int(number) * length for number in numbers]
    return np.array([Window(start, start + length).key for start in starts], dtype=object)[codes]
