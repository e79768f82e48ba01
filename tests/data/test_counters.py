"""Counters as increases: resets, entities, gaps, windows, and the same bits wherever a row is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pynomaly.config import Data
from pynomaly.data.shape.counters import difference_counters
from pynomaly.data.sources import WindowReader, read_source
from pynomaly.data.sources.parts import has_more_rows
from pynomaly.data.sources.sample import bound_row_count
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError

START = pd.Timestamp("2026-01-05T00:00Z")


def counter_data(**options) -> Data:
    return Data(**{"source": "csv", "path": "rows.csv", "time": "t", "counters": ["kwh"], **options})


def difference(
    readings: list, hours: list[float] | None = None, entity: list | None = None, **options
) -> list:
    at = [START + timedelta(hours=hour) for hour in (hours or range(len(readings)))]
    frame = pd.DataFrame(
        {"t": pd.Series(at, dtype="datetime64[us, UTC]"), "kwh": readings, "m": entity or "a"}
    )
    return difference_counters(frame, counter_data(id="m", **options))["kwh"].tolist()


@pytest.mark.parametrize(
    ("readings", "right"),
    [
        ([10, 12, 15.5], [np.nan, 2, 3.5]),
        ([10, 10, 10], [np.nan, 0, 0]),
        ([10, 12, 3, 4], [np.nan, 2, 3, 1]),
        ([10, 12, 0, 4], [np.nan, 2, 0, 4]),
        ([10, None, 12, 13], [np.nan, np.nan, np.nan, 1]),
        ([10, np.inf, 12, 13], [np.nan, np.nan, np.nan, 1]),
        (["10", "12", "15"], [np.nan, 2, 3]),
        ([10], [np.nan]),
        ([], []),
    ],
)
def test_an_increase_is_the_difference_and_a_fall_is_a_reset(readings, right):
    np.testing.assert_array_equal(difference(readings), right)


def test_entities_are_counted_alone():
    read = difference([10, 100, 12, 105, 13], entity=list("ababa"))
    np.testing.assert_array_equal(read, [np.nan, np.nan, 2, 5, 1])


def test_a_gap_longer_than_the_history_has_no_increase():
    np.testing.assert_array_equal(difference([1, 2, 4, 8], [0, 24, 49, 50]), [np.nan, 1, np.nan, 4])
    longer = {"series": {"history": "2d"}}
    np.testing.assert_array_equal(difference([1, 2, 4, 8], [0, 24, 49, 50], **longer), [np.nan, 1, 2, 4])


def test_a_cell_that_is_no_number_stays_as_written():
    read = difference(["10", "Bad", "12", "13"])
    assert read[1] == "Bad"
    np.testing.assert_array_equal([read[0], read[2], read[3]], [np.nan, np.nan, 1])


def test_a_row_without_a_time_counts_in_no_other():
    frame = pd.DataFrame({"t": [START, START + timedelta(hours=1), pd.NaT], "kwh": [1.0, 2.0, 50.0]})
    np.testing.assert_array_equal(difference_counters(frame, counter_data())["kwh"], [np.nan, 1, np.nan])


def test_a_counter_needs_a_time_and_a_column():
    with pytest.raises(ValidationError, match=r"data\.counters needs data\.time"):
        counter_data(time=None)
    with pytest.raises(ColumnError, match="missing column 'kwh'"):
        difference_counters(pd.DataFrame({"t": [START]}), counter_data())


def make_meters(days: int = 6) -> pd.DataFrame:
    random = np.random.default_rng(5)
    at = pd.date_range(START, periods=days * 24, freq="h")
    parts = []
    for name in ("a", "b"):
        readings = np.cumsum(random.random(len(at)))
        readings[days * 10 :] -= readings[days * 10] - 0.5
        parts.append(pd.DataFrame({"t": at, "m": name, "kwh": readings, "heat": random.random(len(at))}))
    return pd.concat(parts).sort_values(["t", "m"], ignore_index=True)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("columns", [[], ["kwh", "heat"]])
def test_a_row_has_the_same_bits_in_the_whole_and_in_each_window(tmp_path, kind, columns):
    path = str(tmp_path / f"rows.{kind}")
    frame = make_meters()
    frame.to_parquet(path) if kind == "parquet" else frame.to_csv(path, index=False)
    data = counter_data(
        source=kind, path=path, id="m", series={"columns": columns, "history": "5h", "rows": 4}
    )
    whole = read_source(data)
    assert whole["kwh"].isna().sum() == 2
    assert (whole["kwh"].dropna() >= 0).all()
    assert whole["kwh"].max() < 1.01
    reader = WindowReader(data)
    for day in range(1, 6):
        window = Window(
            datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=day),
            datetime(2026, 1, 6, tzinfo=UTC) + timedelta(days=day),
        )
        inside = whole[(whole["t"] >= window.start) & (whole["t"] < window.end)].reset_index(drop=True)
        pd.testing.assert_frame_equal(read_source(data, window), inside, check_exact=True)
        pd.testing.assert_frame_equal(reader.read(window), inside, check_exact=True)
    assert bound_row_count(data, None) is None
    assert not has_more_rows(data, path, 1)


def test_a_table_to_score_starts_without_increases(tmp_path):
    make_meters().to_csv(tmp_path / "new.csv", index=False)
    read = read_source(counter_data(id="m"), path=str(tmp_path / "new.csv"))
    assert read["kwh"].isna().tolist() == [True, True] + [False] * (len(read) - 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.floats(0, 1e6)), max_size=30))
def test_increases_are_those_of_a_plain_loop(rows):
    rows = sorted(rows, key=lambda row: row[1])
    frame = pd.DataFrame(
        {
            "t": pd.Series([START + timedelta(hours=row[1]) for row in rows], dtype="datetime64[us, UTC]"),
            "m": [row[0] for row in rows],
            "kwh": np.array([row[2] for row in rows], dtype=float),
        }
    )
    right, last = [], {}
    for entity, hour, reading in rows:
        at, before = last.get(entity, (None, 0.0))
        fresh = at is None or hour - at > 24
        right.append(np.nan if fresh else reading if reading < before else reading - before)
        last[entity] = (hour, reading)
    np.testing.assert_array_equal(difference_counters(frame, counter_data(id="m"))["kwh"], right)
