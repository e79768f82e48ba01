from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pynomaly.data.window import Window, parse_moment, split_windows
from pynomaly.errors import WindowError

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
lengths = st.timedeltas(timedelta(seconds=1), timedelta(days=60))


def test_key_is_safe_in_file_names_and_tells_fractions_apart():
    window = Window(MONDAY, MONDAY + WEEK)
    assert window.key == "20260105T000000Z--20260112T000000Z"
    late = Window(MONDAY, MONDAY + WEEK + timedelta(microseconds=1))
    assert late.key != window.key


def test_other_zones_are_the_same_window():
    east = timezone(timedelta(hours=2))
    assert Window(datetime(2026, 1, 5, 2, tzinfo=east), MONDAY + WEEK) == Window(MONDAY, MONDAY + WEEK)


def test_start_belongs_and_end_does_not():
    window = Window(MONDAY, MONDAY + WEEK)
    assert window.contains(MONDAY)
    assert not window.contains(MONDAY + WEEK)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2026-01-05", "2026-01-06T00:00Z", "write an offset"),
        ("2026-01-05T00:00:00", "2026-01-06T00:00Z", "write an offset"),
        ("yesterday", "2026-01-06T00:00Z", "is not a moment"),
        ("2026-01-06T00:00Z", "2026-01-06T00:00Z", "empty"),
        ("2026-01-06T00:00Z", "2026-01-05T00:00Z", "reversed"),
        ("2026-01-05T02:00+02:00", "2026-01-05T00:00Z", "empty"),
    ],
)
def test_refused(start, end, message):
    with pytest.raises(WindowError, match=message):
        Window.parse(start, end)


def test_weeks_start_on_monday_and_days_at_midnight():
    thursday = datetime(2026, 1, 15, 13, 7, tzinfo=UTC)
    assert Window.last(thursday, WEEK) == Window(MONDAY, MONDAY + WEEK)
    assert Window.last(thursday, timedelta(days=1)).end == datetime(2026, 1, 15, tzinfo=UTC)
    assert Window.last(MONDAY, WEEK).end == MONDAY


@given(moments, lengths)
def test_last_is_the_newest_complete_window(moment, length):
    window = Window.last(moment, length)
    assert window.length == length
    assert window.end <= moment < window.end + length


@given(moments, lengths, st.integers(0, 20))
def test_split_is_gapless_aligned_and_inside(start, length, count):
    end = start + count * length
    windows = split_windows(start, end, length)
    assert len(windows) in (count, count - 1) if count else windows == ()
    for one, two in pairwise(windows):
        assert one.end == two.start
    for window in windows:
        assert start <= window.start
        assert window.end <= end
        assert Window.last(window.end, length) == window


@given(moments)
def test_moment_survives_text(moment):
    assert parse_moment(moment.isoformat()) == moment


def test_length_of_nothing_is_refused():
    with pytest.raises(WindowError, match="longer than nothing"):
        Window.last(MONDAY, timedelta(0))


def test_a_moment_of_a_subclass_is_kept_as_a_plain_one():
    class Moment(datetime):
        """As pendulum's, which Prefect hands out before Python 3.13."""

    moment = Moment(2026, 3, 29, 3, 0, tzinfo=timezone(timedelta(hours=2)))
    assert type(moment + timedelta(hours=1)) is Moment
    window = Window.last(moment, timedelta(hours=1))
    assert type(window.start) is datetime
    assert window.end == datetime(2026, 3, 29, 1, tzinfo=UTC)
