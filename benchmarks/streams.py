"""Streams of rows to watch for drift: any day of one is a pure function of its kind, its seed and the day."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

START = pd.Timestamp("2026-01-05", tz="UTC")
STREAMS = ("independent", "dependent", "seasonal")
REFERENCE_DAYS = 56
ROWS = 1000
NUMBERS = [f"n{i:02d}" for i in range(40)]
CATEGORIES = {f"c{i:02d}": k for i, k in enumerate((5, 5, 5, 20, 20, 20, 100, 100, 100, 100))}
CHANGES = ("0.1 sigma", "0.2 sigma", "0.3 sigma", "constant", "all missing", "broken relation")


class RowStream:
    """Rows of any day, a pure function of (kind, seed, day)."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind, self.seed = kind, seed
        fixed = np.random.default_rng([seed, 1])
        self.mixing = fixed.normal(size=(5, len(NUMBERS))) / 3
        self.phase = fixed.uniform(0, 24, len(NUMBERS))
        self.tilt = {name: fixed.permutation(k) for name, k in CATEGORIES.items()}

    def day(self, number: int) -> pd.DataFrame:
        rng = np.random.default_rng([self.seed, 2, number])
        hours = np.sort(rng.uniform(0, 24, ROWS))
        cells = rng.normal(size=(ROWS, 5)) @ self.mixing + rng.normal(size=(ROWS, len(NUMBERS)))
        cells[:, 1] = 0.9 * cells[:, 0] + 0.3 * cells[:, 1]
        if self.kind != "independent":
            # A level that wanders: one draw in six hours, 0.15 deviations, so neighbours are alike.
            cells += 0.15 * rng.normal(size=(4, len(NUMBERS)))[(hours // 6).astype(int)]
        weekend = number % 7 >= 5
        if self.kind == "seasonal":
            cells += 0.8 * np.sin(2 * np.pi * (hours[:, None] - self.phase) / 24) - 0.7 * weekend
        frame = pd.DataFrame(cells, columns=NUMBERS)
        frame.loc[rng.random(ROWS) < 0.02, NUMBERS[:5]] = np.nan
        for name, k in CATEGORIES.items():
            weights = 1 / np.arange(1, k + 1) if k > 5 else np.ones(k)
            if self.kind == "seasonal" and weekend:
                weights = weights * np.where(self.tilt[name] < k // 2, 1.6, 0.4)
            drawn = rng.choice(k, size=ROWS, p=weights / weights.sum())
            frame[name] = pd.Series(np.array([f"v{i}" for i in range(k)], dtype=object)[drawn], dtype=object)
        frame["time"] = START + pd.to_timedelta(24 * number + hours, unit="h")
        return frame

    def days(self, first: int, last: int) -> pd.DataFrame:
        return pd.concat([self.day(number) for number in range(first, last)], ignore_index=True)


def change_column(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    """One column of a day, changed; deviations are the column's own."""
    moved = frame.copy()
    if what.endswith("sigma"):
        moved["n10"] += float(what.split()[0]) * 1.25  # the columns' deviation, about
    elif what == "constant":
        moved["n10"] = float(moved["n10"].iloc[0])
    elif what == "all missing":
        moved["n10"] = np.nan
    elif what == "broken relation":
        moved["n01"] = np.random.default_rng(0).permutation(moved["n01"].to_numpy())
    return moved


def generate_batches(rows: int, seed: int, shift: float) -> Iterator[pd.DataFrame]:
    """30 columns, 27 numbers and 3 of 20 categories, 131,072 rows at a time."""
    rng = np.random.default_rng(seed)
    names = np.array([f"v{i}" for i in range(20)], dtype=object)
    for start in range(0, rows, 1 << 17):
        size = min(1 << 17, rows - start)
        frame = pd.DataFrame(rng.normal(size=(size, 27)) + shift, columns=[f"n{i}" for i in range(27)])
        for place in range(3):
            frame[f"c{place}"] = pd.Series(names[rng.integers(0, 20, size)], dtype=object)
        yield frame
