"""Feeders of 20 to 500 A, each with its own level and scale, and bundles fitted on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.model.bundle import Bundle

SIZES = {"small": 20.0, "middle": 120.0, "large": 500.0}


def table(rows: int = 1500, seed: int = 0, wide: float = 1.0) -> pd.DataFrame:
    """Currents of three feeders, within 10 % of their level; the large one may be wider."""
    rng = np.random.default_rng(seed)
    names = np.resize(list(SIZES), rows)
    levels = np.array([SIZES[name] for name in names])
    widths = 0.1 * levels * np.where(names == "large", wide, 1.0)
    load = rng.normal(0, 1, rows)
    return pd.DataFrame(
        {
            "time": pd.date_range("2026-01-05", periods=rows, freq="10min", tz="UTC", unit="us"),
            "feeder": names,
            "current": levels + widths * load,
            "heat": levels / 10 + widths / 20 * load + rng.normal(0, 0.01, rows) * levels,
        }
    )


def fit(rows: pd.DataFrame, detector: str = "gmm", **blocks: Any) -> Bundle:
    data = {"source": "csv", "path": "rows.csv", "time": "time", "id": "feeder"}
    training = {"candidates": [detector], **blocks.pop("training", {})}
    features = {"entities": "own", **blocks.pop("features", {})}
    settings = config.Pipeline.model_validate(
        {"name": "feeders", "data": data, "training": training, "features": features, **blocks}
    )
    contract = FrameContract.infer(rows, settings.data)
    mask = np.random.default_rng(1).random(len(rows)) < 0.6
    candidate = config.Candidate(detector=detector)
    return Bundle.fit(rows[mask], rows[~mask], settings, candidate, contract, {"key": "k1"})
