"""Weighted metrics and the bootstrap, against repeated rows and scikit-learn."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from pynomaly import config
from pynomaly.errors import DataError
from pynomaly.judging.comparison.ranking_metrics import (
    METRICS,
    Metric,
    OperatingPoint,
    Ranking,
    bootstrap_metric,
    bootstrap_metrics,
)
from tests import naive

OPERATION = OperatingPoint(share=0.3, false_alarms=0.8)
ORACLES = {
    "average_precision": average_precision_score,
    "roc_auc": roc_auc_score,
    "recall_at_budget": lambda truth, scores: naive.recall_at_share(
        truth.tolist(), scores.tolist(), Fraction(3, 10)
    ),
    "saved_cost": lambda truth, scores: naive.saved_cost(truth.tolist(), scores.tolist(), 0.8),
}
rows = st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3), st.integers(0, 3)), min_size=2, max_size=40)


@pytest.mark.parametrize("metric", get_args(Metric))
@settings(max_examples=150)
@given(rows=rows)
def test_a_weight_counts_as_that_many_rows(metric: Metric, rows: list[tuple[int, int, int]]) -> None:
    truth, scores, weights = (np.array(column) for column in zip(*rows, strict=True))
    if not truth.any():
        truth[0] = 1
    value = Ranking(truth, scores.astype(float), OPERATION).compute(metric, weights[:, None].astype(float))[0]
    repeated, repeated_scores = np.repeat(truth, weights), np.repeat(scores, weights)
    if np.unique(repeated).size < 2:
        assert np.isnan(value)
    else:
        assert value == pytest.approx(ORACLES[metric](repeated, repeated_scores), abs=1e-12)


def test_columns_of_weights_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(0)
    truth, scores = (rng.random(50) < 0.2).astype(int), rng.normal(size=50)
    weights = rng.integers(0, 3, size=(50, 7)).astype(float)
    ranking = Ranking(truth, scores)
    together = ranking.compute("average_precision", weights)
    alone = [ranking.compute("average_precision", weights[:, [i]])[0] for i in range(7)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_bootstrap_is_seeded_and_paired() -> None:
    rng = np.random.default_rng(1)
    truth, scores = (rng.random(300) < 0.2).astype(int), rng.normal(size=300)
    ranking = Ranking(truth, scores)
    first = bootstrap_metric([ranking, Ranking(truth, 2 * scores + 1)], "roc_auc", 300, seed=5)
    np.testing.assert_array_equal(first[:, 0], first[:, 1])
    np.testing.assert_array_equal(first[:, 0], bootstrap_metric([ranking], "roc_auc", 300, seed=5)[:, 0])
    assert (first[:, 0] != bootstrap_metric([ranking], "roc_auc", 300, seed=6)[:, 0]).any()


def test_blocks_of_one_row_are_the_plain_bootstrap() -> None:
    rng = np.random.default_rng(2)
    ranking = Ranking((rng.random(200) < 0.2).astype(int), rng.normal(size=200))
    plain = bootstrap_metric([ranking], "roc_auc", 250, seed=0)
    np.testing.assert_array_equal(
        plain, bootstrap_metric([ranking], "roc_auc", 250, seed=0, blocks=np.arange(200))
    )


def test_repeated_rows_in_one_block_do_not_narrow_the_interval() -> None:
    rng = np.random.default_rng(3)
    truth, scores = (rng.random(150) < 0.2).astype(int), rng.normal(size=150)
    once = bootstrap_metric([Ranking(truth, scores)], "roc_auc", 1000, seed=0).std()
    repeated = Ranking(np.repeat(truth, 10), np.repeat(scores, 10))
    naive = bootstrap_metric([repeated], "roc_auc", 1000, seed=0).std()
    blocked = bootstrap_metric(
        [repeated], "roc_auc", 1000, seed=0, blocks=np.repeat(np.arange(150), 10)
    ).std()
    assert blocked == pytest.approx(once, rel=0.1)
    assert naive < once / 2


def test_twenty_thousand_rows_and_a_thousand_resamples_take_seconds() -> None:
    rng = np.random.default_rng(4)
    truth = (rng.random(20_000) < 0.05).astype(int)
    pair = [Ranking(truth, truth + rng.normal(size=20_000)) for _ in range(2)]
    started = time.perf_counter()
    bootstrap_metric(pair, "average_precision", 1000, seed=0)
    assert time.perf_counter() - started < 5


def test_several_metrics_at_once_are_each_alone() -> None:
    rng = np.random.default_rng(5)
    truth, scores = (rng.random(300) < 0.1).astype(int), rng.normal(size=300).round(1)
    ranking = Ranking(truth, scores, OPERATION)
    together = bootstrap_metrics([ranking], METRICS, 200, seed=1)
    for column, metric in enumerate(METRICS):
        np.testing.assert_array_equal(
            together[:, 0, column], bootstrap_metric([ranking], metric, 200, seed=1)[:, 0]
        )


def test_costs_are_the_alerts_settings() -> None:
    """Worth of an alert: what it saves at the assumed prevalence over what a false one costs."""
    alerts = config.Alerts(cost_missed=20, cost_false_alarm=2, prevalence=0.1)
    assert OperatingPoint.of(alerts, 0.05).share == 0.05
    assert OperatingPoint.of(alerts, 0.05).false_alarms == pytest.approx(2 * 0.9 / (20 * 0.1))
    assert OperatingPoint.of(config.Alerts(), 0.01).false_alarms == pytest.approx(
        OperatingPoint().false_alarms
    )
    truth, scores = np.array([0, 0, 0, 1, 1]), np.array([0.0, 1.0, 4.0, 3.0, 5.0])
    # Alerting on 5 alone saves half; going down to 3 saves all but one false alarm in three.
    cheap = Ranking(truth, scores, OperatingPoint(0.5, 0.3)).value("saved_cost")
    dear = Ranking(truth, scores, OperatingPoint(0.5, 3.0)).value("saved_cost")
    assert (cheap, dear) == (pytest.approx(0.9), pytest.approx(0.5))
    assert Ranking(truth, -scores, OperatingPoint(0.5, 30.0)).value("saved_cost") == 0  # silence costs least


@pytest.mark.parametrize("wrong", [(0.0, 1.0), (1.0, 1.0), (0.1, 0.0), (float("nan"), 1.0)])
def test_an_operation_that_is_none_is_refused(wrong: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="no operation"):
        OperatingPoint(*wrong)
