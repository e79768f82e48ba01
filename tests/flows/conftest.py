"""A small table of machines, its pipeline, and the command line run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml


@dataclass(frozen=True)
class Answer:
    """What a command left: exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.out.strip().splitlines()[-1]))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Run ``pynomaly ARGUMENTS`` in this process."""
    from flows.cli import main

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr("sys.argv", ["pynomaly", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        streams = capsys.readouterr()
        return Answer(code, streams.out, streams.err)

    return run


def machines(
    days: int, *, start: str = "2026-01-05", shift_day: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """Four machines, one row an hour; 8 % labelled spikes; after `shift_day` everything sits elsewhere."""
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


@pytest.fixture
def pipeline_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a table and a small pipeline over it; keyword arguments change blocks of the settings."""

    def write(frame: pd.DataFrame | None = None, **blocks: Any) -> Path:
        frame = machines(28) if frame is None else frame
        frame.to_csv(tmp_path / "machines.csv", index=False)
        settings: dict[str, Any] = {
            "name": "machines",
            "data": {
                "source": "csv",
                "path": "machines.csv",
                "time": "time",
                "id": "machine",
                "label": "anomaly",
            },
            "windows": {"score": "1d", "monitor": "7d", "reference": "14d"},
            "training": {"candidates": ["iforest", "hbos"]},
            "comparison": {"resamples": 200},
            "retraining": {"min_rows": 300},
        }
        for name, block in blocks.items():
            settings[name] = {**settings[name], **block} if isinstance(settings.get(name), dict) else block
        file = tmp_path / "machines.yaml"
        file.write_text(yaml.safe_dump(settings))
        return file

    return write
