from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score

from pynomaly.data import fleet
from pynomaly.data.frame import hash_frame
from pynomaly.data.window import Window


def days(start: float, end: float) -> Window:
    return Window(fleet.START + timedelta(days=start), fleet.START + timedelta(days=end))


def test_shape_and_order():
    frame = fleet.generate_fleet(days(0, 7))
    assert list(frame.columns) == ["timestamp", "machine", "product", *fleet.SENSORS, "anomaly"]
    assert len(frame) == 7 * 24 * 16
    assert str(frame["timestamp"].dtype) == "datetime64[us, UTC]"
    assert frame[["timestamp", "machine"]].apply(tuple, axis=1).is_monotonic_increasing
    assert 0.005 < frame[list(fleet.SENSORS)].isna().to_numpy().mean() < 0.015


def name_incident_kinds(window):
    """The kind of each row of ``generate_fleet``; "" for a normal row."""
    return np.array([*fleet.KINDS, ""])[fleet._simulate_rows(window, fleet.SEED)[2]].ravel()


@pytest.mark.parametrize(("start", "end"), [(0, 3), (5, 6), (20.25, 23.5), (82, 86), (54, 55)])
def test_windows_agree_row_by_row(start, end):
    whole, part = fleet.generate_fleet(days(0, 90)), fleet.generate_fleet(days(start, end))
    window = days(start, end)
    inside = (whole["timestamp"] >= window.start) & (whole["timestamp"] < window.end)
    pd.testing.assert_frame_equal(whole[inside].reset_index(drop=True), part)
    kinds = name_incident_kinds(days(0, 90))[inside.to_numpy()]
    np.testing.assert_array_equal(name_incident_kinds(window), kinds)


def test_incidents_are_about_three_percent_of_every_four_weeks():
    for start in range(0, 168, 28):
        assert 0.02 < fleet.generate_fleet(days(start, start + 28))["anomaly"].mean() < 0.045
    kinds = name_incident_kinds(days(0, 56))
    assert set(kinds) == {*fleet.KINDS, ""}
    np.testing.assert_array_equal(kinds != "", fleet.generate_fleet(days(0, 56))["anomaly"] == 1)


def test_seed_decides_and_nothing_lies_before_the_start():
    assert hash_frame(fleet.generate_fleet(days(0, 2))) == hash_frame(fleet.generate_fleet(days(0, 2)))
    assert hash_frame(fleet.generate_fleet(days(0, 2), seed=1)) != hash_frame(
        fleet.generate_fleet(days(0, 2))
    )
    assert fleet.generate_fleet(days(-3, 1))["timestamp"].min() == pd.Timestamp(fleet.START)


def test_the_shift_brings_a_new_product():
    assert fleet.SHIFT.weekday() == 0
    before, after = fleet.generate_fleet(days(56, 84)), fleet.generate_fleet(days(84, 112))
    assert set(after["product"]) - set(before["product"]) == {"F"}


def _scores(train: Window, test: Window) -> tuple[float, float]:
    """Average precision, and share of normal rows alerted at the training's 99 % quantile."""
    sensors = list(fleet.SENSORS)
    past, now = fleet.generate_fleet(train), fleet.generate_fleet(test)
    middle = past[sensors].median()
    forest = IsolationForest(random_state=0).fit(past[sensors].fillna(middle).to_numpy())
    limit = np.quantile(-forest.score_samples(past[sensors].fillna(middle).to_numpy()), 0.99)
    scores = -forest.score_samples(now[sensors].fillna(middle).to_numpy())
    alarms = (scores > limit)[(now["anomaly"] == 0).to_numpy()].mean()
    return average_precision_score(now["anomaly"], scores), float(alarms)


def test_a_model_of_before_fails_after_the_shift_and_a_new_one_does_not():
    before, quiet = _scores(days(0, 56), days(56, 84))
    after, loud = _scores(days(0, 56), days(84, 112))
    renewed, _ = _scores(days(84, 140), days(140, 168))
    assert before > 0.5
    assert after < 0.75 * before
    assert loud > 3 * quiet
    assert renewed > 0.5
