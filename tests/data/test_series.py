"""A row with its past: the same whatever comes later, whoever else is there, however much is read before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pynomaly.config import Data, Series
from pynomaly.data.frame import FrameContract
from pynomaly.data.series import add_past_features
from pynomaly.data.sources import read_source
from pynomaly.data.window import Window
from pynomaly.errors import ColumnError

START = datetime(2026, 1, 5, tzinfo=UTC)
ADDED = ["v:change", "v:level", "v:spread"]
ASKED = Series(columns=("v",), rows=4, history=timedelta(hours=6))


def table(hours: int = 48, entities: str = "ab") -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"t": START + timedelta(hours=hour), "who": who, "v": rng.normal() * 10.0 ** rng.integers(-3, 8)}
        for hour in range(hours)
        for who in entities
    ]
    return pd.DataFrame(rows)


def past(frame: pd.DataFrame, settings: Series = ASKED) -> pd.DataFrame:
    return add_past_features(frame, "t", "who", settings)[["t", "who", *ADDED]]


def same(some: pd.DataFrame, all_: pd.DataFrame) -> None:
    """Bit for bit, on the rows of `some`."""
    both = some.merge(all_, on=["t", "who"], how="left", suffixes=("", "_all"))
    for name in ADDED:
        assert np.array_equal(both[name], both[f"{name}_all"], equal_nan=True), name


def test_features_are_what_they_say() -> None:
    frame = pd.DataFrame({"t": pd.date_range(START, periods=5, freq="h"), "v": [1.0, 2.0, 6.0, 3.0, 7.0]})
    features = add_past_features(frame, "t", None, Series(columns=("v",), rows=3, history=timedelta(days=1)))
    assert features[ADDED].iloc[-1].tolist() == pytest.approx([4.0, 7 - 11 / 3, np.std([2, 6, 3])])
    assert features[ADDED].isna().all(axis=1).tolist() == [True, True, False, False, False]


def test_later_rows_change_nothing() -> None:
    frame = table()
    changed = frame.assign(v=frame["v"].where(frame["t"] < START + timedelta(hours=30), 1e9))
    before = past(changed)[lambda rows: rows["t"] < START + timedelta(hours=30)]
    same(before, past(frame))
    same(past(frame.iloc[:40]), past(frame))


def test_other_entities_change_nothing() -> None:
    frame = table(entities="abc")
    same(past(frame[frame["who"] == "b"]), past(frame))


def test_more_of_the_past_changes_nothing() -> None:
    frame = table()
    for start in (1, 7, 20):
        late = past(frame[frame["t"] >= START + timedelta(hours=start)])
        same(late[late["t"] >= START + timedelta(hours=start) + ASKED.history], past(frame))


def test_warm_up_rows_say_so() -> None:
    features = past(table())
    assert features.groupby("who")["v:level"].apply(lambda cells: int(cells.isna().sum())).tolist() == [2, 2]
    gap = table()[
        lambda rows: (rows["t"] < START + timedelta(hours=9)) | (rows["t"] > START + timedelta(hours=30))
    ]
    after = past(gap)[lambda rows: rows["t"] > START + timedelta(hours=30)]
    assert after["v:level"].isna().tolist() == [True] * 4 + [False] * (len(after) - 4)  # too old to count


def test_bad_cells_and_times_are_nobodys_past() -> None:
    frame = table(entities="a")
    frame["v"] = frame["v"].astype(object)
    frame.loc[[10, 11, 12], "v"] = ["broken", np.inf, None]
    frame.loc[20, "t"] = pd.NaT
    features = past(frame)
    assert features.loc[[10, 11, 12], "v:level"].isna().all()
    assert features.loc[20, ADDED].isna().all()
    known = features.loc[[13, 14, 15, 21], "v:level"].notna()
    assert known.tolist() == [False, False, True, True]
    values = pd.to_numeric(frame["v"], errors="coerce")
    assert features.loc[21, "v:level"] == pytest.approx(values[21] - values[16:20].mean())


@pytest.mark.parametrize("start", [12, 24, 40])
def test_a_window_is_read_with_the_rows_before_it(tmp_path, start: int) -> None:
    file = tmp_path / "rows.parquet"
    table().sample(frac=1, random_state=1).to_parquet(file, index=False)
    data = Data(source="parquet", path=str(file), time="t", id="who", series=ASKED)
    window = Window(START + timedelta(hours=start), START + timedelta(hours=start + 5))
    rows, everything = read_source(data, window), read_source(data)
    assert len(rows) == 10
    assert (rows["t"] >= pd.Timestamp(window.start)).all()
    same(rows[["t", "who", *ADDED]], everything)
    assert rows[ADDED].notna().all().all()
    assert FrameContract.infer(rows, data).numeric == ("v", *ADDED)
    named = data.model_copy(update={"columns": ("v",)})
    assert FrameContract.infer(rows, named).numeric == ("v", *ADDED)


def test_names_that_are_taken_or_unknown_are_refused() -> None:
    with pytest.raises(ColumnError, match="v:level"):
        past(table().assign(**{"v:level": 1.0}))
    with pytest.raises(ColumnError, match="w"):
        past(table(), Series(columns=("w",)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rows": 0}, "greater than or equal to 1"),
        ({"columns": ("v", "v")}, "twice"),
        ({"history": "0s"}, "longer than nothing"),
    ],
)
def test_bad_settings_are_refused(settings: dict, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Series(**settings)
    with pytest.raises(ValidationError, match=r"data\.time"):
        Data(source="csv", path="rows.csv", series={"columns": ["v"]})
