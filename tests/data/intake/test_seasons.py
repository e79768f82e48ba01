"""A season counts if earlier rows tell of later ones: moving levels, ramps and odd days are none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pynomaly.data.intake.seasons import find_seasons

ROWS = 24 * 7 * 8
TIMES = pd.Series(pd.date_range("2026-01-05", periods=ROWS, freq="h", tz="UTC"))
HOURS = TIMES.dt.hour.to_numpy()
WEEKDAYS = TIMES.dt.dayofweek.to_numpy()


def find(values: Any, times: pd.Series[Any] = TIMES) -> list[str]:
    step = timedelta(hours=1)
    return find_seasons(times, {"a": np.asarray(values, dtype=float)}, step, len(times) * step)


def noise(seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=ROWS)


def test_hours_and_weekdays_are_told_from_noise() -> None:
    for seed in range(20):
        assert find(noise(seed)) == []
    assert find(np.sin(HOURS / 24 * 2 * np.pi) * 2 + noise()) == ["hour of the day"]
    assert find((WEEKDAYS >= 5) * 4 + noise()) == ["day of the week"]
    both = np.sin(HOURS / 24 * 2 * np.pi) * 2 + (WEEKDAYS >= 5) * 4 + noise()
    assert find(both) == ["hour of the day", "day of the week"]


def test_a_moving_level_does_not_hide_a_season() -> None:
    level = np.cumsum(np.random.default_rng(1).normal(0, 0.4, ROWS))
    assert "hour of the day" in find(level + np.sin(HOURS / 24 * 2 * np.pi) * 5)


@pytest.mark.parametrize("seed", range(10))
def test_levels_that_move_are_no_season(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert find(np.cumsum(rng.normal(size=ROWS))) == []
    assert find(np.arange(ROWS) + noise(seed)) == []
    assert find((np.arange(ROWS) > rng.integers(ROWS)) * 6 + noise(seed)) == []


def test_one_odd_week_is_no_season() -> None:
    odd = (np.arange(ROWS) // (24 * 7) == 1) & (WEEKDAYS == 2)
    assert find(odd * 60 + noise()) == []


def test_a_short_table_has_no_season() -> None:
    values = np.sin(HOURS / 24 * 2 * np.pi) * 2 + noise()
    assert find(values[: 24 * 13], TIMES[: 24 * 13]) == []
    assert find(values[: 24 * 15], TIMES[: 24 * 15]) == ["hour of the day"]
