from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.data.past import attach_past, get_past
from pynomaly.errors import DetectorError
from pynomaly.model.bundle import Bundle
from pynomaly.model.calibration.crossfit import (
    FOLDS,
    SCARCE_ROWS,
    assign_folds,
    assign_time_folds,
    score_out_of_fold,
    uses_cross_fitting,
)
from pynomaly.model.fitting.known_anomalies import KnownAnomalies
from tests.model.tables import fit, pipeline, table


@given(rows=st.integers(1, 200), seed=st.integers(0, 99))
def test_folds_are_even_and_seeded(rows: int, seed: int) -> None:
    folds = assign_folds(rows, seed)
    sizes = np.bincount(folds)
    assert len(sizes) == min(FOLDS, rows)
    assert sizes.max() - sizes.min() <= 1
    assert folds.tolist() == assign_folds(rows, seed).tolist()


def test_no_row_is_scored_by_a_model_that_saw_it() -> None:
    rows = pd.DataFrame({"row": range(53)})

    def fitted(part: pd.DataFrame):
        known_rows = set(part["row"])
        return lambda new: np.array([float(row in known_rows) for row in new["row"]])

    assert score_out_of_fold(rows, 0, fitted).sum() == 0
    scored = score_out_of_fold(rows, 0, lambda part: lambda new: new["row"].to_numpy(float))
    assert scored.tolist() == list(range(53))  # in the order of the rows


def make_series(rows: int, entities: int, past: int = 4) -> pd.DataFrame:
    """Rows of entities every minute, each with its past, in no order."""
    moments = pd.date_range("2026-01-05", periods=rows, freq="1min", tz="UTC")
    frame = pd.concat(
        [
            pd.DataFrame({"time": moments, "pump": f"p{number}", "row": np.arange(rows) + number * rows})
            for number in range(entities)
        ]
    ).sort_values("time", kind="stable")
    series = {"past": past, "step": "1m", "delay": "2m"}
    data = {"source": "csv", "path": "a.csv", "time": "time", "id": "pump", "series": series}
    frame = attach_past(frame, config.Data.model_validate(data), is_over=True)
    return frame.sample(frac=1.0, random_state=1).reset_index(drop=True)


def test_rows_of_a_series_are_held_out_by_stretches_of_time() -> None:
    rows = make_series(100, 2)
    past = get_past(rows)
    assert past is not None
    folds = assign_time_folds(past.stretches.moments[past.places])
    assert np.bincount(folds).tolist() == [40] * FOLDS
    ordered = rows.assign(fold=folds).sort_values("time", kind="stable")
    assert ordered["fold"].is_monotonic_increasing


def test_no_row_of_a_series_is_scored_by_a_model_that_saw_its_neighbours() -> None:
    rows = make_series(100, 2)
    fitted_on: list[set[int]] = []

    def fitted(part: pd.DataFrame):
        past = get_past(part)
        assert past is not None
        reach = zip(past.places, past.before, past.after, strict=True)
        read = {int(cell) for place, before, after in reach
                for cell in past.stretches.cells[place - before : place + after + 1, 0]}  # fmt: skip
        fitted_on.append(set(part["row"]))
        return lambda new: np.array([float(row in read) for row in new["row"]])

    assert score_out_of_fold(rows, 0, fitted).sum() == 0
    assert all(
        len(part) >= 160 - 2 * 2 * 5 for part in fitted_on
    )  # at most a quarter of a fold a side is left out


@pytest.mark.parametrize(
    ("choice", "held_out", "rows", "crossed"),
    [
        ("auto", SCARCE_ROWS, 400, False),
        ("auto", SCARCE_ROWS - 1, 400, True),
        ("auto", 3, 10, False),
        ("split", 3, 400, False),
        ("cross", 5000, 20_000, True),
    ],
)
def test_auto_crosses_where_rows_are_few(choice: str, held_out: int, rows: int, crossed: bool) -> None:
    training = config.Training.model_validate({"candidates": ["iforest"], "calibrate": choice})
    assert uses_cross_fitting(training, held_out, rows) is crossed


def test_few_rows_are_all_fitted_and_all_calibrated(tmp_path: Path) -> None:
    bundle = fit(rows=table(200))
    assert bundle.calibration.method == "cross"
    assert bundle.facts["rows"] == {"given": 200, "fitted": 200, "calibration": 200}
    assert any("no guarantee" in note for note in bundle.facts["notes"])
    assert bundle.verify_golden() == 0.0
    loaded = Bundle.load(tmp_path / "b", bundle.save(tmp_path / "b"))
    assert loaded.calibration.method == "cross"
    assert loaded.verify_golden() == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("detector", ["iforest", "knn", "gmm"])
