"""Search in the life of a pipeline: unseen judged rows, one answer on record, a challenger like any other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pynomaly.config import Candidate, Pipeline
from pynomaly.errors import ConfigError
from pynomaly.judging.comparison.compare import Rung
from pynomaly.judging.comparison.injected.episodes import EPISODE_KINDS
from pynomaly.judging.comparison.injection import ANOMALY_KINDS
from pynomaly.records.ledger import Ledger
from pynomaly.records.registry import Registry
from pynomaly.steps.training import tuning as module
from pynomaly.steps.training import tuning_run
from pynomaly.steps.training.prepare import PreparedReference, prepare_reference
from pynomaly.steps.training.tuning import TrialRows, TuningResult
from pynomaly.steps.training.tuning_run import parse_budget, tune_reference
from tests.machines import make_machines
from tests.steps.conftest import MOMENT, plan, start_with_champion

Make = Callable[..., Pipeline]
BUDGET = timedelta(minutes=2)
SMALL = {"trials": 3, "detectors": ["hbos", "gmm"]}


@pytest.fixture(autouse=True)
def fit_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fit_within", lambda detector, rows, seconds: detector.fit(rows))


def reference(settings: Pipeline) -> PreparedReference:
    return prepare_reference(settings, plan(settings).window, MOMENT)


@pytest.mark.slow
def test_what_is_found_is_on_record_once_with_every_trial(pipeline: Make) -> None:
    settings = pipeline(search=SMALL)
    prepared = reference(settings)
    searched = tune_reference(settings, prepared, MOMENT, BUDGET)
    assert searched.better
    assert searched.winner.detector == "gmm"
    assert searched.rung == "labels"
    assert searched.trials[0]["detector"] == "hbos"
    again = tune_reference(settings, prepared, MOMENT, BUDGET)
    assert not again.new
    assert again.to_dict() == searched.to_dict() | {"new": False}
    with Ledger.open(settings.ledger_url) as ledger:
        decisions = ledger.list_decisions("machines", "search")
    assert [item.outcome for item in decisions] == ["better"]
    assert decisions[0].evidence["winner"]["detector"] == "gmm"
    registry = Registry.open(settings.tracking_uri, settings.home)
    runs = registry._client.search_runs([registry.ensure_experiment("machines")])
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == searched.run_id]
    assert len(children) == len(searched.trials)
    assert sum("average_precision" in run.data.metrics for run in children) == len(children)
    tuned = [run for run in children if "detector.n_components" in run.data.params]
    assert len(tuned) == sum("n_components" in trial["params"] for trial in searched.trials)


def test_no_better_is_a_decision_with_its_reasons(pipeline: Make) -> None:
    settings = pipeline(search={"trials": 2, "detectors": ["hbos"]}, training={"candidates": ["gmm"]})
    searched = tune_reference(settings, reference(settings), MOMENT, BUDGET)
    assert not searched.better
    assert searched.winner.detector == "gmm"
    with Ledger.open(settings.ledger_url) as ledger:
        decision = ledger.find_last_decision("machines", "search")
    assert decision is not None
    assert decision.outcome == "no better"
    assert "no better than the default" in " ".join(decision.reasons)
    assert "2 trials within 2m on labels" in decision.reasons[0]


@pytest.mark.slow
def test_the_champions_own_detector_is_what_must_be_beaten_and_the_gate_is_the_same(pipeline: Make) -> None:
    settings = pipeline(
        search=SMALL, training={"candidates": [{"detector": "hbos", "params": {"n_bins": 7}}]}
    )
    start_with_champion(settings)
    later = MOMENT + timedelta(days=7)
    planned = plan(settings, later, "manual")
    prepared = prepare_reference(settings, planned.window, later)
    searched = tune_reference(settings, prepared, later, BUDGET)
    assert searched.trials[0]["detector"] == "hbos"
    assert searched.trials[0]["params"]["n_bins"] == 7


def test_rows_that_judge_or_calibrate_are_not_seen(pipeline: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = pipeline(search=SMALL)
    prepared = reference(settings)
    arrays: list[np.ndarray] = []

    def looked_at(
        X: np.ndarray, held_out: TrialRows, default: Candidate, *_: object, **__: object
    ) -> TuningResult:
        arrays.extend([X, held_out.X])
        assert held_out.evidence.rung is Rung.LABELS
        assert held_out.evidence.positives == prepared.known_rows
        return TuningResult(default, False, None, (), ("looked",))

    monkeypatch.setattr(tuning_run, "tune_detectors", looked_at)
    tune_reference(settings, prepared, MOMENT, BUDGET)
    counts = [len(pd.read_parquet(prepared.path / f"{name}.parquet")) for name in ("fit", "known")]
    assert sum(len(rows) for rows in arrays) == sum(counts)


def test_without_labels_anomalies_are_injected_in_number(pipeline: Make) -> None:
    settings = pipeline(
        search={"trials": 2, "detectors": ["ecod"]}, data={"label": None, "ignore": ["anomaly"]}
    )
    searched = tune_reference(settings, reference(settings), MOMENT, BUDGET)
    assert searched.rung == "injected"
    assert np.isfinite(searched.trials[0]["value"])


def test_a_search_is_judged_on_the_kinds_that_the_rows_show(
    pipeline: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_machines(28)
    cycle = np.sin(table["time"].dt.hour.to_numpy() * np.pi / 12)
    settings = pipeline(
        table=table.assign(heat=table["heat"] + 12 * cycle),
        search=SMALL,
        data={"label": None, "ignore": ["anomaly"]},
    )
    asked: set[str] = set()

    def looked_at(
        X: np.ndarray, held_out: TrialRows, default: Candidate, *_: object, **__: object
    ) -> TuningResult:
        assert held_out.evidence.injected is not None
        asked.update(held_out.evidence.injected.kinds)
        assert len(X) > 0
        return TuningResult(default, False, None, (), ("looked",))

    monkeypatch.setattr(tuning_run, "tune_detectors", looked_at)
    tune_reference(settings, reference(settings), MOMENT, BUDGET)
    assert set(ANOMALY_KINDS) <= asked
    assert asked & set(EPISODE_KINDS)
    assert "wrong hour" in asked


@pytest.mark.parametrize("asked", ["0s", "2d", "soon"])
def test_a_budget_that_makes_no_sense(pipeline: Make, asked: str) -> None:
    with pytest.raises(ConfigError, match="budget"):
        parse_budget(pipeline(), asked)
    assert parse_budget(pipeline(search={"budget": "3m"})) == timedelta(minutes=3)


@pytest.mark.slow
@pytest.mark.parametrize(("when", "searches"), [("degraded", True), ("asked", False)])
def test_an_event_of_degraded_performance_searches_where_it_may(
    pipeline: Make, monkeypatch: pytest.MonkeyPatch, when: str, searches: bool
) -> None:
    from pynomaly.steps.training import planning

    settings = pipeline(search={"when": when}, promotion={"max_latency_ms": 1000})
    start_with_champion(settings)
    monkeypatch.setattr(planning, "find_cause", lambda *facts: "performance")
    later = MOMENT + timedelta(days=7)
    planned = plan(settings, later, "event", "performance fell")
    assert planned.decision.remedy == "search"
    assert planned.searches is searches
    assert not plan(settings, later, "manual").searches
