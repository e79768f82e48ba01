from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.config import Data
from pynomaly.data.frame import FrameContract, hash_frame, read_categories, read_numbers
from pynomaly.errors import ColumnError


def declared(**settings) -> Data:
    return Data(source="csv", path="x.csv", **settings)


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "t": pd.date_range("2026-01-05", periods=4, freq="h", tz="UTC"),
            "count": [1, 2, 3, 4],
            "level": [0.5, np.nan, 1.5, 2.5],
            "kind": ["a", None, "b", "a"],
            "on": [True, False, True, True],
            "label": [0.0, 1.0, np.nan, 0.0],
        }
    )


def test_roles_follow_types_and_declarations(frame):
    contract = FrameContract.infer(frame, declared(time="t", label="label", categorical=("count",)))
    assert contract.numeric == ("level",)
    assert contract.categorical == ("count", "kind", "on")
    assert FrameContract.from_dict(contract.to_dict()) == contract


def test_text_of_mostly_numbers_is_numeric():
    frame = pd.DataFrame({"a": ["1.5", "oops", "2"], "b": ["x", "1", "y"]})
    contract = FrameContract.infer(frame, declared())
    assert (contract.numeric, contract.categorical) == (("a",), ("b",))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time": "tt"}, "did you mean 't'"),
        ({"time": "t", "ignore": ("levle",)}, "did you mean 'level'"),
        ({"time": "t", "columns": ("label",), "label": "label"}, "data.label"),
        ({"time": "t", "columns": ("level",), "categorical": ("kind",)}, "not a feature"),
        ({"ignore": ("label",)}, "data.ignore or make it data.time"),
        ({"time": "t", "ignore": ("count", "level", "kind", "on", "label")}, "no feature column"),
    ],
)
def test_wrong_declarations_are_named(frame, settings, message):
    with pytest.raises(ColumnError, match=message):
        FrameContract.infer(frame, declared(**settings))


def test_conform_by_name_in_order_without_mutation(frame):
    contract = FrameContract.infer(frame, declared(time="t", label="label"))
    before = frame.copy(deep=True)
    shuffled = frame[frame.columns[::-1]].assign(extra=1).set_index(pd.Index([9, 8, 7, 6]))
    conformed, want = contract.conform(shuffled), contract.conform(frame)
    assert list(conformed.index) == [9, 8, 7, 6]
    pd.testing.assert_frame_equal(conformed.reset_index(drop=True), want)
    pd.testing.assert_frame_equal(frame, before)
    assert want.dtypes.astype(str).to_dict() == {
        "count": "float64",
        "level": "float64",
        "kind": "object",
        "on": "object",
    }
    assert want["kind"].tolist() == ["a", None, "b", "a"]
    assert want["on"].tolist() == ["True", "False", "True", "True"]


def test_conform_refuses_by_name(frame):
    contract = FrameContract.infer(frame, declared(time="t", label="label"))
    with pytest.raises(ColumnError, match="missing column 'level'"):
        contract.conform(frame.drop(columns="level"))
    with pytest.raises(ColumnError, match="'level' occurs more than once"):
        contract.conform(pd.concat([frame, frame[["level"]]], axis=1))
    with pytest.raises(ColumnError, match="'level' holds 'bad' in row 2"):
        contract.conform(frame.assign(level=["1", "2", "bad", None]))
    with pytest.raises(ColumnError, match="'level' holds"):
        contract.conform(frame.assign(level=frame["t"]))


def test_numbers_reads_what_spells_one():
    cells = pd.Series(
        [Decimal("1.5"), " 2 ", "inf", "", None, "nan", "x", [1], pd.Timestamp(0)], dtype=object
    )
    values, bad = read_numbers(cells)
    np.testing.assert_array_equal(values[:3], [1.5, 2.0, np.inf])
    assert values[3:].isna().all()
    assert bad.tolist() == [False] * 6 + [True] * 3


def test_a_category_reads_the_same_beside_any_other_cell():
    together = read_categories(pd.Series([1.0, 2.5, None, True, "true", " ", 1], dtype=object))
    assert together.tolist() == ["1", "2.5", None, "True", "True", None, "1"]
    assert read_categories(pd.Series([1])).tolist() == read_categories(pd.Series([1.0, None]))[:1].tolist()


@pytest.mark.slow
@given(
    st.lists(st.one_of(st.none(), st.floats(), st.text(max_size=4), st.booleans()), min_size=1, max_size=8)
)
def test_conform_twice_is_conform_once(cells):
    contract = FrameContract((), ("a",))
    once = contract.conform(pd.DataFrame({"a": pd.Series(cells, dtype=object)}))
    pd.testing.assert_frame_equal(contract.conform(once), once)


def test_digest_sees_content_and_not_the_index(frame):
    base = hash_frame(frame)
    assert hash_frame(frame.set_index(pd.Index(list("wxyz")))) == base
    changed = [
        frame[frame.columns[::-1]],
        frame.iloc[::-1],
        frame.rename(columns={"kind": "sort"}),
        frame.assign(count=frame["count"].astype(float)),
        frame.assign(level=frame["level"].fillna(0)),
        frame.assign(kind=["a", "None", "b", "a"]),
        frame.iloc[:3],
    ]
    assert len({base, *map(hash_frame, changed)}) == len(changed) + 1


def test_digest_survives_parquet_and_another_process(frame, tmp_path):
    frame.to_parquet(tmp_path / "f.parquet")
    assert hash_frame(pd.read_parquet(tmp_path / "f.parquet")) == hash_frame(frame)
    code = "import sys, pandas; from pynomaly.data import hash_frame"
    code += "; print(hash_frame(pandas.read_parquet(sys.argv[1])))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "f.parquet")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == hash_frame(frame)
