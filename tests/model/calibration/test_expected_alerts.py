"""The expected alert rate is the policy's own, in steps of the held-out scores, with an interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from pynomaly import config
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.calibration import Calibration
from pynomaly.model.calibration.expected_alerts import expect_alerts


def policy(quantile: float) -> AlertPolicy:
    return AlertPolicy.from_config(config.Alerts(policy="quantile", quantile=quantile), None)


def calibrate(scores: int) -> Calibration:
    return Calibration.fit(np.arange(float(scores)))


@pytest.mark.parametrize(
    ("scores", "quantile", "rate"),
    [(999, 0.01, 0.01), (150, 0.01, 1 / 151), (999, 0.0104, 0.01), (99, 0.002, 0.002), (20, 0.3, 6 / 21)],
)
def test_the_rate_is_the_last_step_within_the_threshold(scores: int, quantile: float, rate: float) -> None:
    assert expect_alerts(policy(quantile), calibrate(scores)).rate == pytest.approx(rate)


def test_the_interval_is_that_of_the_held_out_rows() -> None:
    expected = expect_alerts(policy(0.05), calibrate(199))
    assert (expected.low, expected.high) == pytest.approx(beta.ppf([0.025, 0.975], 10, 190))
    assert expected.describe().startswith("5.00% of normal rows (2.4")


def test_dependent_rows_count_as_fewer() -> None:
    alone, together = (expect_alerts(policy(0.05), calibrate(999), count) for count in (None, 40.0))
    assert alone.rate == together.rate
    assert together.low < alone.low < alone.high < together.high < 1


def test_rows_that_are_held_back_do_not_alert() -> None:
    assert expect_alerts(policy(0.05), calibrate(999), kept=0.5).rate == pytest.approx(0.025)


def test_new_rows_pass_the_threshold_as_often_as_the_interval_says() -> None:
    rng = np.random.default_rng(5)
    expected = expect_alerts(policy(0.05), calibrate(199))
    inside = []
    for _ in range(400):
        limit = np.sort(rng.normal(size=199))[-10]  # p <= .05 from the tenth highest on
        inside.append(expected.low <= (rng.normal(size=20_000) >= limit).mean() <= expected.high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)
