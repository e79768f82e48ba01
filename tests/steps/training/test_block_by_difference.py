"""Two models are compared in blocks that their difference asks for, not those of what both see."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.judging.comparison.evidence import Evidence
from pynomaly.steps.training.train_candidates import block_by_difference
from tests.model.dependence.series import draw_series

MACHINES, HOURS = 12, 144
Floats = np.ndarray


def draw_fleet(seed: int) -> tuple[FrameContract, pd.DataFrame, Evidence]:
    """Six days of a fleet, an incident of six hours on every machine, each on its own day and hour."""
    times = pd.date_range("2026-01-05", periods=HOURS, freq="1h", tz="UTC", unit="us")
    truth = np.zeros((MACHINES, HOURS))
    for machine in range(MACHINES):
        truth[machine, 8 + 11 * machine : 14 + 11 * machine] = 1
    names = np.repeat([f"m{number}" for number in range(MACHINES)], HOURS)
    frame = pd.DataFrame({"time": np.tile(times, MACHINES), "machine": names, "anomaly": truth.ravel()})
    frame["x"] = np.random.default_rng(seed).normal(size=len(frame))
    data = {"source": "csv", "path": "a.csv", "time": "time", "id": "machine", "label": "anomaly"}
    content = {"name": "fleet", "data": data, "training": {"candidates": ["hbos"]}}
    contract = FrameContract.infer(frame, config.Pipeline.model_validate(content).data)
    return contract, frame, Evidence(frame["anomaly"].to_numpy(np.int64), np.zeros(len(frame), np.int64))


def draw_errors(seed: int, memory: float, shared: bool) -> Floats:
    rng = np.random.default_rng(seed)
    series = [draw_series(rng, HOURS, memory) for _ in range(1 if shared else MACHINES)]
    return np.tile(series[0], MACHINES) if shared else np.concatenate(series)


@pytest.mark.parametrize("seed", range(3))
def test_what_both_models_see_makes_no_blocks(seed: int) -> None:
    contract, frame, evidence = draw_fleet(seed)
    seen = 3 * draw_errors(seed + 10, 40, shared=True)  # for days, on all machines
    scores = [seen + draw_errors(seed + place, 3, shared=False) for place in (20, 30)]
    blocked = block_by_difference(contract, frame, evidence, scores)
    assert blocked.units == MACHINES
    assert blocked.blocks is not None
    assert set(frame.groupby(blocked.blocks)["machine"].nunique()) == {1}


@pytest.mark.parametrize("seed", range(3))
def test_where_models_differ_on_all_machines_at_once_these_are_one_block(seed: int) -> None:
    contract, frame, evidence = draw_fleet(seed)
    scores = [draw_errors(seed + place, 3, shared=True) for place in (20, 30)]
    blocked = block_by_difference(contract, frame, evidence, scores)
    assert blocked.blocks is not None
    normal = frame["anomaly"] == 0
    assert frame["machine"][normal & (blocked.blocks == blocked.blocks[0])].nunique() == MACHINES
    assert blocked.units < MACHINES


def test_models_that_differ_for_longer_than_the_rows_show_are_one_block() -> None:
    contract, frame, evidence = draw_fleet(0)
    drift = np.tile(np.arange(HOURS) / 10.0, MACHINES)
    noise = [np.random.default_rng(place).normal(size=len(frame)) for place in (1, 2)]
    blocked = block_by_difference(contract, frame, evidence, [noise[0], noise[1] + drift])
    assert blocked.units == 1


def test_scores_that_are_not_finite_or_rows_without_times_change_nothing() -> None:
    contract, frame, evidence = draw_fleet(0)
    noise = np.random.default_rng(1).normal(size=len(frame))
    for rows, other in ((frame, np.full(len(frame), np.nan)), (frame.drop(columns="time"), noise[::-1])):
        assert block_by_difference(contract, rows, evidence, [noise, other]) is evidence
