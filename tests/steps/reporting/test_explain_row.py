"""Why a row alerted: the version, threshold and reasons that held then, or what cannot be found out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from pynomaly.config import Pipeline
from pynomaly.data.window import Window
from pynomaly.errors import DataError, IntegrityError, ModelError, WindowError
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.records.store import Store
from pynomaly.steps.reporting.explain_row import explain_row
from pynomaly.steps.scoring.score_windows import score_window
from tests.steps.conftest import MOMENT, learn, plan, start_with_champion

pytestmark = pytest.mark.slow

Make = Callable[..., Pipeline]
DAY = timedelta(days=1)


def spiked(tmp_path: Path, at: str, machine: str) -> None:
    """One cell of one row far out."""
    table = tmp_path / "machines.csv"
    rows = pd.read_csv(table)
    there = rows["time"].str.startswith(at) & (rows["machine"] == machine)
    assert there.sum() == 1
    rows.loc[there, "noise"] = 80.0
    rows.to_csv(table, index=False)


def scored(pipeline: Make, tmp_path: Path) -> Pipeline:
    settings = pipeline(training={"candidates": ["knn"]})
    start_with_champion(settings)
    spiked(tmp_path, "2026-01-19 07:00", "b")
    score_window(settings, Window(MOMENT, MOMENT + DAY))
    return settings


@pytest.mark.slow
def test_the_row_of_an_entity_at_a_moment(pipeline: Make, tmp_path: Path) -> None:
    settings = scored(pipeline, tmp_path)
    explanation = explain_row(settings, "b", "2026-01-19T07:30:00+00:00")
    assert explanation.row["time"] == "2026-01-19T07:00:00+00:00"
    assert explanation.row["is_anomaly"]
    assert (explanation.version, explanation.detector, explanation.champion_now) == (1, "knn", 1)
    assert explanation.reasons[0]["column"] == "noise"
    assert explanation.reasons[0]["value"] == 80.0
    assert explanation.threshold_score is not None
    assert explanation.threshold_score <= explanation.row["score"]
    quiet = explain_row(settings, "b", "2026-01-19T06:30:00+00:00")
    assert quiet.row["time"] == "2026-01-19T06:00:00+00:00"
    assert explain_row(settings, "b").row["time"] == "2026-01-19T23:00:00+00:00"

    number = str(explanation.row["number"])
    assert explain_row(settings, number, "2026-01-19T09:00:00+00:00").row == explanation.row


def test_the_threshold_is_the_score_from_which_the_policy_alerts(pipeline: Make, tmp_path: Path) -> None:
    settings = scored(pipeline, tmp_path)
    limit = explain_row(settings, "b", "2026-01-19T07:30:00+00:00").threshold_score
    assert limit is not None
    bundle = Registry.open_for(settings).load_bundle(Registry.open_for(settings).find_version("machines", 1))
    p = bundle.calibration.p_values([limit * (1 + 1e-12), limit * (1 - 1e-9)])
    assert bundle.policy.alerts(p).tolist() == [True, False]


@pytest.mark.slow
def test_the_version_that_scored_is_asked_and_not_todays_champion(pipeline: Make, tmp_path: Path) -> None:
    settings = scored(pipeline, tmp_path)
    later = MOMENT + 7 * DAY
    learn(settings, plan(settings, later, "manual"), later)
    explanation = explain_row(settings, "b", "2026-01-19T07:30:00+00:00")
    assert explanation.version == 1
    with Ledger.open(settings.ledger_url) as ledger:
        champion = ledger.find_last_decision("machines", "promote")
    assert champion is not None
    assert explanation.champion_now == champion.evidence["version"]


def test_rows_that_changed_since_leave_the_verdict_and_take_the_reasons(
    pipeline: Make, tmp_path: Path
) -> None:
    settings = scored(pipeline, tmp_path)
    spiked(tmp_path, "2026-01-19 08:00", "c")
    explanation = explain_row(settings, "b", "2026-01-19T07:30:00+00:00")
    assert explanation.row["is_anomaly"]
    assert explanation.reasons == ()
    assert any("changed after they were scored" in line for line in explanation.notes)
    (tmp_path / "machines.csv").unlink()
    explanation = explain_row(settings, "b", "2026-01-19T07:30:00+00:00")
    assert any("cannot be read any more" in line for line in explanation.notes)


def test_what_was_never_scored_is_refused(pipeline: Make, tmp_path: Path) -> None:
    settings = scored(pipeline, tmp_path)
    with pytest.raises(DataError, match=r"no scored row of 'bb' \(machine\).*'b'"):
        explain_row(settings, "bb", "2026-01-19T07:30:00+00:00")
    with pytest.raises(WindowError, match="no window was scored by 2026-01-01"):
        explain_row(settings, "b", "2026-01-01T00:00:00+00:00")


def test_scores_that_are_not_those_on_record_are_refused(pipeline: Make, tmp_path: Path) -> None:
    settings = scored(pipeline, tmp_path)
    with Ledger.open(settings.ledger_url) as ledger:
        recorded = ledger.list_partitions("machines")[0].path
    path = Path(str(Store(settings.store_root).locate_file(recorded)))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(IntegrityError):
        explain_row(settings, "b")


@pytest.mark.slow
def test_a_table_without_time_names_rows_by_number(pipeline: Make) -> None:
    settings = pipeline(data={"time": None, "id": None}, alerts={"policy": "quantile", "quantile": 0.01})
    start_with_champion(settings)
    score_window(settings, None)
    explanation = explain_row(settings, "7")
    assert (explanation.row["number"], explanation.row["time"], explanation.window) == (7, "", "all")
    with pytest.raises(DataError, match="no row 'x'"):
        explain_row(settings, "x")


@pytest.mark.parametrize("method", ["occlusion", "shap", "lime"])
def test_another_method_names_the_odd_column_too(pipeline: Make, tmp_path: Path, method: str) -> None:
    settings = scored(pipeline, tmp_path)
    explanation = explain_row(settings, "b", "2026-01-19T07:30:00+00:00", method=method)
    assert explanation.method == explanation.to_dict()["method"] == method
    assert explanation.to_dict()["said"] == list(explanation.notes)  # the key of `why --json`
    assert explanation.reasons[0]["column"] == "noise"


def test_a_method_that_cannot_explain_here_is_refused_before_anything_is_read(
    pipeline: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = pipeline()  # nothing is scored: the method comes first
    with pytest.raises(DataError, match="no method 'sharp' to explain by; did you mean 'shap'"):
        explain_row(settings, "b", method="sharp")
    monkeypatch.setitem(sys.modules, "lime", None)
    with pytest.raises(ModelError, match=r"pip install 'pynomaly-mlops\[explain\]'"):
        explain_row(settings, "b", method="lime")
