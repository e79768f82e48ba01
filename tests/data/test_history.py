"""The rows before each entity's next, as they come: the same as of a file, and bounded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Data
from pynomaly.data.past import get_past
from pynomaly.data.sources import look_back
from pynomaly.data.streams import history
from pynomaly.data.streams.columns import StreamColumns
from pynomaly.data.streams.history import EntityHistory


def make_data(delay: str = "0s") -> Data:
    series = {
        "past": 8,
        "step": "1m",
        "gap": 2,
        "delay": delay,
        "columns": ["a"],
        "rows": 4,
        "history": "30m",
    }
    settings = {"source": "stream", "path": "-", "time": "t", "id": "m", "counters": ["c"], "series": series}
    return Data.model_validate(settings)


def make_rows(n: int, entities: int = 3, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.choice([5, 20, 60, 400], size=n, p=[0.5, 0.3, 0.19, 0.01]))
    moments = pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(steps, unit="s")
    values = rng.normal(size=n)
    values[rng.choice(n, n // 40)] = np.nan
    return pd.DataFrame(
        {
            "t": pd.Series(moments).dt.as_unit("us"),
            "m": pd.Series([f"m{item}" for item in rng.integers(0, entities, n)], dtype="str"),
            "a": values,
            "c": np.cumsum(rng.integers(0, 4, n)).astype(float),
        }
    )


COLUMNS = StreamColumns({"a": "number", "c": "number"})


@pytest.mark.parametrize("delay", ["0s", "3m"])
def test_rows_that_come_see_what_rows_of_a_file_see(delay: str) -> None:
    data, rows = make_data(delay), make_rows(600)
    whole = look_back(rows, data, is_over=True)
    expected, rng = get_past(whole), np.random.default_rng(2)
    assert expected is not None
    live, first, ready = EntityHistory(data, COLUMNS), 0, 0
    while first < len(rows):
        end = min(len(rows), first + int(rng.integers(1, 60)))
        taken = live.take(rows.iloc[first:end], np.arange(first, end))
        past = get_past(taken.frame)
        assert past is not None
        for place, row in enumerate(taken.tags.tolist()):
            spans = [
                slice(item.places[at] - item.before[at], item.places[at] + item.after[at] + 1)
                for item, at in ((past, place), (expected, row))
            ]
            cells = [item.stretches.cells[span] for item, span in zip((past, expected), spans, strict=True)]
            np.testing.assert_array_equal(cells[0], cells[1])
        names = ["a:change", "a:level", "a:spread", "c"]
        wanted = whole.iloc[taken.tags][names]
        np.testing.assert_array_equal(taken.frame[names].to_numpy(float), wanted.to_numpy(float))
        first, ready = end, ready + len(taken.tags)
    assert ready + live.waiting == len(rows)
    assert (live.waiting > 0) == (delay != "0s")


def test_entities_without_end_take_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_data()
    live = EntityHistory(data, COLUMNS)
    monkeypatch.setattr(history, "MAX_CELLS", 30 * 20 * 2)
    rows = make_rows(2000, entities=500)
    for first in range(0, len(rows), 10):
        live.take(rows.iloc[first : first + 10], np.arange(first, first + 10))
        assert live.entities <= 60
    newest = rows["m"].iloc[-1]
    kept = live._gather(np.array([newest], dtype=object))
    assert len(kept) >= 1
