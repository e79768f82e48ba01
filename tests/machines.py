"""A small table of machines and the settings of a pipeline over it, for tests of the life cycle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def make_machines(
    days: int, *, start: str = "2026-01-05", shift_day: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """Returns four machines, one row per hour; 8 % are labelled spikes; from `shift_day` on values shift."""
    rng = np.random.default_rng(seed)
    times = pd.date_range(start, periods=days * 24, freq="h", tz="UTC").repeat(4)
    n = len(times)
    load = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "time": times,
            "machine": np.tile(["a", "b", "c", "d"], n // 4),
            "heat": 20 + 3 * load + rng.normal(size=n),
            "power": 5 + 2 * load + rng.normal(scale=0.5, size=n),
            "noise": rng.normal(size=n),
            "anomaly": (rng.random(n) < 0.08).astype(int),
        }
    )
    spiked = frame["anomaly"] == 1
    frame.loc[spiked, "power"] -= 3 * np.sign(load[spiked]) * 3
    if shift_day is not None:
        late = frame["time"] >= frame["time"].min() + pd.Timedelta(days=shift_day)
        frame.loc[late, "heat"] += 12
        frame.loc[late, "power"] = 12 - frame.loc[late, "power"]
        frame.loc[late, "noise"] *= 3
    return frame


def make_resting_machines(days: int) -> pd.DataFrame:
    """Returns the same machines, which run cooler and with less power at weekends; the shift is large."""
    frame = make_machines(days)
    weekend = frame["time"].dt.dayofweek.to_numpy() >= 5
    return frame.assign(heat=frame["heat"] - 12 * weekend, power=frame["power"] - 8 * weekend)


def make_small_settings(**blocks: Any) -> dict[str, Any]:
    """Returns settings for ``machines.csv`` beside the YAML; keyword arguments change blocks."""
    settings: dict[str, Any] = {
        "name": "machines",
        "data": {
            "source": "csv",
            "path": "machines.csv",
            "time": "time",
            "id": "machine",
            "label": "anomaly",
        },
        "windows": {"reference": "14d"},
        "training": {"candidates": ["hbos"]},
        "comparison": {"resamples": 200},
        "retraining": {"min_rows": 300},
    }
    for name, block in blocks.items():
        settings[name] = {**settings.get(name, {}), **block} if isinstance(block, dict) else block
    return settings
