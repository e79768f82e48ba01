"""The drift of a window: in its season, without its known anomalies, with or without scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.errors import ColumnError
from pynomaly.judging.drift.compare_window import compute_window_drift
from pynomaly.judging.drift.drift_report import DriftReport
from pynomaly.model.sketch.reference import HeldOutRows, sketch_reference
from pynomaly.model.sketch.sketch import Sketch
from tests.judging.drift.columns.test_seasonal_tests import week

SETTINGS = config.Drift()
CONTRACT = FrameContract(("load", "still", "pair"), ("kind",), time="time", label="anomaly")


@pytest.fixture(scope="module")
def reference() -> Sketch:
    frame = week(0, 35)
    held_out = HeldOutRows(frame, frame["load"].to_numpy())
    return sketch_reference(frame, held_out, CONTRACT, pd.Timedelta(days=1), 2, {})


def judge(reference: Sketch, frame: pd.DataFrame, *scores: np.ndarray) -> DriftReport:
    return compute_window_drift(reference, CONTRACT, frame, SETTINGS, *scores)


def test_a_window_is_compared_with_its_own_season(reference: Sketch) -> None:
    sunday = week(1, 1, 41)
    report = judge(reference, sunday, sunday["load"].to_numpy())
    assert (report.status, report.season) == ("ok", "hour_of_week")
    assert report.score is not None
    assert report.score.status == "ok"
    assert judge(reference.with_reference(None), sunday).status == "drift"
    monday = sunday.assign(time=sunday["time"] + pd.Timedelta(days=1))
    assert judge(reference, monday).status == "drift"


def test_known_anomalies_are_left_out_unless_there_is_nothing_else(reference: Sketch) -> None:
    usual, odd = week(1, 1, 36), week(2, 1, 36, load=8.0)
    both = pd.concat([usual.assign(anomaly=0.0), odd.assign(anomaly=1.0)], ignore_index=True)
    scores = both["load"].to_numpy()
    expected = judge(reference, usual, usual["load"].to_numpy())
    assert judge(reference, both, scores) == expected
    unknown = both.assign(anomaly=both["anomaly"].where(both["anomaly"] == 1))
    assert judge(reference, unknown, scores) == expected
    assert judge(reference, odd.assign(anomaly=1.0)).status == "drift"
    assert judge(reference, both).score is None
    assert judge(reference, both).columns == expected.columns


def test_without_scores_or_times_less_is_said(reference: Sketch) -> None:
    sunday = week(1, 1, 41)
    assert judge(reference, sunday).score is None
    assert judge(reference, sunday.drop(columns="time")).season == "none"
    with pytest.raises(ColumnError, match="still"):
        judge(reference, sunday.drop(columns="still"))
