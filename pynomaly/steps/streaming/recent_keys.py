"""Which rows came lately, by entity and time: a message that comes again gives no second row."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data

__all__ = ["MAX_KEYS", "RecentKeys"]

MAX_KEYS = 500_000
"""Rows that are remembered; one that comes again later is a duplicate when its window closes."""


class RecentKeys:
    """The newest rows by entity and time; without a column that names entities nothing is a duplicate."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._keys: OrderedDict[int, None] = OrderedDict()

    def find_new(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which rows did not come before, among those remembered or in `frame`."""
        fresh = np.ones(len(frame), dtype=bool)
        own: set[int] = set()
        for row, key in enumerate(self._list_keys(frame)):
            fresh[row] = key not in self._keys and key not in own
            own.add(key)
        return fresh

    def remember(self, frame: pd.DataFrame) -> None:
        """Remember rows that are recorded."""
        self._keys.update(dict.fromkeys(self._list_keys(frame)))
        while len(self._keys) > MAX_KEYS:
            self._keys.popitem(last=False)

    def _list_keys(self, frame: pd.DataFrame) -> list[int]:
        if self._data.id is None or not len(frame):
            return []
        moments = frame[str(self._data.time)].dt.as_unit("us").astype("int64").tolist()
        return [hash(pair) for pair in zip(frame[self._data.id].tolist(), moments, strict=True)]
