"""Dependent rows are split by stretches of time with gaps; independent rows as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pynomaly import config
from pynomaly.config import Candidate
from pynomaly.data.frame import FrameContract
from pynomaly.model.dependence.dependence import INDEPENDENT, to_seconds
from pynomaly.model.fitting.row_use import (
    BETWEEN,
    ORDINARY,
    RANKED,
    RANKED_OUT_OF_FOLD,
    USE,
    select_apart,
    select_learned,
)
from pynomaly.steps.training.exclusions import AlertingModel
from pynomaly.steps.training.splits import number_rows, set_rows_apart, split_reference
from pynomaly.steps.training.train_candidates import fit_bundle
from pynomaly.steps.training.training_rows import TrainingRows
from tests.model.dependence.series import draw_series

ROWS = 3000


def draw_rows(memory: float, rows: int = ROWS, seed: int = 0, columns: int = 3) -> pd.DataFrame:
    """Rows every ten minutes; the columns remember `memory` rows, or nothing."""
    rng = np.random.default_rng(seed)
    values = {
        f"x{number}": draw_series(rng, rows, memory) if memory else rng.normal(size=rows)
        for number in range(columns)
    }
    times = pd.date_range("2026-01-05", periods=rows, freq="10min", tz="UTC", unit="us")
    return pd.DataFrame({"time": times, **values})


def set_up(frame: pd.DataFrame, **training: Any) -> tuple[config.Pipeline, FrameContract]:
    data = {"source": "csv", "path": "a.csv", "time": "time"}
    if "anomaly" in frame:
        data["label"] = "anomaly"
    training = {"candidates": ["hbos"], **training}
    pipeline = config.Pipeline.model_validate({"name": "pump", "data": data, "training": training})
    return pipeline, FrameContract.infer(frame, pipeline.data)


def test_independent_rows_are_drawn_at_random_as_before() -> None:
    frame = draw_rows(0)
    pipeline, contract = set_up(frame)
    parts = split_reference(pipeline, contract, frame)
    usable = frame[frame["time"] < parts.held_out["time"].min()]
    chosen = np.random.default_rng(42).choice(len(usable), round(0.3 * len(usable)), replace=False)
    assert parts.calibration.index.tolist() == usable.index[np.sort(chosen)].tolist()
    assert len(parts.fit) + len(parts.calibration) == len(usable)
    assert (parts.between, USE in parts.fit, USE in parts.calibration) == (0, False, False)


def test_dependent_rows_are_apart() -> None:
    frame = draw_rows(18)
    pipeline, contract = set_up(frame)
    parts = split_reference(pipeline, contract, frame)
    gap = parts.dependence.gap
    assert 3600 < gap <= 0.05 * parts.dependence.span
    learned, judged, ranked = (
        to_seconds(part["time"])
        for part in (select_apart(parts.fit), parts.held_out, select_apart(parts.calibration))
    )
    assert min(np.abs(ranked - moment).min() for moment in learned) > gap
    assert judged.min() - max(learned.max(), ranked.max()) > gap
    stretches = 1 + int((np.diff(ranked) > 601).sum())
    assert stretches > 1  # spread over the history
    assert len(ranked) == pytest.approx(0.3 * (len(parts.fit) + len(parts.calibration)), rel=0.02)
    near = int(((frame["time"] < parts.held_out["time"].min()) & ~frame.index.isin(parts.fit.index)
                & ~frame.index.isin(parts.calibration.index)).sum())  # fmt: skip
    assert parts.between == near + int((parts.fit[USE] == BETWEEN).sum())


@pytest.mark.slow
@pytest.mark.parametrize("detector", ["knn", "iforest"])
def test_new_normal_rows_are_flagged_as_often_as_asked(detector: str) -> None:
    rates = []
    for seed in range(6):
        frame = draw_rows(36, 10_000, seed, columns=4)
        pipeline, contract = set_up(frame, candidates=[detector])
        rows, _ = TrainingRows.split(pipeline, contract, frame[:5000])
        bundle = fit_bundle(pipeline, rows, Candidate(detector=detector), {})
        rates.append((bundle.score(frame[5200:])["p_value"] <= 0.01).mean())
    assert np.mean(rates) < 0.02  # rows drawn between the fitted ones gave .079 for knn


def test_rows_in_gaps_are_used_where_scores_are_out_of_fold() -> None:
    frame = draw_rows(18)
    pipeline, contract = set_up(frame)
    rows, _ = TrainingRows.split(pipeline, contract, frame)
    assert (rows.fit[USE] == BETWEEN).any()
    bundle = fit_bundle(pipeline, rows, Candidate(detector="hbos"), {})
    assert bundle.calibration.method == "cross"
    assert len(bundle.calibration.scores) == len(rows.fit) + len(rows.calibration)
    split = fit_bundle(set_up(frame, calibrate="split")[0], rows, Candidate(detector="hbos"), {})
    assert len(split.calibration.scores) == len(select_apart(rows.calibration))
    assert split.facts["rows"]["given"] == len(select_apart(rows.fit))
    assert any("rows depend on the rows before" in note for note in split.facts["notes"])


class AlertsOn:
    """A model whose p-value of a row is 0.0005 where the index says so, and 1 elsewhere."""

    def __init__(self, rows: set[int]) -> None:
        self.rows = rows

    def score(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"p_value": [0.0005 if row in self.rows else 1.0 for row in frame.index]})


@pytest.mark.parametrize("memory", [0, 18])
def test_rows_that_the_champion_alerts_on_are_ranked_and_never_learned(memory: int) -> None:
    frame = draw_rows(memory)
    pipeline, contract = set_up(frame)
    alerted = {100, 700, 1300, 1800}
    by = AlertingModel("v1", lambda: AlertsOn(alerted))  # type: ignore[arg-type,return-value]
    parts = split_reference(pipeline, contract, frame, by)
    assert not alerted & set(parts.fit.index)
    marked = parts.calibration[parts.calibration[USE] != ORDINARY]
    assert set(marked.index) == alerted  # as many as normal operation explains
    assert set(marked[USE]) <= {RANKED, RANKED_OUT_OF_FOLD}
    assert not alerted & set(select_learned(parts.calibration).index)
    rows, _ = TrainingRows.split(pipeline, contract, frame, by)
    bundle = fit_bundle(set_up(frame, calibrate="cross")[0], rows, Candidate(detector="knn"), {})
    assert len(bundle.calibration.scores) == len(rows.fit) + len(rows.calibration)
    assert bundle.detector.rows_used == len(rows.fit) + len(rows.calibration) - len(alerted)


def test_of_an_incident_no_more_rows_are_ranked_than_normal_operation_has() -> None:
    frame = draw_rows(0)
    pipeline, contract = set_up(frame)
    by = AlertingModel("v1", lambda: AlertsOn(set(range(500, 560))))  # type: ignore[arg-type,return-value]
    parts = split_reference(pipeline, contract, frame, by)
    assert parts.exclusions.alerted.sum() == 60
    assert (parts.calibration[USE] != ORDINARY).sum() == 2  # a thousandth of 2,100 rows


def test_an_incident_is_one_block_however_long() -> None:
    frame = draw_rows(0).assign(anomaly=0.0)
    for start in (200, 900, 1500, 2200):
        frame.loc[start : start + 200, "anomaly"] = 1.0
    pipeline, contract = set_up(frame)
    rows, _ = TrainingRows.split(pipeline, contract, frame)
    assert rows.dependence.incident > 86_400
    evidence = rows.judged.evidence
    assert evidence.units == 1  # one incident lies in the held-out rows
    blocks = number_rows(contract, frame, rows.dependence, (frame["anomaly"] == 1).to_numpy())
    assert len(set(blocks[200:401])) == 1
    assert set(rows.known["pynomaly.block"]) == set(blocks[200:401]) | set(blocks[900:1101]) | set(
        blocks[1500:1701]
    )


def test_rows_for_trials_are_apart_too() -> None:
    frame = draw_rows(18)
    _, contract = set_up(frame)
    rng = np.random.default_rng(0)
    dependence = split_reference(*set_up(frame), frame).dependence
    chosen, between = set_rows_apart(contract, frame, 900, dependence, rng)
    times = to_seconds(frame["time"])
    assert chosen.sum() == pytest.approx(900, abs=10)
    assert min(np.abs(times[chosen] - moment).min() for moment in times[~chosen & ~between]) > dependence.gap
    chosen, between = set_rows_apart(contract, frame, 900, INDEPENDENT, rng)
    assert (chosen.sum(), between.any()) == (900, False)


def test_the_measure_is_kept_in_the_work_folder(tmp_path: Any) -> None:
    frame = draw_rows(18)
    pipeline, contract = set_up(frame)
    rows, _ = TrainingRows.split(pipeline, contract, frame)
    rows.write(tmp_path)
    assert TrainingRows.load(tmp_path, "injected", 1.0).dependence == rows.dependence
    (tmp_path / "dependence.json").unlink()
    assert TrainingRows.load(tmp_path, "injected", 1.0).dependence == INDEPENDENT
