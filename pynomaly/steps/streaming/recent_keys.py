"""Which rows came lately, by entity and time: a message that comes again gives no second row."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data

__all__ = ["MAX_KEYS", "RecentKeys"]

MAX_KEYS = 500_000
"""Most rows that are remembered, and at least half of so many are; one that comes again later is a duplicate
when its window closes. About 70 MiB."""


class RecentKeys:
    """The newest rows by entity and time; without a column that names entities nothing is a duplicate."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._new: set[int] = set()

    def find_new(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which rows did not come before, among those remembered or in `frame`."""
        keys = self._list_keys(frame)
        self._new = set(keys)
        fresh = np.ones(len(frame), dtype=bool)
        if len(self._new) == len(keys) and self._is_unknown():
            return fresh
        own: set[int] = set()
        for row, key in enumerate(keys):
            fresh[row] = not (key in self._young or key in self._old or key in own)
            own.add(key)
        return fresh

    def remember(self, frame: pd.DataFrame) -> None:
        """Remember rows that are recorded."""
        self._add(self._list_keys(frame))

    def remember_new(self) -> None:
        """Remember the rows that :meth:`find_new` was asked of last: they are recorded."""
        self._add(self._new)

    def _is_unknown(self) -> bool:
        return self._new.isdisjoint(self._young) and self._new.isdisjoint(self._old)

    def _add(self, keys: Iterable[int]) -> None:
        self._young.update(keys)
        if len(self._young) >= MAX_KEYS // 2:
            self._old, self._young = self._young, set()

    def _list_keys(self, frame: pd.DataFrame) -> list[int]:
        if self._data.id is None or not len(frame):
            return []
        moments = frame[str(self._data.time)].dt.as_unit("us").astype("int64").tolist()
        return [hash(pair) for pair in zip(frame[self._data.id].tolist(), moments, strict=True)]
