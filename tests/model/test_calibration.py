import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly import config
from pynomaly.errors import ConfigError, ModelError
from pynomaly.model.calibration import AlertPolicy, Calibration, severity

finite = st.floats(allow_nan=False, allow_infinity=False)


def naive_p_value(held_out: list[float], score: float) -> float:
    return (1 + sum(known >= score for known in held_out)) / (len(held_out) + 1)


@settings(max_examples=100, deadline=None)
@given(held_out=st.lists(finite, min_size=10, max_size=40, unique=True), scores=st.lists(finite, max_size=10))
def test_p_values_count_what_scores_at_least_as_high(held_out: list[float], scores: list[float]) -> None:
    scores = scores + held_out[:3]
    p = Calibration.fit(held_out).p_values(scores)
    np.testing.assert_allclose(p, [naive_p_value(held_out, score) for score in scores], rtol=1e-15)


@settings(max_examples=50, deadline=None)
@given(held_out=st.lists(finite, min_size=10, max_size=40), scores=st.lists(finite, min_size=2, max_size=20))
def test_a_higher_score_never_has_a_higher_p_value(held_out: list[float], scores: list[float]) -> None:
    p = Calibration.fit(held_out).p_values(np.sort(scores))
    assert (np.diff(p) <= 0).all()
    assert ((p > 0) & (p <= 1)).all()


def test_ties_count_against_the_row() -> None:
    assert Calibration.fit([*range(10), 9.0]).p_values([9.0])[0] == pytest.approx(3 / 12)


def test_false_alerts_stay_at_the_asked_share() -> None:
    rng = np.random.default_rng(0)
    shares = [
        (Calibration.fit(rng.normal(size=500)).p_values(rng.normal(size=500)) <= 0.05).mean()
        for _ in range(60)
    ]
    assert np.mean(shares) == pytest.approx(0.05, abs=0.006)


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ([3.0] * 50, "all 50 held-out scores are 3.0"),
        (list(range(9)), "9 held-out scores are too few"),
        ([], "0 held-out scores are too few"),
        ([*range(20), np.nan], "1 of 21 held-out scores are not finite"),
        ([*range(20), np.inf, -np.inf], "2 of 22 held-out scores are not finite"),
    ],
)
def test_not_computable_flags_nothing_and_says_why(scores: list[float], reason: str) -> None:
    calibration = Calibration.fit(scores)
    assert not calibration.computable
    assert reason in calibration.reason
    p = calibration.p_values([1e9, -1e9])
    np.testing.assert_array_equal(p, [1.0, 1.0])
    assert not AlertPolicy("quantile", 0.49).alerts(p).any()
    assert reason in AlertPolicy("quantile", 0.49).resolution_note(calibration)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_score_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ModelError, match="score of row 1"):
        Calibration.fit(range(20)).p_values([1.0, bad])


def test_severity_names_how_rare() -> None:
    p = [1.0, 0.11, 0.1, 0.011, 0.01, 0.001, 0.00011, 0.0001, 1e-9]
    names = ["none", "none", "low", "low", "medium", "high", "high", "critical", "critical"]
    assert severity(p).tolist() == names


def test_quantile_policy_is_its_share() -> None:
    policy = AlertPolicy.from_config(config.Alerts(policy="quantile", quantile=0.02), None)
    assert policy.threshold == 0.02
    assert policy.alerts([0.02, 0.0201, 0.001]).tolist() == [True, False, True]


def test_budget_policy_is_alerts_over_rows() -> None:
    policy = AlertPolicy.from_config(config.Alerts(policy="budget", per_day=20), 400.0)
    assert policy.threshold == pytest.approx(0.05)
    assert policy.rows_per_day == 400.0


@pytest.mark.parametrize("rows", [None, 0.0, float("nan")])
def test_budget_needs_rows_per_day(rows: float | None) -> None:
    with pytest.raises(ConfigError, match="needs rows per day"):
        AlertPolicy.from_config(config.Alerts(policy="budget"), rows)


def test_budget_of_half_the_rows_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be under 12, half of the rows"):
        AlertPolicy.from_config(config.Alerts(policy="budget", per_day=20), 24.0)


def test_threshold_below_the_resolution_is_said() -> None:
    calibration = Calibration.fit(range(50))
    note = AlertPolicy("quantile", 0.01).resolution_note(calibration)
    assert "99 are needed" in note
    assert not AlertPolicy("quantile", 0.01).alerts(calibration.p_values([1e9])).any()
    assert AlertPolicy("quantile", 0.01).resolution_note(Calibration.fit(range(99))) == ""
    assert AlertPolicy("quantile", 0.01).alerts(Calibration.fit(range(99)).p_values([1e9])).all()


def test_policy_reads_back() -> None:
    policy = AlertPolicy.from_config(config.Alerts(policy="budget", per_day=1), 384.0)
    assert AlertPolicy.from_dict(json.loads(json.dumps(policy.to_dict()))) == policy
