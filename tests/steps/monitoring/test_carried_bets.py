"""Bets against exchangeability go on through windows, on rows that hardly depend on each other."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.monitoring import withdraw_guarantee
from pynomaly.judging.drift.exchangeability import select_spaced_rows
from pynomaly.model.dependence.dependence import INDEPENDENT, Dependence
from pynomaly.steps.monitoring.carried_bets import carry_bets

HOUR = 3600.0


def test_rows_are_apart_within_and_across_windows() -> None:
    seconds, entities = np.repeat(np.arange(100) * HOUR, 2), np.tile([0, 1], 100)
    chosen = [
        part[select_spaced_rows(seconds[part], entities[part], 7 * HOUR)]
        for part in (np.arange(80), np.arange(80, 200))
    ]
    rows = np.concatenate(chosen)
    for entity in (0, 1):
        gaps = np.diff(seconds[rows][entities[rows] == entity])
        assert gaps.min() >= 7 * HOUR
        assert gaps.max() <= 14 * HOUR
    together = select_spaced_rows(seconds, np.zeros(200, dtype=np.int64), 7 * HOUR)
    assert np.diff(seconds[together]).min() >= 7 * HOUR
    assert select_spaced_rows(seconds, entities, np.inf).size == 0
    assert select_spaced_rows(np.zeros(0), np.zeros(0, dtype=np.int64), HOUR).size == 0


def test_a_small_shift_adds_up_over_windows() -> None:
    rng = np.random.default_rng(1)
    held_out = rng.normal(size=3000)
    windows = [rng.normal(0.3, 1, size=60) for _ in range(26)]
    assert carry_bets(held_out, windows[:1], INDEPENDENT, 0.001, 1).state == "kept"
    carried = carry_bets(held_out, windows, INDEPENDENT, 0.001, 1)
    assert carried.state == "withdrawn"
    assert carried.rows == 26 * 60
    assert carried.reasons[-1] == "bets are carried through 26 windows of this version"


def test_too_few_independent_held_out_rows_are_filled_up_from_the_stream() -> None:
    rng = np.random.default_rng(2)
    dependent = Dependence(upper=86_400.0, block=2 * 86_400.0, rows=240, entities=1, span=10 * 86_400.0)
    held_out, windows = rng.normal(size=240), [rng.normal(size=7) for _ in range(6)]
    assert carry_bets(held_out, windows[:1], dependent, 0.01, 1).state == "not_computable"
    carried = carry_bets(held_out, windows, dependent, 0.01, 1)
    assert (carried.state, carried.rows) == ("kept", 42 - (20 - 10))


@pytest.mark.slow
def test_streams_that_do_not_change_keep_the_guarantee_and_changed_ones_lose_it() -> None:
    still = [withdraw_guarantee(70_000 + seed, 48, 1, 0.0) for seed in range(10)]
    assert sum(withdrawn for withdrawn, _ in still) <= 1
    assert np.mean([alone for _, alone in still]) > 10, "each window alone is what went wrong"
    changed = [withdraw_guarantee(71_000 + seed, 6, 8, 0.5) for seed in range(3)]
    assert sum(withdrawn for withdrawn, _ in changed) >= 2
