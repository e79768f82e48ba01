"""Drift: seen when it is there, seldom when it is not, never on a p-value alone."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pynomaly import config
from pynomaly.errors import ColumnError
from pynomaly.judging.drift.drift_report import DriftReport
from pynomaly.judging.drift.window_drift import compare_sketches
from pynomaly.model.sketch.sketch import Sketch

SETTINGS = config.Drift()


def table(rows: int, seed: int, columns: int = 6, categories: int = 5, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, columns)), columns=[f"n{i}" for i in range(columns)])
    frame["n0"] += shift
    frame["c"] = pd.Series(rng.choice([f"k{i}" for i in range(categories)], rows), dtype=object)
    return frame


def judge(first: pd.DataFrame, second: pd.DataFrame, **changes: float) -> DriftReport:
    return compare_sketches(Sketch.of(first), Sketch.of(second), config.Drift(**changes))


@pytest.mark.slow
@pytest.mark.parametrize("rows", [200, 1000, 5000])
@pytest.mark.parametrize("categories", [2, 20, 100])
def test_identical_distributions_seldom_warn(rows: int, categories: int) -> None:
    repetitions = 60
    reports = [
        judge(table(rows, 2 * seed, 3, categories), table(rows, 2 * seed + 1, 3, categories))
        for seed in range(repetitions)
    ]
    # alpha is 1 % a report; three of 60 are more than three standard errors above it.
    assert sum(report.status != "ok" for report in reports) <= 3
    assert all(report.status != "drift" for report in reports)


def test_certain_but_tiny_changes_are_no_drift() -> None:
    rng = np.random.default_rng(0)
    first, second = (
        pd.DataFrame({"a": rng.normal(size=200_000)}),
        pd.DataFrame({"a": rng.normal(size=200_000) + 0.05}),
    )
    report = judge(first, second)
    assert report.columns[0].corrected < 1e-10
    assert report.status == "ok"


def test_large_but_uncertain_changes_are_no_drift() -> None:
    report = judge(table(100, 1), table(100, 2), alpha=1e-6, notice=0.0, effect=0.0, strong_effect=0.0)
    assert max(column.effect for column in report.columns) > 0.1
    assert report.status == "ok"


@pytest.mark.parametrize(("shift", "status"), [(0.0, "ok"), (0.5, "warning"), (1.5, "drift")])
def test_the_size_of_the_shift_decides_the_status(shift: float, status: str) -> None:
    report = judge(table(2000, 3), table(2000, 4, shift=shift))
    assert report.status == status
    assert report.drifted == (() if status == "ok" else ("n0",))
    if status != "ok":
        assert report.reasons[0].startswith("n0: distance")


def test_enough_columns_that_drift_a_little_are_drift() -> None:
    moved = table(2000, 6)
    moved[["n1", "n2", "n3"]] += 0.5
    report = judge(table(2000, 5), moved)
    assert report.status == "drift"
    assert report.share == pytest.approx(3 / 7)
    assert "3 of 7 columns" in report.reasons[0]


def test_a_new_category_is_named() -> None:
    moved = table(1000, 8)
    moved.loc[moved["c"] == "k1", "c"] = "new"
    report = judge(table(1000, 7), moved)
    assert report.drifted == ("c",)


def test_missing_cells_drift_by_themselves() -> None:
    moved = table(1000, 10)
    moved.loc[:249, "n1"] = np.nan
    moved.loc[:399, "c"] = None
    report = judge(table(1000, 9), moved)
    kinds = {(column.name, column.kind): column.status for column in report.columns}
    assert kinds[("n1", "missing")] == "warning"
    assert kinds[("c", "missing")] == "drift"
    assert kinds[("n1", "numeric")] == "ok"


def test_a_column_that_went_missing_altogether_is_drift() -> None:
    moved = table(1000, 11)
    moved["n1"] = np.nan
    report = judge(table(1000, 12), moved)
    assert report.status == "drift"
    assert any(column.status == "insufficient_data" for column in report.columns)


@pytest.mark.parametrize(("first", "second"), [(99, 1000), (1000, 99), (1000, 0)])
def test_too_few_rows_are_insufficient_data(first: int, second: int) -> None:
    report = judge(table(first, 0), table(second, 1))
    assert report.status == "insufficient_data"
    assert "100 a side" in report.reasons[0]
    json.dumps(report.to_dict(), allow_nan=False)


def test_no_column_with_values_is_insufficient_data() -> None:
    empty = pd.DataFrame({"a": np.full(500, np.nan)})
    assert judge(empty, empty).status == "insufficient_data"


def test_constant_columns_do_not_drift_until_they_change() -> None:
    first, second = pd.DataFrame({"a": np.ones(500)}), pd.DataFrame({"a": np.full(500, 2.0)})
    assert judge(first, first).status == "ok"
    assert judge(first, second).status == "drift"


def test_the_score_is_judged_apart() -> None:
    frame = table(1000, 13)
    rng = np.random.default_rng(0)
    reference = Sketch.of(frame, rng.normal(size=1000))
    moved = compare_sketches(reference, Sketch.of(table(1000, 14), rng.normal(size=1000) + 2), SETTINGS)
    assert moved.status == "ok"
    assert moved.score is not None
    assert moved.score.status == "drift"
    assert compare_sketches(reference, Sketch.of(frame), SETTINGS).score is None


def test_scores_that_are_not_finite_count_as_drift() -> None:
    frame = table(1000, 15)
    scores = np.random.default_rng(0).normal(size=1000)
    broken = np.where(np.arange(1000) == 5, np.nan, scores)
    report = compare_sketches(Sketch.of(frame, scores), Sketch.of(frame, broken), SETTINGS)
    assert report.score is not None
    assert report.score.status == "drift"
    assert "not finite" in report.score.message
    json.dumps(report.to_dict(), allow_nan=False)


def test_other_columns_are_refused_by_name() -> None:
    with pytest.raises(ColumnError, match="'n0' is not in the current sketch; did you mean"):
        judge(table(200, 0), table(200, 1).rename(columns={"n0": "n00"}))
    with pytest.raises(ColumnError, match="'extra' is not in the reference"):
        judge(table(200, 0), table(200, 1).assign(extra=1.0))


def test_a_sketch_read_back_gives_the_same_report() -> None:
    first, second = Sketch.of(table(1000, 1)), Sketch.of(table(700, 2, shift=0.5))
    again = Sketch.from_dict(json.loads(json.dumps(first.to_dict())))
    assert compare_sketches(again, second, SETTINGS) == compare_sketches(first, second, SETTINGS)
