"""Search: finds what is better, keeps the default when nothing is, and never judges on what it chose on."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pynomaly.config import Candidate, Comparison
from pynomaly.detectors.catalogue import make_detector_for
from pynomaly.detectors.past_rows import PastRows
from pynomaly.errors import DetectorError, UnknownDetectorError
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.steps.training import tuning as module
from pynomaly.steps.training.tuning import TrialRows, tune_detectors

SETTINGS = Comparison(resamples=300)


@pytest.fixture(autouse=True)
def fit_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fit_within", lambda detector, rows, seconds: detector.fit(rows))


def broken_relation(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two columns that move together; anomalies have usual values and the wrong sign beside each other."""
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=rows)
    X = np.stack([cause, cause + 0.05 * rng.normal(size=rows)], axis=1)
    truth = (np.arange(rows) % 10 == 0).astype(np.int64)
    X[truth == 1, 1] *= -1
    return X, truth


def held_out(rung: Rung = Rung.LABELS) -> TrialRows:
    X, truth = broken_relation(800, seed=1)
    return TrialRows(X, Evidence(truth, np.arange(len(X)), rung))


def fitted_rows() -> np.ndarray:
    X, truth = broken_relation(400)
    return X[truth == 0]


@pytest.mark.parametrize("rung", [Rung.LABELS, Rung.INJECTED])
def test_a_better_detector_is_found_and_confirmed_on_other_rows(rung: Rung) -> None:
    tuned = tune_detectors(
        fitted_rows(), held_out(rung), Candidate(detector="hbos"), SETTINGS,
        seconds=60, trials=4, detectors=("hbos", "gmm", "ecod"),
    )  # fmt: skip
    assert tuned.better
    assert tuned.winner.detector == "gmm"
    assert tuned.verdict is not None
    assert tuned.verdict.rows == 400
    assert tuned.trials[0].detector == "hbos"
    assert len(tuned.trials) <= 4
    json.dumps(tuned.to_dict(), allow_nan=False)


def test_the_default_is_kept_where_nothing_is_better() -> None:
    tuned = tune_detectors(
        fitted_rows(), held_out(), Candidate(detector="gmm"), SETTINGS,
        seconds=60, trials=3, detectors=("hbos", "ecod"),
    )  # fmt: skip
    assert not tuned.better
    assert tuned.winner.detector == "gmm"
    assert "no better than the default" in tuned.reasons[0]


def test_the_best_of_the_tuning_rows_is_not_believed_on_chance_alone() -> None:
    rng = np.random.default_rng(3)
    truth = (rng.random(600) < 0.1).astype(np.int64)
    chance = TrialRows(rng.normal(size=(600, 3)), Evidence(truth, np.arange(600)))
    tuned = tune_detectors(
        rng.normal(size=(200, 3)), chance, Candidate(detector="hbos"), SETTINGS,
        seconds=60, trials=6, detectors=("hbos", "ecod", "gmm", "knn"),
    )  # fmt: skip
    assert not tuned.better


def test_scores_that_depend_on_the_rows_fitted_on_are_vetoed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_STABILITY", 1.1)
    arguments = (fitted_rows(), held_out(Rung.INJECTED), Candidate(detector="hbos"), SETTINGS)
    tuned = tune_detectors(*arguments, seconds=60, trials=2, detectors=("gmm",))
    assert "vetoed" in tuned.trials[1].reason
    assert not tuned.better


def test_a_budget_that_is_spent_leaves_the_default() -> None:
    tuned = tune_detectors(
        fitted_rows(), held_out(), Candidate(detector="hbos"), SETTINGS, seconds=0, detectors=("gmm",)
    )
    assert len(tuned.trials) == 1
    assert tuned.winner.detector == "hbos"


def test_the_same_seed_tries_the_same() -> None:
    arguments = (fitted_rows(), held_out(), Candidate(detector="hbos"), SETTINGS)
    runs = [tune_detectors(*arguments, seconds=60, trials=5, detectors=("hbos", "pca")) for _ in range(2)]
    assert [(t.detector, t.params, t.value) for t in runs[0].trials] == [
        (t.detector, t.params, t.value) for t in runs[1].trials
    ]


def test_halves_share_no_block_and_split_the_anomalies() -> None:
    X, truth = broken_relation(800)
    first, second = TrialRows(X, Evidence(truth, np.arange(800) // 5)).split_halves(0)
    assert first.evidence.blocks is not None
    assert second.evidence.blocks is not None
    assert not set(first.evidence.blocks) & set(second.evidence.blocks)
    assert abs(first.evidence.positives - second.evidence.positives) <= 2


def test_what_cannot_be_searched_is_refused() -> None:
    arguments = (fitted_rows(), held_out(), Candidate(detector="hbos"), SETTINGS)
    with pytest.raises(UnknownDetectorError, match="iforst"):
        tune_detectors(*arguments, seconds=9, detectors=("iforst",))
    with pytest.raises(DetectorError, match="the default hbos"):
        tune_detectors(np.zeros((1, 2)), held_out(), Candidate(detector="hbos"), SETTINGS, seconds=9)


def test_a_default_that_looks_back_is_compared_with_detectors_of_rows_alone() -> None:
    rng = np.random.default_rng(4)
    cycle = np.sin(2 * np.pi * np.arange(900) / 24)[:, None] + 0.05 * rng.normal(size=(900, 1))
    truth = np.zeros(900, dtype=np.int64)
    truth[60::90] = 1
    broken = cycle.copy()
    broken[truth == 1] *= -1  # usual values at the wrong time
    known, new = (PastRows.of_series(values, delay=2) for values in (cycle, broken))
    tuned = tune_detectors(
        known, TrialRows(new, Evidence(truth, np.arange(900), Rung.LABELS)), Candidate(detector="series_ar"),
        SETTINGS, seconds=60, trials=2, detectors=("hbos",),
    )  # fmt: skip
    assert [trial.reason for trial in tuned.trials] == ["", ""]
    assert [trial.detector for trial in tuned.trials] == ["series_ar", "hbos"]
    assert tuned.winner.detector == "series_ar"


def test_a_detector_that_looks_back_waits_for_as_many_rows_as_the_rows_may_read() -> None:
    rows = PastRows.of_series(np.arange(50.0)[:, None], delay=3)
    assert make_detector_for(rows, "series_ar").params["delay"] == 3
    assert make_detector_for(rows, "series_ar", params={"delay": 1}).params["delay"] == 1
    assert make_detector_for(rows, "hbos").params == make_detector_for(rows.numbers, "hbos").params
