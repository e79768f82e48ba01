"""How cells are read: marks for missing, numbers with units, large numbers, thousands and decimal marks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.config import Data
from pynomaly.data.frame import FrameContract, read_categories, read_numbers
from pynomaly.data.shape.cells import read_cells
from pynomaly.data.sources import read_source


def cell_data(**options) -> Data:
    return Data(source="csv", path="rows.csv", **options)


def read_column(cells: list | pd.Series, *, has_raw_text: bool = True, **options) -> pd.Series:
    column = cells if isinstance(cells, pd.Series) else pd.Series(cells, dtype=object)
    frame = pd.DataFrame({"v": column})
    before = frame.copy()
    read = read_cells(frame, cell_data(**options), has_raw_text=has_raw_text)["v"]
    pd.testing.assert_frame_equal(frame, before)
    return read


def test_without_settings_a_frame_is_itself():
    frame = pd.DataFrame({"v": ["-", "1"]})
    assert read_cells(frame, cell_data()) is frame


@pytest.mark.parametrize(
    ("cells", "missing"),
    [
        (["-9999", "-9999.0", " -9999 ", "-999", "5"], [True, True, True, False, False]),
        ([-9999.0, 1.0, 2.0, 3.0, 4.0], [True, False, False, False, False]),
        (pd.Series([-9999, 1, 2, 3, 4]), [True, False, False, False, False]),
        (["?", " ? ", "??", "ok", -9999], [True, True, False, False, True]),
        (pd.Series(["?", "a", None, "b", "-9999"], dtype="str"), [True, False, True, False, True]),
        (pd.Series(["?", "a", "a", "b", "-9999"], dtype="category"), [True, False, False, False, True]),
        ([True, False, True, False, None], [False, False, False, False, True]),
    ],
)
def test_marks_are_missing_in_columns_of_every_type(cells, missing):
    assert read_column(cells, missing_values=["?", "-9999"]).isna().tolist() == missing


def test_marks_of_one_column_are_missing_there_alone():
    frame = pd.DataFrame({"a": ["0", "1", "2"], "b": ["0", "1", "2"]})
    read = read_cells(frame, cell_data(missing_in={"a": ["0"]}))
    np.testing.assert_array_equal(read["a"], [np.nan, 1, 2])
    assert read["b"].tolist() == ["0", "1", "2"]


def test_marks_are_missing_among_categories_and_leave_the_id_alone():
    frame = pd.DataFrame({"m": ["-", "x"], "kind": ["-", "x"], "n": [-1, 2]})
    read = read_cells(frame, cell_data(missing_values=["-", "-1"], id="m", categorical=["kind"]))
    assert read["m"].tolist() == ["-", "x"]
    assert read_categories(read["kind"]).tolist() == [None, "x"]
    np.testing.assert_array_equal(read["n"], [np.nan, 2])


@pytest.mark.parametrize(
    ("cell", "right"),
    [
        ("$1,234.50", 1234.5),
        ("(1,234)", -1234),
        ("($5.00)", -5),
        ("-$5", -5),
        ("$-5", -5),
        ("5-", -5),
        ("\u22125.5", -5.5),
        ("+5", 5),
        ("12 %", 12),
        ("12%", 12),
        ("20.5 °C", 20.5),
        ("3 km/h", 3),
        ("9.81 m/s2", 9.81),
        ("9.81 m/s^2", 9.81),
        ("40 µg/m³", 40),
        ("1 234 567", None),
        ("US$ 7", 7),
        ("EUR 7", 7),
        ("7 €", 7),
        ("1e3", 1000),
        ("5 eV", 5),
        (".5", 0.5),
        ("5.", 5),
        ("Bad Input", None),
        ("12-34", None),
        ("10:30", None),
        ("5 of 10", None),
        ("1,5", None),
        ("12,34", None),
        ("(-5)", None),
        ("--5", None),
        ("-", None),
    ],
)
def test_numbers_with_units_are_read_and_others_stay_as_written(cell, right):
    read = read_column([cell, "1", None], numbers=["v"])
    if right is None:
        assert read.tolist() == [cell, "1", None]
        _, bad = read_numbers(read)
        assert bad.tolist() == [True, False, False]
    else:
        np.testing.assert_array_equal(read, [right, 1, np.nan])
        assert read.dtype == "float64"


@pytest.mark.parametrize(
    ("cell", "options", "right"),
    [
        ("1.234,5 kg", {"decimal": ","}, 1234.5),
        ("1'234.5 CHF", {"thousands": "'"}, 1234.5),
        ("1\u2019234", {"thousands": "'"}, 1234),
        ("1\u00a0234,5", {"thousands": " ", "decimal": ","}, 1234.5),
        ("12,34,567 Rs", {"thousands": ","}, 1234567),
        ("1_000", {"thousands": "_"}, 1000),
    ],
)
def test_units_beside_the_declared_marks(cell, options, right):
    assert read_column([cell], numbers=["v"], **options).tolist() == [right]


@pytest.mark.parametrize(
    ("cell", "right"),
    [
        ("698.62K", 698620),
        ("1.2M", 1_200_000),
        ("3b", 3e9),
        ("1.1T", 1.1e12),
        ("$2.5 bn", 2.5e9),
        ("-7k", -7000),
        ("1,234", 1234),
        ("12", 12),
        ("5X", None),
        ("K", None),
    ],
)
def test_magnitudes(cell, right):
    read = read_column([cell, "1"], magnitudes=["v"])
    assert read.tolist() == ([right, 1] if right is not None else [cell, "1e0"])


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_what_python_writes_with_marks_reads_back(value):
    cells = [f"{value:,.4f}", f"{value:,.4f} kWh", f"€{value:,.4f}"]
    right = float(f"{value:.4f}")
    assert read_column(cells, numbers=["v"]).tolist() == [right] * 3
    swapped = f"{value:,.4f}".translate(str.maketrans(",.", ".,"))
    assert read_column([swapped], decimal=",", thousands=".").tolist() == [right]


def test_marks_of_text_in_tables_with_types_of_their_own(tmp_path):
    frame = pd.DataFrame(
        {"a": ["1.234,5", "2"], "b": ["1.234,5", "Bad"], "c": ["1.234", "2"], "n": [1.5, 2.5]}
    )
    frame.to_parquet(tmp_path / "rows.parquet")
    data = Data(
        source="parquet", path=str(tmp_path / "rows.parquet"), decimal=",", thousands=".", categorical=["c"]
    )
    read = read_source(data)
    assert read["a"].tolist() == [1234.5, 2]
    assert read["b"].tolist() == ["1234.5", "Bad"]
    assert read["c"].tolist() == ["1.234", "2"]
    assert read["n"].tolist() == [1.5, 2.5]
    assert FrameContract.infer(read, data).numeric == ("a", "n")


def test_text_that_a_reader_has_spelled_is_not_read_twice():
    assert read_column(["1.234", "Bad"], decimal=",", thousands=".", has_raw_text=False).tolist() == [
        "1.234",
        "Bad",
    ]


def test_a_csv_reads_marks_and_units(tmp_path):
    (tmp_path / "rows.csv").write_text("v,p,k\n-9999,$1.50,?\n2,(3),b\n")
    data = Data(
        source="csv",
        path=str(tmp_path / "rows.csv"),
        missing_values=["-9999", "?"],
        numbers=["p"],
        categorical=["k"],
    )
    read = read_source(data)
    np.testing.assert_array_equal(read["v"], [np.nan, 2])
    assert read["p"].tolist() == [1.5, -3]
    assert read["k"].isna().tolist() == [True, False]
