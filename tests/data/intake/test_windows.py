"""Windows follow the step that was measured, so that rare rows train, too."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from pynomaly.data.intake.windows import measure_step, plan_windows


def plan(rows: int, step: str, start: str = "2020-01-01", past: timedelta = timedelta(0)):
    times = pd.Series(pd.date_range(start, periods=rows, freq=step, tz="UTC"))
    return plan_windows(times, times.min(), times.max(), rows, past)


@pytest.mark.parametrize(
    ("rows", "step"),
    [
        (9000, "s"),
        (2000, "10min"),
        (20_000, "h"),
        (300, "D"),
        (3000, "D"),
        (200, "W"),
        (150, "28D"),
        (60, "365D"),
    ],
)
def test_windows_hold_rows_at_any_step(rows: int, step: str) -> None:
    windows = plan(rows, step)
    assert windows.score >= windows.step
    assert windows.monitor % windows.score == timedelta(0)
    assert windows.monitor > windows.score
    assert windows.reference >= windows.score
    assert windows.reference_rows >= min(rows, 300) * 0.7


def test_a_year_of_hours_lies_in_the_reference() -> None:
    windows = plan(20_000, "h")
    assert timedelta(weeks=52) <= windows.reference <= timedelta(weeks=54)
    assert windows.reference < windows.span


def test_the_step_is_that_of_most_rows() -> None:
    times = pd.Series(pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03", "2026-02-01", "2026-02-02"]))
    assert measure_step(times) == timedelta(days=1)
    assert measure_step(times.iloc[:1]) == timedelta(seconds=1)


def test_the_reference_begins_after_the_past_of_its_rows() -> None:
    past = timedelta(days=30)
    windows = plan(24 * 90, "h", past=past)
    assert windows.start == pd.Timestamp("2020-01-31", tz="UTC")
    assert windows.span == timedelta(days=60)
    assert windows.reference <= windows.span
    assert windows.reference_rows <= 24 * 60
    assert "the past of others" in windows.why_start


def test_where_little_would_be_left_the_reference_begins_with_the_first_row() -> None:
    windows = plan(24 * 59, "h", past=timedelta(days=30))
    assert windows.start == pd.Timestamp("2020-01-01", tz="UTC")
    assert windows.why_start == plan(24 * 59, "h").why_start
