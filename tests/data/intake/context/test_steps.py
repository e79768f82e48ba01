"""The step is that of most rows: jitter, gaps and repeated rows do not move it, and arrivals have none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pynomaly.data.intake.context.steps import RowStep, mark_runs, measure_row_step

MINUTE = 60_000_000


def measure(moments: Any, codes: Any = None, runs: Any = None) -> RowStep | None:
    moments = np.asarray(moments, dtype=np.int64)
    nothing = np.zeros(len(moments), dtype=np.int64)
    return measure_row_step(moments, nothing if codes is None else codes, nothing if runs is None else runs)


def regular(rows: int = 500, step: float = MINUTE) -> Any:
    return np.round(np.arange(rows) * step).astype(np.int64)


@pytest.mark.parametrize("order", ["up", "down", "any"])
def test_rows_on_a_step_are_regular_in_any_order(order: str) -> None:
    rng = np.random.default_rng(0)
    moments = {"up": regular(), "down": regular()[::-1], "any": rng.permutation(regular())}[order]
    measured = measure(moments)
    assert measured is not None
    assert (measured.step, measured.regular, measured.is_regular) == (timedelta(minutes=1), 1.0, True)


def test_jitter_gaps_and_repeated_rows_do_not_move_the_step() -> None:
    rng = np.random.default_rng(1)
    moments = regular(2000) + rng.integers(-8_000_000, 8_000_000, 2000)
    kept = np.sort(rng.choice(moments, 1800, replace=False))
    measured = measure(np.concatenate([kept, kept[:90], kept[-1] + regular(100) + 90 * MINUTE]))
    assert measured is not None
    assert measured.is_regular
    assert measured.step is not None
    assert abs(measured.step - timedelta(minutes=1)) <= timedelta(seconds=2)


def test_arrivals_and_rows_of_one_moment_have_no_step() -> None:
    rng = np.random.default_rng(2)
    arrivals = measure(np.cumsum(rng.exponential(MINUTE, 3000)))
    assert arrivals is not None
    assert not arrivals.is_regular
    together = measure(np.repeat(regular(), 3))
    assert together is not None
    assert not together.is_regular
    assert "have the time of the row before" in together.why
    assert measure(np.zeros(50)) is None
    assert measure([1]) is None


def test_entities_with_steps_of_their_own_are_taken_as_they_come() -> None:
    codes = np.repeat([0, 1], 500)
    measured = measure(np.concatenate([regular(), regular(step=10 * MINUTE)]), codes)
    assert measured is not None
    assert measured.is_regular
    assert measured.step is None
    assert measured.longest >= timedelta(minutes=9)
    same = measure(np.concatenate([regular(), regular() + 7_000_000]), codes)
    assert same is not None
    assert same.step == timedelta(minutes=1)


@pytest.mark.parametrize(("step", "seconds"), [(0.01, None), (0.5, None), (1.5, None), (2.01, 2), (59.9, 60)])
def test_a_step_is_a_whole_number_of_seconds_or_none(step: float, seconds: int | None) -> None:
    measured = measure(regular(step=step * 1e6))
    assert measured is not None
    assert measured.is_regular
    assert measured.step == (timedelta(seconds=seconds) if seconds else None)


def test_rows_of_two_runs_are_no_neighbours() -> None:
    assert mark_runs(np.array([2, 3, 5, 900, 901, 2, 3])).tolist() == [0, 0, 0, 1, 1, 2, 2]
    moments = np.concatenate([regular(5) + start * 1000 * MINUTE for start in range(40)])
    measured = measure(moments, runs=np.repeat(np.arange(40), 5))
    assert measured is not None
    assert measured.regular == 1.0
