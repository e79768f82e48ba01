"""A file of scores: rows as they stand in the input, with line, own columns, and why one has no score."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from pynomaly.errors import ConfigError
from pynomaly.steps.scoring.file_columns import choose_columns, name_input_columns
from pynomaly.steps.scoring.score_file import score_file
from tests.machines import make_machines
from tests.steps.conftest import start_with_champion


@pytest.fixture
def shuffled(pipeline, tmp_path: Path):
    """A champion, and a file of shuffled rows of which one has no readable time and one no number."""
    settings = pipeline(training={"candidates": ["knn"]})
    start_with_champion(settings)
    fresh = make_machines(2, start="2026-03-02", seed=5).drop(columns="anomaly")
    fresh = fresh.sample(frac=1, random_state=0).reset_index(drop=True)
    fresh = fresh.astype({"heat": object, "time": object})
    fresh["time"] = fresh["time"].map(str)
    fresh.loc[3, "heat"] = "Bad Input"
    fresh.loc[7, "time"] = "02.03.2026 00:40"
    fresh = fresh.assign(score=range(len(fresh)), note="=1+1")
    fresh.to_csv(tmp_path / "fresh.csv", index=False)
    return settings, tmp_path, fresh


def test_rows_stand_in_the_order_of_the_file_with_line_and_columns(shuffled):
    settings, folder, fresh = shuffled
    done = score_file(settings, folder / "fresh.csv", folder / "out.csv")
    out = pd.read_csv(folder / "out.csv")
    assert (done.rows, done.quarantined, done.renamed) == (len(fresh) - 2, 2, {"score": "input.score"})
    assert out["row"].tolist() == list(range(2, len(fresh) + 2))
    assert out["machine"].tolist() == fresh["machine"].tolist()
    assert out["input.score"].tolist() == fresh["score"].tolist()
    assert out["input.time"].tolist() == fresh["time"].tolist()
    assert set(out["note"]) == {"'=1+1"}
    assert out.index[out["score"].isna()].tolist() == out.index[out["quarantine"].notna()].tolist() == [3, 7]
    assert out["quarantine"][7] == "bad_time: column 'time' holds '02.03.2026 00:40' in line 9"
    kept = pd.read_csv(folder / "out.csv.quarantine.csv").set_index("row")
    assert kept["time"][9] == "02.03.2026 00:40"
    assert kept["heat"][5] == "Bad Input"


def test_scores_do_not_depend_on_the_order_of_the_rows(shuffled):
    settings, folder, fresh = shuffled
    clean = fresh.drop(index=[3, 7]).reset_index(drop=True)
    for name, table in (("a", clean), ("b", clean.sort_values(["time", "machine"]))):
        table.to_csv(folder / f"{name}.csv", index=False)
        score_file(settings, folder / f"{name}.csv", folder / f"{name}.parquet")
    a, b = (pd.read_parquet(folder / f"{name}.parquet").set_index("input.score") for name in "ab")
    pd.testing.assert_frame_equal(a.drop(columns="row").sort_index(), b.drop(columns="row").sort_index())
    assert a["is_anomaly"].dtype == bool


@pytest.mark.parametrize("ending", ["parquet", "xlsx", "jsonl"])
def test_each_ending_gives_the_same_rows(shuffled, ending):
    settings, folder, _ = shuffled
    for name in ("csv", ending):
        score_file(settings, folder / "fresh.csv", folder / f"out.{name}", columns="score, noise")
    expected = pd.read_csv(folder / "out.csv")
    path = folder / f"out.{ending}"
    out = {
        "parquet": pd.read_parquet,
        "xlsx": pd.read_excel,
        "jsonl": lambda file: pd.DataFrame(map(json.loads, file.read_text().splitlines())),
    }[ending](path)
    assert list(out.columns) == list(expected.columns)
    assert list(out.columns)[-2:] == ["input.score", "noise"]
    for name in ("row", "machine", "score", "noise", "quarantine", "input.score"):
        assert out[name].where(out[name].notna(), None).tolist() == pytest.approx(
            expected[name].where(expected[name].notna(), None).tolist(), nan_ok=True
        )
    assert pd.to_datetime(out["time"], utc=True).equals(pd.to_datetime(expected["time"], utc=True))


def test_columns_and_endings_that_do_not_exist_are_refused(shuffled):
    settings, folder, _ = shuffled
    with pytest.raises(ConfigError, match=r"--columns: the input has no column 'heet'.*'heat'"):
        score_file(settings, folder / "fresh.csv", folder / "out.csv", columns="heet")
    with pytest.raises(ConfigError, match=r"ends in .csv, .parquet, .xlsx or .jsonl"):
        score_file(settings, folder / "fresh.csv", folder / "out.txt")
    assert not (folder / "out.csv").exists()


def test_a_name_beside_the_scores_is_never_there_twice(pipeline):
    data = pipeline().data
    names = ["time", "machine", "row", "input.row", "file", "x"]
    assert choose_columns("none", names) == []
    assert choose_columns("x,row", names) == ["x", "row"]
    assert name_input_columns(choose_columns("all", names), names, data) == {
        "time": "input.time",
        "row": "input.input.row",
        "input.row": "input.row",
        "file": "input.file",
        "x": "x",
    }
