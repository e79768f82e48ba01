"""A row that comes again is known for as long as rows are remembered, and these are bounded."""

from __future__ import annotations

import pandas as pd
import pytest

from pynomaly.config import Data
from pynomaly.steps.streaming import recent_keys
from pynomaly.steps.streaming.recent_keys import RecentKeys

DATA = Data(source="stream", path="rows", time="time", id="machine")


def rows(first: int, count: int = 2) -> pd.DataFrame:
    times = pd.Timestamp("2026-01-20T00:00:00Z") + pd.to_timedelta(range(first, first + count), unit="s")
    return pd.DataFrame({"time": times, "machine": "a"})


def test_the_newest_rows_are_known_and_old_ones_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_keys, "MAX_KEYS", 8)
    keys = RecentKeys(DATA)
    for first in range(0, 20, 2):
        assert keys.find_new(rows(first)).all()
        keys.remember_new()
        assert not keys.find_new(rows(max(0, first - 2), 4))[: 4 if first else 2].any()
    assert keys.find_new(rows(0)).all()
    assert keys.find_new(pd.concat([rows(30), rows(30)], ignore_index=True)).tolist() == [
        True,
        True,
        False,
        False,
    ]


def test_without_entities_no_row_is_known() -> None:
    keys = RecentKeys(Data(source="stream", path="rows", time="time"))
    keys.remember(rows(0))
    assert keys.find_new(rows(0)).all()
