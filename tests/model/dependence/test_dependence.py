"""Blocks of dependent rows: as long as the rows depend on each other, and one where nothing can tell."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.model.dependence.dependence import (
    INDEPENDENT,
    Dependence,
    place_incidents,
    place_sampled_incidents,
)
from pynomaly.model.dependence.measure import measure_dependence
from tests import naive
from tests.model.dependence.series import draw_series, list_times

DAY = 86_400.0


def draw_incidents(rows: int, count: int, length: int, seed: int = 0) -> np.ndarray:
    labels = np.zeros(rows)
    for start in np.random.default_rng(seed).choice(rows // length, count, replace=False):
        labels[start * length : (start + 1) * length] = 1
    return labels


def draw_fleet(
    entities: int, rows: int, shock: float, seed: int = 0
) -> tuple[np.ndarray, pd.Series, np.ndarray]:
    rng = np.random.default_rng(seed)
    common = shock * draw_series(rng, rows, 12)
    scores = np.concatenate([common + draw_series(rng, rows, 12) for _ in range(entities)])
    times = pd.concat([list_times(rows, "1h")] * entities, ignore_index=True)
    return scores, times, np.repeat([f"m{number}" for number in range(entities)], rows)


def test_independent_rows_keep_the_blocks_of_an_entity_day() -> None:
    rng, times = np.random.default_rng(0), list_times(3000, "1h")
    measured = measure_dependence(rng.exponential(size=3000), times)
    assert not measured.is_dependent
    assert measured.describe() == ""
    assert (measured.number_blocks(times) == np.arange(3000) // 24).all()
    assert INDEPENDENT.number_blocks(None).tolist() == []
    assert measured.count_effective(3000) == 3000


def test_blocks_are_longer_than_twice_the_autocorrelation_time() -> None:
    times = list_times(8640)
    measured = measure_dependence(draw_series(np.random.default_rng(0), 8640, 36), times)
    true = 2 * 6 * 3600.0
    assert measured.upper >= true
    assert measured.block >= 2 * measured.upper
    blocks = measured.number_blocks(times)
    assert (np.diff(blocks) >= 0).all()
    assert np.bincount(blocks).min() * 600 >= measured.block * 0.99
    assert measured.count_effective(8640) < 8640 / 72
    assert "autocorrelation time up to" in measured.describe()


def test_rows_in_any_order_and_gaps_give_the_same() -> None:
    rng, times = np.random.default_rng(1), list_times(4000)
    scores = draw_series(rng, 4000, 20)
    order = rng.permutation(4000)
    whole = measure_dependence(scores, times)
    assert measure_dependence(scores[order], times.iloc[order]) == whole
    kept = (np.arange(4000) // 500) % 2 == 0  # stretches with gaps between them
    parts = measure_dependence(scores[kept], times[kept])
    assert parts.correlation == pytest.approx(whole.correlation, rel=0.6)
    drawn = np.sort(rng.choice(4000, 1200, replace=False))
    assert measure_dependence(scores[drawn], times.iloc[drawn]).correlation == pytest.approx(
        whole.correlation, rel=0.6
    )


def test_incidents_of_a_day_make_blocks_of_a_day_at_least() -> None:
    rng, times, labels = np.random.default_rng(2), list_times(8640), draw_incidents(8640, 5, 144)
    measured = measure_dependence(rng.normal(size=8640), times, None, labels)
    assert measured.block >= DAY
    assert "incidents" in measured.describe()
    scattered = (rng.random(8640) < 0.05).astype(float)
    assert not measure_dependence(rng.normal(size=8640), times, None, scattered).is_dependent
    blocks = place_incidents(measured.number_blocks(times), times, None, labels)
    runs = np.cumsum(np.diff(labels, prepend=0) == 1)
    assert all(
        np.unique(blocks[(labels == 1) & (runs == run)]).size == 1 for run in np.unique(runs[labels == 1])
    )


def test_too_short_a_history_is_one_block_and_says_so() -> None:
    times = list_times(400)
    measured = measure_dependence(draw_series(np.random.default_rng(3), 400, 36), times)
    assert measured.is_short
    assert measured.number_blocks(times).max() == 0
    assert "longer reference" in measured.describe()
    assert f"longer than {round(measured.span / 86400)}d of history" in measured.describe()
    assert measured.count_effective(400) < 10
    trend = measure_dependence(np.arange(400.0), times)
    assert trend.is_short


def test_entities_have_their_own_blocks_unless_they_move_together() -> None:
    scores, times, entities = draw_fleet(12, 1440, 0.0)
    alone = measure_dependence(scores, times, entities)
    assert not alone.is_shared
    blocks = alone.number_blocks(times, entities)
    assert all(len(set(entities[blocks == block])) == 1 for block in np.unique(blocks))
    scores, times, entities = draw_fleet(12, 1440, 0.7)
    together = measure_dependence(scores, times, entities)
    assert together.is_shared
    assert "all entities together" in together.describe()
    assert set(entities[together.number_blocks(times, entities) == 0]) == set(entities)


def test_incidents_that_strike_many_entities_at_once_are_one() -> None:
    rng = np.random.default_rng(5)
    times = pd.concat([list_times(1440, "1h")] * 8, ignore_index=True)
    entities, same = np.repeat(np.arange(8), 1440), np.tile(draw_incidents(1440, 6, 24), 8)
    scores = rng.normal(size=len(same))
    assert measure_dependence(scores, times, entities, same).is_shared
    own = np.concatenate([draw_incidents(1440, 6, 24, seed) for seed in range(8)])
    assert not measure_dependence(scores, times, entities, own).is_shared


def test_many_entities_of_few_rows_are_one_series() -> None:
    rng = np.random.default_rng(6)
    measured = measure_dependence(draw_series(rng, 3000, 30), list_times(3000, "1min"), np.arange(3000) // 2)
    assert measured.entities == 1
    assert measured.is_dependent


def test_it_is_kept_as_text() -> None:
    times = list_times(400)
    for scores in (np.arange(400.0), draw_series(np.random.default_rng(7), 400, 2)):
        measured = measure_dependence(scores, times)
        assert Dependence.from_dict(json.loads(json.dumps(measured.to_dict()))) == measured
    assert Dependence.from_dict(None) == INDEPENDENT


def test_the_wider_of_two_counts() -> None:
    day = Dependence(upper=10.0, block=DAY, rows=5)
    shared = Dependence(season=DAY, is_shared=True, block=math.inf, rows=9, entities=2)
    wide = day.widen(shared)
    assert (wide.upper, wide.season, wide.is_shared, wide.is_short, wide.rows) == (10.0, DAY, True, True, 9)
    assert day.widen(INDEPENDENT) == day
    assert INDEPENDENT.widen(day) == day


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=14))
def test_incidents_are_of_the_block_where_they_begin(rows: list[tuple[int, int, int]]) -> None:
    blocks, entity, truth = (np.array(part) for part in zip(*rows, strict=True))
    numbered = np.unique(blocks, return_inverse=True)[1]
    placed = place_incidents(numbered, list_times(len(rows)), entity, truth)
    expected = naive.place_runs(numbered.tolist(), entity.tolist(), truth.tolist())
    assert placed.tolist() == np.unique(expected, return_inverse=True)[1].tolist()


def test_blocks_stay_apart_though_a_fleet_has_incidents_at_each_border() -> None:
    times = pd.concat([list_times(240, "1h")] * 10, ignore_index=True)
    entities, truth = np.repeat(np.arange(10), 240), np.zeros(2400)
    for day in range(9):
        truth[day * 240 + day * 24 + 20 : day * 240 + day * 24 + 30] = 1  # over the midnight of a machine
    blocks = Dependence(block=DAY, is_shared=True, rows=2400, entities=10).number_blocks(times, entities)
    placed = place_incidents(blocks, times, entities, truth)
    assert np.unique(placed).size == np.unique(blocks).size
    assert np.unique(placed[truth == 1]).size >= 8


def test_sampled_anomalies_near_each_other_are_one_incident() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        count = int(rng.integers(1, 14))
        moments = rng.integers(0, 60, count)
        times = pd.Series(pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(moments, unit="h"))
        entity, truth = rng.integers(0, 2, count), rng.integers(0, 2, count)
        blocks = np.unique(rng.integers(0, 6, count), return_inverse=True)[1]
        placed = place_sampled_incidents(blocks, times, entity, truth, 10 * 3600.0)
        expected = naive.place_sampled(
            blocks.tolist(), moments.tolist(), entity.tolist(), truth.tolist(), 10.0
        )
        assert placed.tolist() == np.unique(expected, return_inverse=True)[1].tolist()
