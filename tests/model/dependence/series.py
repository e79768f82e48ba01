"""Series whose dependence is known: rows by an autoregression, in order of time."""

from __future__ import annotations

import numpy as np
import pandas as pd


def draw_series(rng: np.random.Generator, rows: int, time: float) -> np.ndarray:
    """Values, shape (rows,), of variance 1 whose autocorrelation falls to 1 / e in `time` rows."""
    memory = np.exp(-1 / time)
    values = np.empty(rows)
    values[0] = rng.normal()
    noise = np.sqrt(1 - memory**2) * rng.normal(size=rows)
    for row in range(1, rows):
        values[row] = memory * values[row - 1] + noise[row]
    return values


def list_times(rows: int, step: str = "10min") -> pd.Series:
    return pd.Series(pd.date_range("2026-01-05", periods=rows, freq=step, tz="UTC"))
