"""A new version is measured on windows of its reference as long as those that are watched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pynomaly import config
from pynomaly.config import Candidate
from pynomaly.data.frame import FrameContract
from pynomaly.model.bundle import Bundle
from pynomaly.model.dependence.dependence import Dependence
from pynomaly.steps.training.label_free_checks import MOST_WINDOWS, probe_model, probe_version

DAY = 86_400.0


def build(days: int, monitor: str = "1d") -> tuple[config.Pipeline, pd.DataFrame, Bundle]:
    pipeline = config.Pipeline.model_validate(
        {
            "name": "windows",
            "data": {"source": "csv", "path": "rows.csv", "time": "time"},
            "windows": {"score": "1d", "monitor": monitor, "reference": f"{days}d"},
            "training": {"candidates": ["hbos"]},
        }
    )
    values = np.random.default_rng(0).normal(size=(days * 144, 3))
    frame = pd.DataFrame(values, columns=list("abc"))
    frame["time"] = pd.date_range("2026-01-05", periods=len(frame), freq="10min", tz="UTC")
    is_held_out = np.arange(len(frame)) % 3 == 0
    contract = FrameContract.infer(frame, pipeline.data)
    fitted, held_out = frame[~is_held_out], frame[is_held_out]
    bundle = Bundle.fit(fitted, held_out, pipeline, Candidate(detector="hbos"), contract, {})
    return pipeline, frame, bundle


@pytest.mark.parametrize(
    ("days", "monitor", "count"), [(10, "1d", 10), (30, "1d", MOST_WINDOWS), (14, "7d", 14)]
)
def test_agreement_is_measured_on_windows_of_all_rows(days: int, monitor: str, count: int) -> None:
    pipeline, frame, bundle = build(days, monitor)
    probe = probe_version(pipeline, bundle, frame[::2], frame[1::2])
    assert len(probe.own) == probe.worth == count
    assert all(-1 <= agreement <= 1 for agreement in probe.own)
    alone = probe_model(pipeline, bundle, frame[1::2])
    assert replace(probe, own=(), worth=0.0) == alone


def test_windows_of_dependent_rows_are_worth_fewer() -> None:
    pipeline, frame, bundle = build(12)
    slow = replace(bundle, dependence=Dependence(upper=3 * DAY, block=6 * DAY, rows=1000, span=12 * DAY))
    assert probe_version(pipeline, slow, frame[::2], frame[1::2]).worth == pytest.approx(4.0)
    unknown = replace(slow, dependence=replace(slow.dependence, upper=float("inf")))
    assert probe_version(pipeline, unknown, frame[::2], frame[1::2]).worth == 0.0


def test_rows_without_times_or_with_few_a_day_have_no_windows() -> None:
    pipeline, frame, bundle = build(10)
    timeless = replace(bundle, contract=replace(bundle.contract, time=None))
    assert probe_version(pipeline, timeless, frame[::2], frame[1::2]).own == ()
    assert probe_version(pipeline, bundle, frame[::4], frame[1::4]).own == ()  # 72 rows a day
