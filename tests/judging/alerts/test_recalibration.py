"""Which rows may set p-values, and what is left of alerts at the promised rate."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly import config
from pynomaly.judging.alerts.recalibration import hold_to_promise, object_to_rows

TRAINING = config.Training(candidates=("hbos",))
COMPARISON = config.Comparison()
PROMISED = 0.01


def objections(p_values: np.ndarray, blocks: int = 100, training: config.Training = TRAINING) -> str:
    return " | ".join(object_to_rows("the rows", p_values, blocks, PROMISED, training, COMPARISON))


def draw(rate: float, rows: int = 4000, seed: int = 0) -> np.ndarray:
    """P-values of rows that alert `rate` of the time everywhere, with few confident alerts."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows) < rate, rng.uniform(0.0011, 0.01, rows), rng.uniform(0.011, 1, rows))


def test_too_many_alerts_everywhere_are_no_incident() -> None:
    for seed in range(20):
        assert not objections(draw(0.04, seed=seed))
        assert not objections(draw(0.01, seed=seed))
        assert not objections(draw(0.0, seed=seed))


def test_an_incident_lies_close_together() -> None:
    for seed in range(20):
        p_values = draw(0.01, seed=seed)
        p_values[1000:1120] = 0.005
        assert "alerts lie close together" in objections(p_values)
    assert objections(np.full(4000, 0.5)) == ""


def test_confident_alerts_have_a_cap_that_counts_them_all() -> None:
    p_values = draw(0.04)
    p_values[::20] = 0.001
    assert objections(p_values) == ""  # exactly the cap
    p_values[1] = 0.001
    assert "more than 5.0% (training.exclude_alerts_cap)" in objections(p_values)
    assert objections(p_values, training=TRAINING.model_copy(update={"exclude_alerts": None})) == ""


def test_few_blocks_cannot_tell() -> None:
    assert "(comparison.min_blocks)" in objections(draw(0.04), blocks=4)
    assert objections(draw(0.01), blocks=4) == ""  # nothing to tell
    assert objections(draw(0.04), blocks=5) == ""


def test_chance_is_no_excess() -> None:
    p_values = np.full(1000, 0.5)
    p_values[:14] = 0.005  # 14 where 10 are promised: p = 0.13
    assert objections(p_values) == ""
    p_values[:17] = 0.005  # p = 0.027
    assert "close together" in objections(p_values)


@pytest.mark.parametrize(("promised", "left"), [(0.5, 4), (0.25, 2), (0.2, 2), (0.01, 2)])
def test_the_least_extreme_alerts_go(promised: float, left: int) -> None:
    normal = np.array([True, False, True, False, True, False, True, False])
    p_values = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.9, 0.9])
    alerts = p_values < 0.1
    kept = hold_to_promise(alerts, p_values, -p_values, normal, promised)
    assert kept.tolist() == [place < left for place in range(8)]
    assert (hold_to_promise(alerts, p_values, -p_values, normal, 1.0) == alerts).all()


def test_scores_order_alerts_of_one_p_value() -> None:
    normal = np.array([True, True, False, False])
    scores = np.array([3.0, 1.0, 2.0, 0.5])
    kept = hold_to_promise(np.ones(4, dtype=bool), np.full(4, 0.001), scores, normal, 0.5)
    assert kept.tolist() == [True, False, True, False]
