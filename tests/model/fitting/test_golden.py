import json

import numpy as np
import pandas as pd

from pynomaly.model.bundle_files import pack_rows, unpack_rows
from pynomaly.model.fitting.golden import (
    GOLDEN_ROWS,
    pick_positions,
    take_golden_rows,
)
from pynomaly.model.scoring import PreparedRows


def test_positions_run_from_the_lowest_score_to_the_highest() -> None:
    scores = np.random.default_rng(0).normal(size=1000)
    chosen = scores[pick_positions(scores)]
    assert len(chosen) == GOLDEN_ROWS
    assert (np.diff(chosen) > 0).all()
    assert (chosen[0], chosen[-1]) == (scores.min(), scores.max())


def test_few_or_no_rows_are_all_taken() -> None:
    assert sorted(pick_positions(np.array([3.0, 1.0, 2.0])).tolist()) == [0, 1, 2]
    assert pick_positions(np.array([])).tolist() == []


def test_rows_reload_exactly() -> None:
    rows = pd.DataFrame(
        {
            "scores": [0.1 + 0.2, np.nan],
            "a/b c": [-0.0, 5e-324],
            "column0": pd.Series(["zwölf", None], dtype=object),
        }
    )
    arrays, text = pack_rows(rows)
    back = unpack_rows(arrays, json.loads(json.dumps(text)))
    pd.testing.assert_frame_equal(back, rows, check_exact=True)
    assert np.signbit(back["a/b c"].iloc[0])
    assert back["column0"].iloc[1] is None


def test_times_become_text_that_reads_back_exactly() -> None:
    moments = pd.date_range("2026-03-29T00:59:59.123456Z", periods=3, freq="37min", unit="us").to_series(
        name="t"
    )
    rows = take_golden_rows(PreparedRows(pd.DataFrame({"a": [1.0, 2.0, 3.0]}), moments), np.array([2, 0]))
    assert rows.columns.tolist() == ["t", "a"]
    assert pd.to_datetime(rows["t"], utc=True, format="ISO8601").tolist() == [
        moments.iloc[2],
        moments.iloc[0],
    ]
