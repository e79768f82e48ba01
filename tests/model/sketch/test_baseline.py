"""The reference against itself: by season, and by how much its own windows differ."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pandas as pd
import pytest

from pynomaly.model.fitting.importance import measure_importance
from pynomaly.model.sketch.baseline import Baseline, ColumnBaseline
from pynomaly.model.sketch.reference_windows import ReferenceWindows
from pynomaly.model.sketch.seasons import count_per_cell, finest_level, hours_of_week
from pynomaly.model.sketch.sketch import Sketch

DAY = pd.Timedelta(days=1)


def times(days: int, a_day: int = 96) -> pd.Series:
    start = pd.Timestamp("2026-01-05", tz="UTC")
    return pd.Series(pd.date_range(start, periods=days * a_day, freq=DAY / a_day))


def baseline(frame: pd.DataFrame, moments: pd.Series, seasons: int = 2) -> Baseline:
    sketch = Sketch.of(frame, times=moments)
    return Baseline.of(
        frame,
        moments,
        sketch.numeric,
        sketch.categorical,
        sketch.moments,
        length=DAY,
        seasons=seasons,
    )


@pytest.mark.parametrize(
    ("days", "a_day", "seasons", "most", "level"),
    [
        (56, 96, 2, 168, "hour_of_week"),
        (56, 96, 9, 168, "hour_of_day"),  # eight weeks are not nine
        (56, 24, 2, 168, "quarter_of_week"),  # 8 rows an hour of the week are too few
        (56, 8, 2, 168, "day_of_week"),
        (56, 96, 2, 30, "quarter_of_week"),  # a bound on size
        (10, 96, 2, 168, "hour_of_day"),
        (1, 96, 2, 168, "none"),
        (56, 1, 2, 168, "hour_of_day"),  # one hour alone is its own season
        (14, 1, 2, 168, "none"),
    ],
)
def test_the_finest_calendar_that_the_rows_carry(
    days: int, a_day: int, seasons: int, most: int, level: str
) -> None:
    assert finest_level(times(days, a_day), seasons, most) == level


def test_hours_count_from_monday_in_utc() -> None:
    moments = pd.Series(pd.to_datetime(["2026-01-05T00:30:00Z", "2026-01-11T23:59:00Z"]))
    assert hours_of_week(moments).tolist() == [0, 167]
    assert hours_of_week(moments.dt.tz_convert("Asia/Tokyo")).tolist() == [0, 167]
    assert count_per_cell(np.bincount([0, 167], minlength=168), "day_of_week").tolist() == [
        1,
        0,
        0,
        0,
        0,
        0,
        1,
    ]


def test_dependent_rows_widen_the_tests_and_independent_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    moments = times(56)
    level = np.repeat(rng.normal(scale=0.5, size=56), 96)
    frame = pd.DataFrame(
        {"free": rng.normal(size=len(moments)), "held": level + rng.normal(size=len(moments))}
    )
    built = baseline(frame, moments)
    assert (built.blocks, built.block) == (56, 86_400)
    assert built.columns["free"].noise.ratio < 1.5
    assert built.columns["held"].noise.ratio > 3


def test_counts_by_cell_are_those_of_the_rows_and_survive_json() -> None:
    rng = np.random.default_rng(1)
    moments = times(28)
    frame = pd.DataFrame({"a": rng.integers(0, 4, len(moments)).astype(float)})
    frame.loc[:99, "a"] = np.nan
    frame["c"] = pd.Series(rng.choice(["x", "y"], len(moments)), dtype=object)
    built = baseline(frame, moments)
    again = Baseline.from_dict(json.loads(json.dumps(built.to_dict(), allow_nan=False)))
    for name, column in built.columns.items():
        assert column.counts.sum() == len(frame)
        assert column.counts[:, -1].sum() == frame[name].isna().sum()
        np.testing.assert_array_equal(again.columns[name].counts, column.counts)
        assert again.columns[name].noise == column.noise
    assert built.columns["a"].level == "quarter_of_week"
    monday = hours_of_week(moments) < 6
    twos = built.columns["a"].counts[0, 2 * built.columns["a"].grid.edges.index(2.0) + 1]
    assert twos == int((frame.loc[monday, "a"] == 2).sum())


def test_packed_counts_of_another_size_are_refused() -> None:
    rng = np.random.default_rng(2)
    moments = times(28)
    content = baseline(pd.DataFrame({"a": rng.normal(size=len(moments))}), moments).columns["a"].to_dict()
    huge = base64.b64encode(zlib.compress(b"\0" * 50_000_000)).decode()
    for packed in (huge, base64.b64encode(zlib.compress(b"\0" * 8)).decode()):
        with pytest.raises(ValueError, match="belong there"):
            ColumnBaseline.from_dict(content | {"counts": packed})


def test_short_references_are_cut_into_shorter_windows_and_partial_ones_are_left_out() -> None:
    cut = ReferenceWindows.split(times(28), pd.Timedelta(days=7))
    assert cut.block == 86_400  # four weeks are too few
    assert len(cut.places) == 28
    assert (cut.lengthen(3600), cut.lengthen(2 * 86_400), cut.lengthen(1e9)) == (1, 2, 7)
    shuffled = times(21).iloc[90:].sample(frac=1, random_state=0).reset_index(drop=True)
    windows = ReferenceWindows.split(shuffled, DAY).places
    assert [len(window) for window in windows] == [96] * 20  # six rows of the first day are no window
    assert all(len(set(shuffled.iloc[window].dt.date)) == 1 for window in windows)
    assert ReferenceWindows.split(times(1), DAY).block == 3600


def test_importance_finds_the_columns_that_the_scores_rest_on() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    frame["d"] = 1.0

    def scores(rows: pd.DataFrame) -> np.ndarray:
        return (3 * rows["a"].abs() + rows["b"].abs()).to_numpy()

    importance = measure_importance(scores, frame, tuple("abcd"), 0)
    assert importance["a"] > importance["b"] > importance["c"] == 0.0
    assert "d" not in importance  # one value: shuffling says nothing
    assert sum(importance.values()) == pytest.approx(3 / 4)
    assert measure_importance(scores, frame, tuple("abcd"), 0) == importance
    assert measure_importance(lambda rows: np.zeros(len(rows)), frame, tuple("abcd"), 0) == {}
    assert measure_importance(scores, frame.iloc[:49], tuple("abcd"), 0) == {}


@pytest.mark.parametrize("d", [2, 30, 150])
def test_importance_scores_a_bounded_number_of_rows(d: int) -> None:
    frame = pd.DataFrame(np.random.default_rng(4).normal(size=(5000, d)), columns=[f"x{i}" for i in range(d)])
    row_counts = []

    def scores(rows: pd.DataFrame) -> np.ndarray:
        row_counts.append(len(rows))
        return rows["x0"].to_numpy()

    measure_importance(scores, frame, tuple(frame.columns), 0)
    assert sum(row_counts) <= 10_200
