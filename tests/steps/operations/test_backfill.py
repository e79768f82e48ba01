"""Windows of the past: none lost, none doubled, each done once, whatever the clocks on the wall did."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.data.window import Window
from pynomaly.errors import PynomalyError
from pynomaly.records.ledger import Ledger
from pynomaly.steps.operations.backfill import judge_past_window, list_windows_ended_in, parse_past_range
from pynomaly.steps.scoring.due_windows import find_due_windows
from pynomaly.steps.scoring.score_windows import score_window
from tests.steps.conftest import MOMENT, start_with_champion

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EPOCH = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Europe/Berlin", (2026, 10, 25), 25),
        ("America/New_York", (2026, 3, 8), 23),
        ("America/New_York", (2026, 11, 1), 25),
    ],
)
def test_a_day_of_the_wall_clock_has_its_own_number_of_hours(zone, day, hours) -> None:
    start = datetime(*day, tzinfo=ZoneInfo(zone))
    end = start + DAY  # wall-clock arithmetic: midnight to midnight
    windows = list_windows_ended_in(start.astimezone(UTC), end.astimezone(UTC), HOUR)
    assert len(windows) == len(set(windows)) == hours
    assert (windows[0].start, windows[-1].end) == (start, end)


@given(
    cuts=st.lists(st.integers(0, 60_000), min_size=2, max_size=8, unique=True).map(sorted),
    length=st.sampled_from([HOUR, DAY, timedelta(hours=6), timedelta(days=7)]),
)
def test_ranges_that_meet_share_no_window_and_lose_none(cuts: list[int], length: timedelta) -> None:
    moments = [EPOCH + timedelta(minutes=cut) for cut in cuts]
    parts = [window for a, b in itertools.pairwise(moments) for window in list_windows_ended_in(a, b, length)]
    assert tuple(parts) == list_windows_ended_in(moments[0], moments[-1], length)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-01-05", "is no range"),
        ("..2026-01-05", "is no range"),
        ("2026-01-05..", "is no range"),
        ("2026-01-12..2026-01-05", "reversed or empty"),
        ("2026-01-05..2026-01-05", "reversed or empty"),
        ("2026-01-05T00:00..2026-01-06", "offset"),
        ("monday..tuesday", "monday"),
    ],
)
def test_ranges_that_are_refused(pipeline, text: str, why: str) -> None:
    with pytest.raises(PynomalyError, match=why):
        parse_past_range(pipeline(days=1), text)


def test_a_table_without_time_has_no_past(pipeline) -> None:
    with pytest.raises(PynomalyError, match="no time column"):
        parse_past_range(pipeline(days=1, data={"time": None, "id": None}), "2026-01-05..2026-01-06")


def test_dates_mean_midnight_utc_and_offsets_are_kept(pipeline) -> None:
    span = parse_past_range(pipeline(days=1), "2026-01-05..2026-01-06T00:00+01:00")
    assert span == (EPOCH, EPOCH + timedelta(hours=23))


@pytest.mark.slow
def test_a_window_is_scored_and_judged_once(pipeline) -> None:
    owner = pipeline()
    start_with_champion(owner)
    week = Window(MOMENT, MOMENT + timedelta(days=7))
    days = list_windows_ended_in(week.start, week.end, DAY)
    assert [score_window(owner, day).new for day in days] == [True] * 7
    assert [score_window(owner, day).new for day in days] == [False] * 7
    first, second = judge_past_window(owner, week), judge_past_window(owner, week)
    assert (first.new, second.new) == (True, False)
    assert first.state == second.state
    with Ledger.open(owner.ledger_url) as ledger:
        assert len(ledger.list_decisions(owner.name, "degradation")) == 1
        assert ledger.list_decisions(owner.name, "degradation")[0].as_of == week.end


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
def test_sixty_late_runs_give_one_set_of_partitions(pipeline, order: int) -> None:
    """Sixty hourly runs that were late all start together: what the first does, the others find."""
    owner = pipeline()
    start_with_champion(owner)
    late = [MOMENT + timedelta(days=2) + HOUR * hour for hour in range(60)][::order]
    new = [
        score_window(owner, window).new
        for moment in late
        for window in find_due_windows(owner, moment).windows
    ]
    with Ledger.open(owner.ledger_url) as ledger:
        partitions = ledger.list_partitions(owner.name)
    assert [item.window for item in partitions] == sorted({item.window for item in partitions})
    assert len(partitions) == sum(new) == 4
