"""The rows that a stream kept are read by the windows that they lie in, and no others are opened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Data
from pynomaly.data.sources import read_source
from pynomaly.data.sources.stream import list_kept_windows
from pynomaly.data.streams.kept_rows import KeptPart, KeptRows
from pynomaly.data.window import Window

START = datetime(2026, 1, 20, tzinfo=UTC)
MINUTE, TICK = timedelta(minutes=1), timedelta(microseconds=1)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """Five windows of a minute, a row every twenty seconds; the third is missing, the last is damaged."""
    data = Data(source="stream", path=str(tmp_path), time="time", id="machine")
    kept = KeptRows(data)
    for number in (0, 1, 3, 4):
        times = pd.date_range(START + number * MINUTE, periods=3, freq="20s", unit="us")
        frame = pd.DataFrame({"time": times, "machine": "a", "heat": np.arange(3.0)})
        kept.write_part(
            Window(START + number * MINUTE, START + (number + 1) * MINUTE),
            KeptPart(frame, np.ones(3, np.int64)),
        )
    (last,) = tmp_path.glob("20260120T000400Z*")
    last.write_bytes(b"damaged")
    return data


@pytest.mark.parametrize("first", [0, 20, 59, 60, 119])
@pytest.mark.parametrize("length", [1, 40, 60, 121])
@pytest.mark.parametrize("shift", [timedelta(0), TICK, -TICK])
def test_all_rows_of_a_window_are_read(data: Data, first: int, length: int, shift: timedelta) -> None:
    start = START + timedelta(seconds=first) + shift
    window = Window(start, min(start + timedelta(seconds=length), START + 4 * MINUTE))
    ticks = [START + timedelta(seconds=20 * each) for each in range(12) if not 6 <= each < 9]
    expected = [moment for moment in ticks if window.start <= moment < window.end]
    if expected:
        assert read_source(data, window)["time"].tolist() == expected


def test_every_window_is_listed(data: Data) -> None:
    assert [item.start for item in list_kept_windows(str(data.path))] == [
        START + number * MINUTE for number in (0, 1, 3, 4)
    ]
