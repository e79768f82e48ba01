import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pynomaly.model.calibration.calibration import Calibration
from pynomaly.model.calibration.tail import MARGIN, REACH, ParetoTail, fit_tail
from tests.naive import pareto_loglikelihood, pareto_mixture

DISTRIBUTIONS = {
    "normal": stats.norm,
    "exponential": stats.expon,
    "heavy": stats.t(4),
    "heavier": stats.t(2),
    "bounded": stats.beta(2, 5),
    "skewed": stats.lognorm(1),
}


def drawn(name: str, size: int, seed: int = 0) -> np.ndarray:
    return np.sort(DISTRIBUTIONS[name].rvs(size=size, random_state=np.random.default_rng(seed)))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_survival_is_scipys(name: str) -> None:
    scores = drawn(name, 400)
    tail = fit_tail(scores)
    assert tail, tail.reason
    excess = np.array([0.0, 0.1, 0.5, 1.0, 2.0, 10.0]) * (scores[-1] - tail.threshold)
    twin = [pareto_mixture(tail.shapes, tail.scales, tail.weights, x) for x in excess]
    np.testing.assert_allclose(tail.survival(tail.threshold + excess), twin, rtol=1e-9, atol=1e-15)
    expected = np.clip(MARGIN * tail.share * np.array(twin), tail.resolution / REACH, tail.resolution)
    np.testing.assert_allclose(tail.p_values(tail.threshold + excess), expected, rtol=1e-9)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_weights_are_likelihoods(name: str) -> None:
    scores = drawn(name, 300)
    tail = fit_tail(scores)
    excess = scores[scores > tail.threshold] - tail.threshold
    logs = [pareto_loglikelihood(c, s, excess) for c, s in zip(tail.shapes, tail.scales, strict=True)]
    likelihoods = np.exp(np.array(logs) - max(logs))
    np.testing.assert_allclose(tail.weights, likelihoods / likelihoods.sum(), rtol=1e-6)
    assert sum(tail.weights) == pytest.approx(1.0)


def test_the_fit_finds_what_scipy_finds() -> None:
    scores = np.sort(stats.genpareto.rvs(0.3, size=20_000, random_state=np.random.default_rng(0)))
    tail = fit_tail(scores)
    excess = scores[scores > tail.threshold] - tail.threshold
    shape, _, _ = stats.genpareto.fit(excess, floc=0)
    assert np.dot(tail.shapes, tail.weights) == pytest.approx(shape, abs=0.05)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("size", [100, 1000])
def test_extrapolated_p_values_are_not_too_small(name: str, size: int) -> None:
    """A score with p <= t is about as rare as t, or less rare than twice that, ten times beyond counting."""
    rng, times = np.random.default_rng(5), 150
    shares = []
    for _ in range(times):
        scores = np.sort(DISTRIBUTIONS[name].rvs(size=size, random_state=rng))
        tail = fit_tail(scores)
        if tail:
            ahead = scores[-1] + np.geomspace(1e-3, 1e3, 400) * (scores[-1] - tail.threshold)
            rare = tail.p_values(ahead) <= tail.resolution / 10
            shares.append(DISTRIBUTIONS[name].sf(ahead[np.argmax(rare)]) if rare.any() else 0.0)
    assert len(shares) > 0.9 * times
    assert np.mean(shares) <= 2.0 / (10 * (size + 1))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    size=st.integers(100, 600),
    power=st.floats(0.2, 4.0),
    unit=st.sampled_from([1e-9, 1.0, 1e9]),
)
def test_higher_scores_never_have_higher_p_values(seed: int, size: int, power: float, unit: float) -> None:
    scores = np.random.default_rng(seed).exponential(size=size) ** power * unit
    calibration = Calibration.fit(scores)
    largest = scores.max()
    ahead = np.concatenate([np.sort(scores), largest + largest * np.geomspace(1e-12, 1e6, 200)])
    p = calibration.p_values(ahead)
    assert (np.diff(p) <= 0).all()
    assert p.min() >= calibration.smallest_p_value > 0
    assert (p <= calibration.conformal_p_values(ahead)).all()
    inside = ahead <= largest
    np.testing.assert_array_equal(p[inside], calibration.conformal_p_values(ahead)[inside])
    marked = calibration.mark_extrapolated(p)
    assert not marked[inside].any()
    np.testing.assert_array_equal(marked, p < calibration.resolution)


def test_a_p_value_belongs_to_its_score() -> None:
    calibration = Calibration.fit(drawn("normal", 500))
    scores = np.linspace(2, 9, 301)
    whole = calibration.p_values(scores)
    assert whole.tolist() == [calibration.p_values([score])[0] for score in scores]
    assert whole[::-1].tolist() == calibration.p_values(scores[::-1]).tolist()


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        (np.arange(99.0), "99 held-out scores are too few for a tail"),
        (np.repeat(np.arange(10.0), 30), "of the 51 largest held-out scores differ"),
        (np.concatenate([np.zeros(280), np.ones(20)]), "of the 51 largest held-out scores differ"),
        (np.exp(np.exp(np.linspace(0.1, 3.5, 500))), "too heavy to extrapolate"),
        (
            np.concatenate([np.linspace(0, 1, 300), 50 + np.linspace(0, 1e-3, 40)]),
            "misses the|too heavy|fits",
        ),
        (np.concatenate([np.linspace(-1.7e308, 0, 50), np.linspace(0, 1.7e308, 70)]), ""),
    ],
)
def test_a_bad_fit_falls_back_and_says_why(scores: np.ndarray, reason: str) -> None:
    calibration = Calibration.fit(scores)
    top = np.array([calibration.scores[-1], np.finfo(float).max])
    p = calibration.p_values(top)
    assert np.isfinite(p).all()
    if reason:
        assert not calibration.tail
        assert any(part in calibration.tail.reason for part in reason.split("|")), calibration.tail.reason
        assert p[1] == calibration.resolution
        assert not calibration.mark_extrapolated(p).any()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(-1e300, 1e300), min_size=20, max_size=60).map(
        lambda some: np.resize(np.array(some), 120) + np.arange(120)
    )
)
def test_no_scores_break_it(scores: np.ndarray) -> None:
    calibration = Calibration.fit(scores)
    p = calibration.p_values(np.concatenate([scores, [1e305]]))
    assert ((p > 0) & (p <= 1)).all()
    content = json.loads(json.dumps(calibration.to_dict(), allow_nan=False))
    again = Calibration.restore(calibration.to_arrays(), content)
    assert again.tail == calibration.tail
    assert bool(calibration.tail) == (calibration.tail.reason == "")
    assert math.isfinite(calibration.smallest_p_value)


def test_no_tail_is_asked_for() -> None:
    calibration = Calibration.fit(drawn("normal", 500), tail=False)
    assert calibration.tail.reason == "no tail was asked for: training.tail is none"
    assert calibration.p_values([1e9])[0] == calibration.resolution == calibration.smallest_p_value


def test_an_empty_tail_says_nothing() -> None:
    assert not ParetoTail(reason="because")
    assert ParetoTail().to_dict()["shapes"] == []
