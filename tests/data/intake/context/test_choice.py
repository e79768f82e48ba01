"""A series is told from rows that stand alone, whatever their distribution, and the choice says why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pynomaly.data.intake import describe_reading, read_table
from tests.data.intake.context.made import (
    ROWS_ALONE,
    SERIES,
    autoregress,
    list_times,
    read_columns,
    scatter,
    swing,
    walk,
)


@pytest.mark.parametrize("kind", SERIES)
@pytest.mark.parametrize("rows", [450, 2500])
def test_a_series_is_one_whatever_its_kind(kind: str, rows: int) -> None:
    for seed in range(5):
        context = read_columns({"a": SERIES[kind](np.random.default_rng([seed, rows]), rows)})
        assert context.past >= 128, (seed, context)
        assert context.settings["step"] == "10m"
        assert "'a'" in context.why


@pytest.mark.parametrize("kind", ROWS_ALONE)
@pytest.mark.parametrize("rows", [450, 2500])
def test_rows_that_stand_alone_are_no_series(kind: str, rows: int) -> None:
    for seed in range(10):
        context = read_columns({"a": ROWS_ALONE[kind](np.random.default_rng([seed, rows]), rows)})
        assert context.past == 0, (seed, context)
        assert context.settings == {}


@pytest.mark.parametrize("kind", SERIES)
def test_a_shuffled_series_is_none(kind: str) -> None:
    rng = np.random.default_rng(3)
    context = read_columns({"a": rng.permutation(SERIES[kind](rng, 2000))})
    assert context.past == 0, context


def test_levels_of_entities_are_no_past() -> None:
    rng = np.random.default_rng(5)
    codes = np.tile(np.arange(3), 1000)
    times = pd.Series(np.repeat(list_times(1000).array, 3))
    alone = {"a": np.array([0.0, 50.0, 500.0])[codes] + rng.normal(size=3000)}
    assert read_columns(alone, times, codes).past == 0
    moving = {"a": alone["a"] + np.repeat(autoregress(rng, 1000), 3) * 3}
    assert read_columns(moving, times, codes).past > 0


def test_lines_over_gaps_are_no_past() -> None:
    """A line between two rows leads to the later one, and would tell of it."""
    rng = np.random.default_rng(6)
    times = list_times(4000)[np.sort(rng.choice(4000, 3300, replace=False))].reset_index(drop=True)
    assert read_columns({"a": scatter(rng, 3300)}, times).past == 0
    assert read_columns({"a": walk(rng, 3300)}, times).past > 0


def test_a_third_of_the_columns_decides() -> None:
    rng = np.random.default_rng(7)
    columns = {f"n{place}": scatter(rng, 900) for place in range(6)}
    few = read_columns({**columns, "a": walk(rng, 900)})
    assert few.past == 0
    assert few.columns["a"].past > 0.9
    assert "1 of 7 columns" in few.why
    assert read_columns({**columns, **{f"w{place}": walk(rng, 900) for place in range(3)}}).past > 0


def test_flags_and_constants_have_no_say() -> None:
    rng = np.random.default_rng(8)
    flags = {f"f{place}": (rng.random(900) < 0.3).astype(float) for place in range(5)}
    context = read_columns({**flags, "k": np.ones(900), "a": walk(rng, 900)})
    assert list(context.columns) == ["a"]
    assert context.past > 0
    assert read_columns(flags).past == 0


def test_memory_that_far_values_hide_is_one() -> None:
    """Of jams, whose size nothing tells, the past takes no squared error away; their ranks correlate."""
    for seed in range(5):
        rng = np.random.default_rng([14, seed])
        busy = np.repeat(rng.random(60) < 0.4, 10)
        context = read_columns({"a": np.where(busy, rng.pareto(0.8, 600) + 1, 1) + rng.random(600)})
        assert context.columns["a"].serial > 0.1
        assert context.past == 256, (seed, context)


def test_one_column_that_never_changed_is_a_series() -> None:
    context = read_columns({"a": np.zeros(600), "b": np.full(600, 3.0)})
    assert context.past == 256
    assert "only a change can be odd" in context.why
    assert read_columns({}, list_times(600), np.zeros(600)).past == 0


def test_flags_that_hold_for_some_time_are_a_series() -> None:
    rng = np.random.default_rng(15)
    context = read_columns({"f": np.repeat(rng.random(40) < 0.3, 20).astype(float)})
    assert context.past >= 128
    assert list(context.columns) == ["f"]


def test_categories_beside_a_constant_leave_rows_alone() -> None:
    from pynomaly.data.intake.context import read_context

    lines, codes = np.arange(2, 602), np.zeros(600, dtype=np.int64)
    constant = {"a": np.ones(600)}
    assert read_context(list_times(600), codes, lines, constant, 600, has_categories=True).past == 0


@pytest.mark.parametrize(("period", "past"), [(24, 176), (96, 320), (290, 708)])
def test_the_past_holds_two_periods(period: int, past: int) -> None:
    context = read_columns({"a": swing(period)(np.random.default_rng(9), 4000)})
    assert context.period == pytest.approx(period, abs=2)
    assert context.past == pytest.approx(past, abs=4)


def test_short_entities_are_no_series() -> None:
    rng = np.random.default_rng(10)
    codes = np.repeat(np.arange(500), 10)
    times = pd.Series(np.tile(list_times(10, "D").array, 500))
    context = read_columns({"amount": walk(rng, 5000)}, times, codes)
    assert context.past == 0
    assert "about 10 rows; a series needs 400" in context.why


def test_arrivals_are_no_series() -> None:
    rng = np.random.default_rng(11)
    moments = pd.to_timedelta(np.cumsum(rng.exponential(60, 3000)), unit="s")
    times = pd.Series(pd.Timestamp("2026-01-05", tz="UTC") + moments)
    context = read_columns({"amount": walk(rng, 3000)}, times)
    assert context.past == 0
    assert "usual distance" in context.why


def test_a_sample_of_many_entities_is_measured_by_neighbours() -> None:
    """Of 1,000 entities a run of 3,000 lines holds three rows each."""
    rng = np.random.default_rng(12)
    values = np.stack([autoregress(rng, 60) for _ in range(1000)], axis=1)
    kept = np.r_[0:3, 28:31, 57:60]
    times = pd.Series(np.repeat(list_times(60).array[kept], 1000))
    lines = (kept[:, None] * 1000 + np.arange(1000)).ravel()
    from pynomaly.data.intake.context import read_context

    codes = np.tile(np.arange(1000), len(kept))
    context = read_context(times, codes, lines, {"a": values[kept].ravel()}, 2_000_000)
    assert context.past > 0, context
    shuffled = {"a": rng.permutation(values[kept].ravel())}
    assert read_context(times, codes, lines, shuffled, 2_000_000).past == 0


def test_nothing_is_measured_without_times() -> None:
    from pynomaly.data.intake.context import read_context

    context = read_context(None, np.zeros(9, dtype=np.int64), np.arange(9), {"a": np.ones(9)}, 9)
    assert (context.past, context.step) == (0, None)


def test_the_reading_says_what_was_measured(tmp_path: Path) -> None:
    place = tmp_path / "pump.csv"
    rows = 900
    frame = pd.DataFrame({"time": list_times(rows, "h"), "bar": swing(24)(np.random.default_rng(13), rows)})
    frame.to_csv(place, index=False)
    held = describe_reading(read_table(place))["context"]
    assert held["step"] == "1h"
    assert held["period"] == 24
    assert held["columns"]["bar"]["past"] > 0.8 > held["columns"]["bar"]["chance"]
