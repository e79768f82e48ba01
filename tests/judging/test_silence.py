"""Silence is counted in the pipeline's own clock, also where a day has 23 or 25 hours."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.judging.silence import GRACE, count_missed_runs, judge_silence

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "start", "end", "hours"),
    [
        ("Europe/Berlin", "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", 23),
        ("Europe/Berlin", "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00", 25),
        ("America/New_York", "2026-03-08T00:00-05:00", "2026-03-09T00:00-04:00", 23),
        ("America/New_York", "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00", 25),
        ("UTC", "2026-03-29T00:00+00:00", "2026-03-30T00:00+00:00", 24),
    ],
)
def test_an_hourly_schedule_has_as_many_runs_as_the_day_has_hours(zone, start, end, hours) -> None:
    since, now = datetime.fromisoformat(start), datetime.fromisoformat(end)
    assert count_missed_runs("0 * * * *", zone, since, now, 100) == hours


def test_a_daily_schedule_runs_once_on_a_day_that_skips_its_hour() -> None:
    since = datetime.fromisoformat("2026-03-28T03:00+01:00")
    for days, count in ((1, 1), (2, 2), (3, 3)):
        assert (
            count_missed_runs("30 2 * * *", "Europe/Berlin", since, since + timedelta(days=days), 9) == count
        )


def test_silence_begins_when_the_limit_is_missed_and_its_grace_is_over() -> None:
    third = MONDAY + timedelta(hours=3)
    early = judge_silence("score", "0 * * * *", "UTC", MONDAY, third + GRACE - timedelta(seconds=1), 3)
    late = judge_silence("score", "0 * * * *", "UTC", MONDAY, third + GRACE, 3)
    assert (early.silent, early.missed) == (False, 2)
    assert (late.silent, late.missed) == (True, 3)
    assert "at least 3 runs" in late.reasons[0]


@given(minutes=st.integers(0, 10_000), limit=st.integers(1, 50))
def test_runs_missed_are_the_whole_hours_that_passed(minutes: int, limit: int) -> None:
    now = MONDAY + timedelta(minutes=minutes)
    assert count_missed_runs("0 * * * *", "UTC", MONDAY, now, limit) == min(minutes // 60, limit)


def test_a_schedule_follows_the_clock_of_its_zone() -> None:
    """Half past eight in Tokyo is half past eleven at night in Greenwich."""
    since = datetime(2026, 1, 5, 23, tzinfo=UTC)
    assert count_missed_runs("30 8 * * *", "Asia/Tokyo", since, since + timedelta(hours=1), 9) == 1
    assert count_missed_runs("30 8 * * *", "UTC", since, since + timedelta(hours=1), 9) == 0


def test_a_run_due_now_is_missed_and_one_due_at_the_beginning_is_not() -> None:
    assert count_missed_runs("0 * * * *", "UTC", MONDAY, MONDAY + timedelta(hours=1), 9) == 1
    assert count_missed_runs("0 * * * *", "UTC", MONDAY, MONDAY + timedelta(minutes=59), 9) == 0


def test_a_verdict_says_when_work_last_ended_by_its_own_clock() -> None:
    verdict = judge_silence("score", "0 * * * *", "Asia/Tokyo", MONDAY, MONDAY + timedelta(minutes=70), 3)
    sentence = "score last ended well at 2026-01-05T09:00+09:00; 1 runs missed since, fewer than 3"
    assert verdict.to_dict() == {
        "work": "score",
        "silent": False,
        "missed": 1,
        "since": "2026-01-05T00:00:00+00:00",
        "reasons": [sentence],
    }
    json.dumps(verdict.to_dict())
    late = judge_silence("score", "0 * * * *", "UTC", MONDAY, MONDAY + timedelta(days=9), 3)
    assert late.missed == 3  # counted up to the limit
    assert late.reasons == (
        "score last ended well at 2026-01-05T00:00+00:00; at least 3 runs of '0 * * * *' (UTC) were missed",
    )
