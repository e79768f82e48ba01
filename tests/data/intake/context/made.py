"""Series and rows that are none, as `read_context` gets them, from a seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from pynomaly.data.intake.context import Context, read_context

Floats = np.ndarray[Any, np.dtype[np.float64]]
Maker = Callable[[np.random.Generator, int], Floats]


def walk(rng: np.random.Generator, rows: int) -> Floats:
    return np.cumsum(rng.normal(size=rows))


def autoregress(rng: np.random.Generator, rows: int) -> Floats:
    values = np.zeros(rows)
    shocks = rng.normal(size=rows)
    for row in range(1, rows):
        values[row] = 0.8 * values[row - 1] + shocks[row]
    return values


def swing(period: float) -> Maker:
    """A season of so many rows with noise of a fifth of it."""

    def make(rng: np.random.Generator, rows: int) -> Floats:
        return np.sin(2 * np.pi * np.arange(rows) / period) + rng.normal(0, 0.2, rows)

    return make


def rise(rng: np.random.Generator, rows: int) -> Floats:
    return np.arange(rows) / rows * 10 + rng.normal(size=rows)


def switch(rng: np.random.Generator, rows: int) -> Floats:
    """Levels that hold for some time."""
    return np.repeat(rng.normal(size=rows // 40 + 1), 40)[:rows] * 5 + rng.normal(size=rows)


def scatter(rng: np.random.Generator, rows: int) -> Floats:
    return rng.normal(size=rows)


def burst(rng: np.random.Generator, rows: int) -> Floats:
    return rng.lognormal(0, 2, rows)


def count_rarely(rng: np.random.Generator, rows: int) -> Floats:
    return rng.poisson(0.2, rows).astype(float)


def code(rng: np.random.Generator, rows: int) -> Floats:
    return rng.choice([1.0, 7.0, 22.0], rows, p=[0.7, 0.2, 0.1])


def lose_cells(rng: np.random.Generator, rows: int) -> Floats:
    return np.where(rng.random(rows) < 0.4, np.nan, rng.normal(size=rows))


SERIES: dict[str, Maker] = {
    "walk": walk, "autoregress": autoregress, "hours": swing(24), "cycle": swing(73), "rise": rise,
    "switch": switch,
}  # fmt: skip
ROWS_ALONE: dict[str, Maker] = {
    "scatter": scatter, "burst": burst, "count_rarely": count_rarely, "code": code, "lose_cells": lose_cells,
}  # fmt: skip


def list_times(rows: int, step: str = "10min") -> pd.Series[Any]:
    return pd.Series(pd.date_range("2026-01-05", periods=rows, freq=step, tz="UTC"))


def read_columns(
    columns: dict[str, Floats], times: pd.Series[Any] | None = None, codes: Any = None, table_rows: int = 0
) -> Context:
    rows = len(next(iter(columns.values()))) if times is None else len(times)
    moments = list_times(rows) if times is None else times
    owners = np.zeros(rows, dtype=np.int64) if codes is None else np.asarray(codes, dtype=np.int64)
    return read_context(moments, owners, np.arange(2, rows + 2), columns, table_rows or rows)
