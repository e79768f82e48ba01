"""Long tables: a row for each quantity becomes a row for each time and entity."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pynomaly.config import Data, Limits
from pynomaly.data.sources import WindowReader, read_source, read_span
from pynomaly.data.sources.normalize import shape_rows
from pynomaly.data.sources.parts import has_more_rows
from pynomaly.data.sources.sample import bound_row_count
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError, DataError, SourceError

AT = [f"2026-01-05T0{hour}:00:00Z" for hour in range(9)]


def long_data(**options) -> Data:
    return Data(**{"source": "csv", "path": "x", "time": "t", "long": {"name": "n", "value": "v"}, **options})


def widen(rows: list[tuple], names: str = "t n v", **options) -> pd.DataFrame:
    return shape_rows(pd.DataFrame(rows, columns=names.split()), long_data(**options))


def test_a_row_for_each_time_and_a_column_for_each_quantity():
    wide = widen([(AT[0], "b", 1.0), (AT[0], "a", 2.0), (AT[2], "a", 3.0), (AT[1], "b", 4.0)])
    assert list(wide) == ["t", "a", "b"]
    assert wide["t"].tolist() == [pd.Timestamp(AT[place]) for place in (0, 2, 1)]
    np.testing.assert_array_equal(wide["a"], [2, 3, np.nan])
    np.testing.assert_array_equal(wide["b"], [1, np.nan, 4])


def test_the_last_of_a_quantity_at_one_time_counts_and_entities_stay_apart():
    rows = [(AT[0], "x", "a", 1), (AT[0], "y", "a", 2), (AT[0], "x", "a", 3), (AT[0], "x", " a ", None)]
    wide = widen(rows[:3], "t m n v", id="m")
    assert wide[["m", "a"]].to_numpy().tolist() == [["x", 3], ["y", 2]]
    assert widen(rows, "t m n v", id="m")["a"].isna().tolist() == [True, False]


def test_text_is_numbers_where_a_quantity_has_nothing_else():
    wide = widen(
        [(AT[0], "temp", "1.5"), (AT[0], "state", "open"), (AT[1], "temp", "2"), (AT[1], "state", "3")]
    )
    assert wide["temp"].tolist() == [1.5, 2]
    assert wide["state"].tolist() == ["open", "3"]
    kept = widen([(AT[0], "code", "1"), (AT[1], "code", "2")], categorical=["code"])
    assert kept["code"].tolist() == ["1", "2"]


def test_names_may_be_numbers_and_settings_of_the_value_hold_for_each_quantity():
    wide = widen([(AT[0], 3.0, "$1,000"), (AT[1], 4.0, "?")], numbers=["v"], missing_in={"v": ["?"]})
    assert list(wide) == ["t", "3", "4"]
    np.testing.assert_array_equal(wide["3"], [1000, np.nan])
    assert wide["4"].isna().all()
    one = widen([(AT[0], "a", "-1"), (AT[0], "b", "-1")], missing_in={"a": ["-1"]})
    np.testing.assert_array_equal(one[["a", "b"]].astype(float), [[np.nan, -1]])


def test_declared_quantities_have_a_column_without_a_row_and_other_columns_are_left_out():
    wide = widen([(AT[0], "a", 1.0, "bar")], "t n v unit", columns=["a", "b"])
    assert list(wide) == ["t", "a", "b"]
    assert wide["b"].isna().all()


def test_a_label_of_any_quantity_is_the_label_of_the_row():
    rows = [(AT[0], "a", 1, 0), (AT[0], "b", 1, 1), (AT[1], "a", 1, None), (AT[2], "a", 1, 0)]
    np.testing.assert_array_equal(widen(rows, "t n v y", label="y")["y"], [1, np.nan, 0])


def test_rows_without_a_readable_time_stay_alone():
    wide = widen([("soon", "a", 1.0), (AT[0], "a", 2.0), ("soon", "b", 3.0)])
    assert wide["t"].isna().tolist() == [True, False, True]
    np.testing.assert_array_equal(wide[["a", "b"]], [[1, np.nan], [2, np.nan], [np.nan, 3]])


def test_what_cannot_be_widened_says_so():
    with pytest.raises(DataError, match=r"'n' \(data\.long\.name\) is empty in row 1, whose value is"):
        widen([(AT[0], "a", 1.0), (AT[0], None, 2.0)])
    assert len(widen([(AT[0], "a", 1.0), (AT[0], None, None)])) == 1
    with pytest.raises(ColumnError, match="quantity is named 't'"):
        widen([(AT[0], "t", 1.0)])
    with pytest.raises(ColumnError, match="missing column 'v'"):
        widen([(AT[0], "a")], "t n")
    with pytest.raises(SourceError, match=r"2 quantities in 'n'; data\.limits\.columns allows 1"):
        widen([(AT[0], "a", 1), (AT[0], "b", 1)], limits=Limits(columns=1))
    with pytest.raises(ValidationError, match=r"data\.long needs data\.time"):
        long_data(time=None)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_and_its_windows(tmp_path, kind):
    path = str(tmp_path / f"rows.{kind}")
    frame = pd.DataFrame({"t": np.repeat(AT, 2), "n": ["a", "b"] * 9, "v": np.arange(18.0)})
    if kind == "parquet":
        frame.assign(t=pd.to_datetime(frame["t"])).to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    data = long_data(source=kind, path=path, counters=["a"])
    whole = read_source(data)
    assert whole.shape == (9, 3)
    np.testing.assert_array_equal(whole["a"], [np.nan, *[2.0] * 8])
    window = Window(datetime(2026, 1, 5, 3, tzinfo=UTC), datetime(2026, 1, 5, 5, tzinfo=UTC))
    pd.testing.assert_frame_equal(read_source(data, window), whole.iloc[3:5].reset_index(drop=True))
    pd.testing.assert_frame_equal(WindowReader(data).read(window), read_source(data, window))
    assert read_span(data).start == datetime(2026, 1, 5, tzinfo=UTC)
    plain = long_data(source=kind, path=path)
    assert bound_row_count(plain, None) is None
    assert not has_more_rows(plain, path, 1)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(AT), st.sampled_from("xy"), st.sampled_from("abc"), st.integers(-9, 9)),
        min_size=1,
    )
)
def test_a_wide_table_is_that_of_a_plain_loop(rows):
    wide = widen([(*row[:3], float(row[3])) for row in rows], "t m n v", id="m")
    expected: dict[tuple, dict] = {}
    for at, entity, name, value in rows:
        expected.setdefault((pd.Timestamp(at), entity), {})[name] = float(value)
    assert list(zip(wide["t"], wide["m"], strict=True)) == list(expected)
    for row, cells in zip(wide.to_dict("records"), expected.values(), strict=True):
        present = {name: value for name, value in row.items() if name in "abc" and not np.isnan(value)}
        assert present == cells
