import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly.errors import ModelError
from pynomaly.model.calibration.alert_policy import AlertPolicy
from pynomaly.model.calibration.calibration import Calibration, name_rarity, name_severity
from tests.naive import conformal_p

finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=100, deadline=None)
@given(held_out=st.lists(finite, min_size=20, max_size=40, unique=True), scores=st.lists(finite, max_size=10))
def test_p_values_count_what_scores_at_least_as_high(held_out: list[float], scores: list[float]) -> None:
    scores = scores + held_out[:3]
    p = Calibration.fit(held_out).p_values(scores)
    np.testing.assert_allclose(p, [conformal_p(held_out, score) for score in scores], rtol=1e-15)


@settings(max_examples=50, deadline=None)
@given(held_out=st.lists(finite, min_size=20, max_size=40), scores=st.lists(finite, min_size=2, max_size=20))
def test_a_higher_score_never_has_a_higher_p_value(held_out: list[float], scores: list[float]) -> None:
    p = Calibration.fit(held_out).p_values(np.sort(scores))
    assert (np.diff(p) <= 0).all()
    assert ((p > 0) & (p <= 1)).all()


def test_ties_count_against_the_row() -> None:
    assert Calibration.fit([*range(30), 29.0]).p_values([29.0])[0] == pytest.approx(3 / 32)


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
        (list(range(10)), "10 held-out scores are too few"),
        (list(range(19)), "19 held-out scores are too few"),
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
    assert reason in AlertPolicy("quantile", 0.49).describe_resolution(calibration)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_score_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ModelError, match="score of row 1"):
        Calibration.fit(range(20)).p_values([1.0, bad])


def test_severity_names_how_rare() -> None:
    p = [1.0, 0.11, 0.1, 0.011, 0.01, 0.001, 0.00011, 0.0001, 1e-9]
    names = ["none", "none", "low", "low", "medium", "high", "high", "critical", "critical"]
    assert name_severity(p).tolist() == names


def test_rarity_is_how_often_normal_operation_brings_such_a_row() -> None:
    p = np.array([1.0, 1.01, 1.0, 0.99 / 7, 12 / 365.25, 1 / 365.25, 1e-9]) / [
        1,
        100,
        100,
        100,
        100,
        100,
        100,
    ]
    names = ["usual", "usual", "one a day", "one a week", "one a month", "one a year", "one a year"]
    assert name_rarity(p, 100.0).tolist() == names
    assert set(name_rarity(p, None)) == set(name_rarity(p, float("nan"))) == {"not_computable"}


@settings(max_examples=50, deadline=None)
@given(p=st.lists(st.floats(1e-9, 1.0), min_size=2, max_size=20), rows=st.floats(0.1, 1e6))
def test_a_smaller_p_value_is_never_more_usual(p: list[float], rows: float) -> None:
    order = ["usual", "one a day", "one a week", "one a month", "one a year"]
    ranks = [order.index(name) for name in name_rarity(np.sort(p), rows)]
    assert ranks == sorted(ranks, reverse=True)


def test_counted_p_values_are_uniform_under_exchangeability() -> None:
    rng = np.random.default_rng(4)
    p = np.array(
        [Calibration.fit(rng.normal(size=99)).conformal_p_values(rng.normal(size=1))[0] for _ in range(3000)]
    )
    for t in (0.01, 0.05, 0.1, 0.5, 0.9):
        assert (p <= t).mean() == pytest.approx(t, abs=3 * np.sqrt(t * (1 - t) / 3000))


@pytest.mark.parametrize("draw", ["ties", "continuous"])
def test_counted_p_values_are_never_too_small(draw: str) -> None:
    rng = np.random.default_rng(6)
    p = []
    for _ in range(3000):
        scores = rng.normal(size=60) if draw == "continuous" else rng.integers(0, 5, size=60).astype(float)
        p.append(Calibration.fit(scores[:59]).conformal_p_values(scores[59:])[0])
    for t in (0.02, 0.05, 0.1, 0.5):
        assert (np.array(p) <= t).mean() <= t + 3 * np.sqrt(t * (1 - t) / 3000)


def test_a_calibration_says_what_it_guarantees() -> None:
    assert Calibration.fit(range(50)).guarantee.startswith("P(p <= t) <= t")
    assert "no guarantee" in Calibration.fit(range(50), method="cross").guarantee
    assert Calibration.fit([1.0] * 50).guarantee == "none: all 50 held-out scores are 1.0"
