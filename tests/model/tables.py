"""A small table with numbers, a category, missing cells, times and a label, and a pipeline for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.model.bundle import Bundle


def table(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    load = rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "time": pd.date_range("2026-01-05", periods=rows, freq="10min", tz="UTC", unit="us"),
            "pressure": 5 + 2 * load + rng.normal(0, 0.3, rows),
            "flow": 100 - 10 * load + rng.normal(0, 2, rows),
            "kind": rng.choice(["gear", "shaft", "belt"], rows, p=[0.6, 0.3, 0.1]),
            "anomaly": np.where(rng.random(rows) < 0.03, 1.0, 0.0),
        }
    )
    frame.loc[rng.random(rows) < 0.05, "flow"] = np.nan
    return frame


def pipeline(**blocks: Any) -> config.Pipeline:
    data = {"source": "csv", "path": "rows.csv", "time": "time", "label": "anomaly", **blocks.pop("data", {})}
    training = {"candidates": ["iforest"], **blocks.pop("training", {})}
    return config.Pipeline.model_validate({"name": "press", "data": data, "training": training, **blocks})


def fit(detector: str = "iforest", rows: pd.DataFrame | None = None, **blocks: Any) -> Bundle:
    rows = table() if rows is None else rows
    settings = pipeline(**blocks)
    contract = FrameContract.infer(rows, settings.data)
    cut = int(len(rows) * 0.7)
    candidate = config.Candidate(detector=detector)
    return Bundle.fit(rows.iloc[:cut], rows.iloc[cut:], settings, candidate, contract, {"key": "k1"})
