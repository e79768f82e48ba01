from __future__ import annotations

import json
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Data, Expectation, Quality
from pynomaly.data.expectations import default_suite, evaluate_default_suite, evaluate_expectations
from pynomaly.data.frame import FrameContract
from pynomaly.data.quality import validate
from pynomaly.errors import ConfigError, QualityError

DATA = Data(source="csv", path="x.csv", time="t", id="m", label="y")
ROWS = 200


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "t": pd.date_range("2026-01-05", periods=ROWS, freq="h", tz="UTC"),
            "m": "m1",
            "a": rng.normal(size=ROWS),
            "b": rng.normal(size=ROWS),
            "c": rng.choice(["x", "y"], size=ROWS),
            "y": (np.arange(ROWS) % 20 == 0).astype(float),
        }
    )


@pytest.fixture
def contract(frame) -> FrameContract:
    return FrameContract.infer(frame, DATA)


def expect(kind: str, severity: str = "error", **arguments) -> Quality:
    return Quality(expectations=(Expectation(type=kind, arguments=arguments, severity=severity),))


@pytest.mark.slow
def test_good_rows_pass_and_every_feature_was_checked(frame, contract):
    checked = validate(frame, contract, Quality(), "train")
    assert checked.report.outcome == "pass"
    assert checked.report.reasons == ()
    assert "ExpectColumnValuesToNotBeNull" in {check.name for check in checked.report.checks}
    pd.testing.assert_frame_equal(checked.clean, frame)
    assert len(checked.quarantine) == 0


@pytest.mark.parametrize("row", [0, 57, ROWS - 1])
@pytest.mark.parametrize(
    ("column", "cell", "rule"),
    [
        ("a", "oops", "not_a_number"),
        ("a", np.inf, "not_finite"),
        ("a", "-inf", "not_finite"),
        ("t", pd.NaT, "bad_time"),
    ],
)
def test_a_bad_cell_is_set_aside_with_its_rule(frame, contract, row, column, cell, rule):
    cells = frame[column].astype(object)
    cells.iloc[row] = cell
    bad = frame.assign(**{column: cells if column == "a" else pd.to_datetime(cells, utc=True)})
    before = bad.copy(deep=True)
    checked = validate(bad, contract, Quality(), "score")
    assert checked.report.outcome == "warn"
    assert checked.quarantine["rule"].tolist() == [rule]
    assert f"in row {row}" in checked.quarantine["detail"].iloc[0]
    assert len(checked.clean) == ROWS - 1
    assert checked.clean["a"].dtype == np.float64
    contract.conform(checked.clean)
    pd.testing.assert_frame_equal(bad, before)


def test_empty_and_repeated_rows_are_set_aside(frame, contract):
    frame.loc[3, ["a", "b"]] = np.nan
    frame.loc[3, "c"] = None
    frame.loc[10, "t"] = frame.loc[9, "t"]
    checked = validate(frame, contract, Quality(), "score")
    assert checked.quarantine["rule"].tolist() == ["all_missing_row", "duplicate"]
    assert checked.quarantine.index.tolist() == [3, 10]
    assert checked.quarantine.map(lambda cell: cell is None or isinstance(cell, str)).all(axis=None)


def test_too_many_bad_rows_block_and_say_where(frame, contract):
    cells = frame["a"].astype(object)
    cells[:20] = "oops"
    checked = validate(frame.assign(a=cells), contract, Quality(), "score")
    assert checked.report.outcome == "block"
    assert "column 'a' holds 'oops' in row 0" in checked.report.reasons[0]


@pytest.mark.parametrize("purpose", ["train", "score"])
def test_no_rows_block(frame, contract, purpose):
    checked = validate(frame.iloc[:0], contract, Quality(), purpose)
    assert checked.report.outcome == "block"
    assert "0 rows, at least" in checked.report.reasons[0]


def test_few_rows_may_be_scored_and_not_trained_on(frame, contract):
    assert validate(frame[:1], contract, Quality(), "score").report.outcome == "pass"
    assert validate(frame[:99], contract, Quality(), "train").report.outcome == "block"


def test_columns_that_do_not_fit_block(frame, contract):
    lacking = validate(frame.drop(columns="b").rename(columns={"a": "aa"}), contract, Quality(), "score")
    assert "missing column 'a', 'b'; did you mean 'aa'" in lacking.report.reasons[0]
    assert (lacking.report.outcome, len(lacking.clean)) == ("block", 0)
    doubled = validate(pd.concat([frame, frame[["a"]]], axis=1), contract, Quality(), "score")
    assert (doubled.report.outcome, len(doubled.quarantine)) == ("block", 0)


def test_missing_and_constant_columns_warn_and_empty_ones_block(frame, contract):
    frame.loc[:19, "a"] = np.nan
    warned = validate(frame.assign(b=1.0), contract, Quality(), "train")
    assert warned.report.outcome == "warn"
    assert any("'a': 10.00% missing" in reason for reason in warned.report.reasons)
    assert any("'b': 100.00% of the values are 1.0" in reason for reason in warned.report.reasons)
    for purpose in ("train", "score"):
        empty = validate(frame.assign(b=np.nan), contract, Quality(), purpose)
        assert empty.report.outcome == "block"
    assert validate(frame[:1], contract, Quality(), "score").report.outcome == "warn"