def test_out_of_fold_p_values_are_about_uniform(detector: str) -> None:
    new, shares = table(2000, seed=77), []
    for seed in range(5):
        bundle = fit(detector, table(240, seed=seed), training={"calibrate": "cross"})
        shares.append((bundle.score(new)["p_value"] <= 0.1).mean())
    assert 0.03 <= np.mean(shares) <= 0.16
    assert max(shares) <= 0.25


@pytest.mark.slow
def test_a_detector_that_changes_with_its_rows_is_calibrated_on_a_split() -> None:
    """Seed 0: the mixture fitted on all rows scores nearly all of them above every fold's scores."""
    bundle = fit("gmm", table(240), training={"calibrate": "cross"})
    assert bundle.calibration.method == "split"
    assert bundle.facts["rows"] == {"given": 168, "fitted": 168, "calibration": 72}
    assert any("changes too much with the rows" in note for note in bundle.facts["notes"])
    assert (bundle.score(table(2000, seed=77))["p_value"] <= 0.1).mean() < 0.3


def test_ten_rows_flag_nothing_and_say_so() -> None:
    bundle = fit(rows=table(10))
    scored = bundle.score(table(50, seed=3).assign(pressure=1e6))
    assert not bundle.calibration.computable
    assert not scored["is_anomaly"].any()
    assert set(scored["rarity"]) == {"not_computable"}
    assert not bundle.score_window(table(50, seed=3))["is_anomaly"].any()
    assert any("not computable" in note for note in bundle.facts["notes"])


def test_a_fold_that_cannot_be_fitted_leaves_a_split(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_few(*_: object) -> np.ndarray:
        raise DetectorError("40 rows are too few")

    monkeypatch.setattr("pynomaly.model.fitting.fitting.score_out_of_fold", too_few)
    bundle = fit("knn", table(200), training={"calibrate": "cross"})
    assert bundle.calibration.method == "split"
    assert any("a fold cannot be fitted: 40 rows are too few" in note for note in bundle.facts["notes"])


@pytest.mark.parametrize(
    ("held_out", "rows", "needed", "crossed"),
    [
        (120, 400, 199, True),  # the rows kept apart are too few to count to the threshold, all are enough
        (120, 400, 99, False),
        (120, 400, 999, False),  # nor are all: the fitted tail of the split has its guarantee up to there
        (120, 70_000, 60_000, False),  # more than training.max_rows
        (20, 60, 999, True),
    ],
)
def test_auto_crosses_where_the_split_cannot_count_to_the_threshold(
    held_out: int, rows: int, needed: int, crossed: bool
) -> None:
    training = config.Training.model_validate({"candidates": ["iforest"]})
    assert uses_cross_fitting(training, held_out, rows, needed) is crossed


@pytest.mark.parametrize(
    "alerts",
    [
        {"policy": "quantile", "quantile": 0.005},
        {"policy": "budget", "per_day": 0.72},  # of 144 rows a day
        {"policy": "cost", "cost_missed": 5.0, "cost_false_alarm": 1.0},
        {"policy": "fdr", "fdr": 0.3},
    ],
    ids=lambda alerts: alerts["policy"],
)
def test_out_of_fold_scores_serve_every_policy(alerts: dict[str, object]) -> None:
    bundle = fit(rows=table(400), alerts=alerts)
    assert len(table(400)) * 0.3 < bundle.policy.needed_scores <= 400, "the table no longer shows the case"
    assert bundle.calibration.method == "cross"
    assert bundle.policy.alerts(bundle.calibration.p_values([1e9])).all()


@pytest.mark.slow
def test_rows_that_teach_known_anomalies_leave_a_champion_that_can_alert() -> None:
    """Of 120 rows kept apart 60 teach: 60 scores cannot count to 0.01, half of the 400 out of fold can."""
    rows, rng = table(400).drop(columns="anomaly"), np.random.default_rng(1)
    odd = rows.sample(80, random_state=1).reset_index(drop=True)
    odd = odd.assign(pressure=6 + rng.normal(0, 0.05, 80), flow=100 + rng.normal(0, 0.2, 80), kind="gear")
    settings = pipeline(data={"label": None})
    contract = FrameContract.infer(rows, settings.data)
    bundle = Bundle.fit(
        *(rows.iloc[:280], rows.iloc[280:], settings, config.Candidate(detector="iforest"), contract, {}),
        KnownAnomalies(odd, np.arange(80)),
    )
    assert bundle.reranking is not None, "the table no longer shows the case"
    assert bundle.calibration.method == "cross"
    assert len(bundle.calibration.scores) == 200
    assert bundle.policy.can_alert(bundle.calibration)
