"""Bad input ends in one message that names it, exit code 2, and nothing half done."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.flows.conftest import Answer
from tests.machines import make_machines

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_api")]


def changed(change: Callable[[pd.DataFrame], Any]) -> pd.DataFrame:
    frame = make_machines(14)
    result = change(frame)
    return frame if result is None else result


def infinite(frame: pd.DataFrame) -> None:
    frame.loc[frame.index % 5 == 0, "heat"] = np.inf


def text(frame: pd.DataFrame) -> None:
    frame["heat"] = frame["heat"].astype(object)
    frame.loc[frame.index % 3 == 0, "heat"] = "warm"


def empty_column(frame: pd.DataFrame) -> None:
    frame["heat"] = np.nan


def naive(frame: pd.DataFrame) -> None:
    frame["time"] = frame["time"].dt.tz_localize(None)


BAD_TABLES = {
    "all-NaN column": (empty_column, {}, ["heat"]),
    "text where numbers belong": (text, {}, ["heat", "warm"]),
    "infinite values": (infinite, {}, ["heat"]),
    "naive timestamps": (naive, {}, ["time", "timezone"]),
    "unknown time column": (lambda frame: None, {"data": {"time": "tme"}}, ["tme", "did you mean 'time'"]),
    "unknown label column": (lambda frame: None, {"data": {"label": "anomly"}}, ["did you mean 'anomaly'"]),
    "unknown feature": (lambda frame: None, {"data": {"columns": ["heta"]}}, ["heta", "heat"]),
    "unknown detector": (
        lambda frame: None,
        {"training": {"candidates": ["iforst"]}},
        ["iforst", "did you mean 'iforest'"],
    ),
    "unknown parameter": (
        lambda frame: None,
        {"training": {"candidates": [{"detector": "iforest", "params": {"n_trees": 5}}]}},
        ["n_trees", "n_estimators"],
    ),
    "unknown expectation": (
        lambda frame: None,
        {
            "quality": {
                "expectations": [{"type": "ExpectColumnValuesToBeBetwen", "arguments": {"column": "heat"}}]
            }
        },
        ["ExpectColumnValuesToBeBetween"],
    ),
    "too few rows": (lambda frame: frame.head(20), {}, ["rows"]),
    "one class of labels": (
        lambda frame: frame.assign(anomaly=0),
        {},
        ["'anomaly'", "is 0 in every labelled row", "both 0 and 1"],
    ),
    "labels that are not 0 or 1": (lambda frame: frame.assign(anomaly=7), {}, ["anomaly", "7"]),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_table_that_cannot_be_trained_on(
    case: str, command: Callable[..., Answer], pipeline_file: Callable[..., Path], home: Path
) -> None:
    change, blocks, sentences = BAD_TABLES[case]
    answer = command(
        "train", pipeline_file(changed(change), **blocks), "--as-of", "2026-01-19T00:00:00+00:00"
    )
    refused(answer, sentences)
    nothing_half_done(home)


BAD_FILES = {
    "missing file": (None, ["no file", "machines.csv"]),
    "empty file": ("", ["empty", "machines.csv"]),
    "header alone": ("time,machine,heat,power,noise,anomaly\n", ["no rows", "machines.csv"]),
    "wrong separator": ("time;heat;power\n2026-01-05T00:00:00Z;1;2\n", ["separator", "';'"]),
    "duplicated columns": ("time,heat,heat\n2026-01-05T00:00:00Z,1,2\n", ["'heat' occurs more than once"]),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_cannot_be_read(
    case: str, command: Callable[..., Answer], pipeline_file: Callable[..., Path], home: Path, tmp_path: Path
) -> None:
    content, sentences = BAD_FILES[case]
    config = pipeline_file()
    if content is None:
        (tmp_path / "machines.csv").unlink()
    else:
        (tmp_path / "machines.csv").write_text(content)
    refused(command("train", config, "--as-of", "2026-01-19T00:00:00+00:00"), sentences)
    nothing_half_done(home)


BAD_COMMANDS = {
    "missing configuration": (["train", "nowhere.yaml"], ["nowhere.yaml"]),
    "naive moment": (["train", "CONFIG", "--as-of", "2026-01-19"], ["2026-01-19", "offset"]),
    "not a moment": (["train", "CONFIG", "--as-of", "yesterday"], ["yesterday"]),
    "mistyped start": (
        ["score", "CONFIG", "--start", "2026-01-32", "--end", "2026-02-01T00:00:00Z"],
        ["--start", "2026-01-32"],
    ),
    "mistyped budget": (["search", "CONFIG", "--budget", "soon"], ["budget", "soon"]),
    "half a range": (["score", "CONFIG", "--start", "2026-01-19T00:00:00Z"], ["--end"]),
    "reversed range": (
        ["score", "CONFIG", "--start", "2026-01-20T00:00:00Z", "--end", "2026-01-19T00:00:00Z"],
        ["reversed"],
    ),
    "nothing promoted yet": (["monitor", "CONFIG"], ["machines", "champion"]),
    "input without output": (["score", "CONFIG", "--input", "a.csv"], ["--output"]),
    "odd output": (["score", "CONFIG", "--input", "a.csv", "--output", "a.doc"], ["a.doc", ".parquet"]),
    "unknown kind": (["history", "CONFIG", "--kind", "promotion"], ["did you mean 'promote'"]),
    "parameters without detector": (["retrain", "CONFIG", "--params", "a=1"], ["detector"]),
    "rollback before anything": (["rollback", "CONFIG"], ["champion"]),
    "init of nothing": (["init", "nothing.csv"], ["nothing.csv"]),
}


@pytest.mark.parametrize("case", BAD_COMMANDS)
def test_a_command_that_cannot_be_run(
    case: str, command: Callable[..., Answer], pipeline_file: Callable[..., Path], home: Path
) -> None:
    arguments, sentences = BAD_COMMANDS[case]
    config = pipeline_file()
    refused(command(*[config if item == "CONFIG" else item for item in arguments]), sentences)
    nothing_half_done(home)


@pytest.mark.parametrize(
    "mistyped",
    [
        ["train", "--as-of", "2026-01-1"],
        ["monitor", "--as-of", "2026-01-19"],
        ["score", "--start", "2026-01-19T00:00:00Z", "--end", "2026-01-18T00:00:00Z"],
        ["search", "--budget", "soon"],
        ["retrain", "--detector", "iforest", "--params", "trees"],
    ],
    ids=" ".join,
)
def test_what_is_mistyped_leaves_no_failed_run(
    mistyped: list[str],
    command: Callable[..., Answer],
    pipeline_file: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse_run(*_: object) -> None:
        raise AssertionError("a run was started")

    monkeypatch.setattr("flows.machine.temporary_server.run_temporary_server", refuse_run)
    assert command(mistyped[0], pipeline_file(), *mistyped[1:]).code == 2


def test_a_first_version_that_is_refused_ends_with_an_exit_code_and_names_the_setting(
    command: Callable[..., Answer], pipeline_file: Callable[..., Path]
) -> None:
    config = pipeline_file(promotion={"max_latency_ms": 1e-6})
    answer = command("train", config, "--as-of", "2026-01-19T00:00:00+00:00")
    assert answer.code == 1
    assert "set promotion.max_latency_ms" in " ".join(answer.out.split())


def test_no_warning_of_python_reaches_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.warnoptions", [])
    monkeypatch.setenv("PYTHONWARNINGS", "")
    with warnings.catch_warnings(record=True) as caught:
        sys.modules["flows.cli.app"].silence_warnings()  # flows.cli.app is the application
        warnings.warn("DataFrame is highly fragmented", pd.errors.PerformanceWarning, stacklevel=1)
    assert not caught
    assert os.environ["PYTHONWARNINGS"] == "ignore"


def test_a_window_without_data(command: Callable[..., Answer], pipeline_file: Callable[..., Path]) -> None:
    config = pipeline_file()
    command("train", config, "--as-of", "2026-01-19T00:00:00+00:00")
    answer = command(
        *("score", config, "--start", "2027-01-04T00:00:00Z", "--end", "2027-01-05T00:00:00Z"),
    )
    refused(answer, ["2027-01-04", "2026-02-01"])


def test_one_class_of_labels_is_judged_by_injected_anomalies_where_asked(
    command: Callable[..., Answer], pipeline_file: Callable[..., Path]
) -> None:
    config = pipeline_file(changed(lambda frame: frame.assign(anomaly=0)), comparison={"one_class": "inject"})
    trained = command("train", config, "--as-of", "2026-01-19T00:00:00+00:00", "--json").json
    assert trained["registered"]["rung"] == "injected"


def refused(answer: Answer, sentences: list[str]) -> None:
    assert answer.code == 2, answer
    assert "Traceback" not in answer.err
    assert len(answer.err.strip().splitlines()) == 1, answer.err
    for part in sentences:
        assert part in answer.err, (part, answer.err)


def nothing_half_done(home: Path) -> None:
    """No run, version, work folder or score; a decision about the block may stand."""
    from pynomaly.records.registry import Registry

    assert not list((home / "work").rglob("prepared.json"))
    assert not list((home / "store").rglob("scores.parquet"))
    if (home / "mlflow" / "mlflow.db").exists():
        registry = Registry.open(f"sqlite:///{home / 'mlflow' / 'mlflow.db'}", home)
        assert registry.list_versions("machines") == ()