def test_labels_of_one_class_warn_when_training(frame, contract):
    assert any(
        "single class 0" in r
        for r in validate(frame.assign(y=0.0), contract, Quality(), "train").report.reasons
    )
    assert validate(frame.assign(y=np.nan), contract, Quality(), "train").report.outcome == "pass"
    assert validate(frame.drop(columns="y"), contract, Quality(), "score").report.outcome == "pass"


def test_rows_that_fail_an_expectation_are_set_aside_all_of_them(contract, frame):
    many = pd.concat([frame] * 50, ignore_index=True).assign(m=np.arange(50 * ROWS).astype(str))
    failing = np.flatnonzero(many["a"] > 1)
    quality = expect("ExpectColumnValuesToBeBetween", column="a", max_value=1).model_copy(
        update={"max_quarantine": 0.5}
    )
    checked = validate(many, contract, quality, "score")
    assert len(failing) > 1000
    assert checked.quarantine.index.tolist() == failing.tolist()
    assert set(checked.quarantine["rule"]) == {"ExpectColumnValuesToBeBetween"}
    assert checked.clean["a"].max() <= 1
    assert checked.report.outcome == "warn"


def test_guards_and_expectations_agree_on_positions(frame, contract):
    cells = frame["a"].astype(object)
    cells.iloc[0], cells.iloc[5] = "oops", 99.0
    checked = validate(
        frame.assign(a=cells),
        contract,
        expect("ExpectColumnValuesToBeBetween", column="a", max_value=50),
        "score",
    )
    assert checked.quarantine.index.tolist() == [0, 5]
    assert checked.quarantine["a"].tolist() == ["oops", "99.0"]


def test_severity_decides_what_a_failure_means(frame, contract):
    between = {"column": "a", "max_value": 1}
    warned = validate(frame, contract, expect("ExpectColumnValuesToBeBetween", "warning", **between), "score")
    assert (warned.report.outcome, len(warned.quarantine)) == ("warn", 0)
    table = {"column": "a", "min_value": 10}
    assert (
        validate(frame, contract, expect("ExpectColumnMeanToBeBetween", **table), "score").report.outcome
        == "block"
    )
    assert (
        validate(
            frame, contract, expect("ExpectColumnMeanToBeBetween", "warning", **table), "score"
        ).report.outcome
        == "warn"
    )


@pytest.mark.parametrize("missing", [0, 1, 20, 21, ROWS])
@pytest.mark.parametrize("column", ["a", "c"])
def test_default_checks_are_what_great_expectations_returns(frame, contract, column, missing):
    frame.loc[frame.index < missing, column] = np.nan
    frame = frame.iloc[::-1]  # rows are named by place, whatever the index
    suite = default_suite(contract, Quality(max_missing=0.1))
    fast, vendor = evaluate_default_suite(frame, suite), evaluate_expectations(frame, suite)
    assert [(item.expectation, item.passed, item.observed) for item in fast] == [
        (item.expectation, item.passed, item.observed) for item in vendor
    ]
    for ours, expected in zip(fast, vendor, strict=True):
        np.testing.assert_equal(ours.rows, expected.rows)
    assert all(item.passed for item in fast) == (missing <= 20)


def test_a_training_without_expectations_needs_no_great_expectations(frame, contract, monkeypatch):
    monkeypatch.setitem(sys.modules, "great_expectations", None)  # an import raises
    assert validate(frame, contract, Quality(), "train").report.outcome == "pass"


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("ExpectColumnValueToBeBetween", {"column": "a"}, "did you mean 'ExpectColumnValue"),
        ("ExpectColumnValuesToBeBetween", {"column": "a", "min_valu": 1}, "did you mean 'min_value'"),
        ("ExpectColumnValuesToBeBetween", {"column": "a"}, "cannot both be None"),
        ("ExpectColumnValuesToBeBetween", {"column": "aa", "min_value": 1}, "no column 'aa'"),
        ("ExpectColumnValuesToBeBetween", {"column": "a", "meta": {}}, "no argument 'meta'"),
    ],
)
def test_unusable_expectations_are_refused(frame, kind, arguments, message):
    with pytest.raises(ConfigError, match=message):
        evaluate_expectations(frame, [Expectation(type=kind, arguments=arguments)])


def test_an_expectation_that_cannot_be_evaluated_is_no_pass(frame, contract):
    with pytest.raises(QualityError, match="could not be evaluated"):
        validate(frame, contract, expect("ExpectColumnValuesToBeBetween", column="c", min_value=1), "score")


def test_report_is_json(frame, contract):
    report = validate(frame.assign(b=1.0), contract, Quality(), "train").report
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["outcome"] == "warn"


def test_columns_called_like_ours_are_kept(frame):
    contract = FrameContract(("a",), ())
    odd = frame[["a"]].assign(rule="mine")
    odd.loc[0, "a"] = np.inf
    quarantine = validate(odd, contract, Quality(), "score").quarantine
    assert (quarantine["source_rule"].item(), quarantine["rule"].item()) == ("mine", "not_finite")


def test_hundreds_of_columns_do_not_fragment_the_frame():
    frame = pd.DataFrame({f"s{i}": np.arange(40) % 7 for i in range(150)})
    contract = FrameContract.infer(frame, Data(source="csv", path="x.csv"))
    clean = validate(frame, contract, Quality(min_train_rows=20), "train").clean
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clean.assign(block=0)
    assert list(clean.columns) == list(frame.columns)
