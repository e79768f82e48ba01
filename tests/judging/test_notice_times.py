"""Quiet hours, digests and hours of rules, against a clock that is read minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly.config import SEVERITIES, Digest, Quiet, Target
from pynomaly.config.spelling.clock import DAYS
from pynomaly.judging.notice_rules import is_at_least
from pynomaly.judging.notice_times import covers_moment, find_digest_time, find_release, plan_due
from tests import naive

MINUTE = timedelta(minutes=1)
BERLIN = ZoneInfo("Europe/Berlin")

clocks = st.integers(0, 24 * 12 - 1).map(lambda part: f"{part // 12:02}:{part % 12 * 5:02}")
hours = st.one_of(
    st.just(""),
    st.lists(clocks, min_size=2, max_size=2, unique=True).map("-".join),
)
days = st.lists(st.sampled_from(DAYS), max_size=6, unique=True)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata"]).map(ZoneInfo)
moments = st.integers(0, 30 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 5, tzinfo=UTC) + minutes * MINUTE
)


@given(hours, days, moments)
def test_hours_over_midnight_belong_to_the_day_they_begin_on(
    text: str, on: list[str], moment: datetime
) -> None:
    assert covers_moment(text, on, moment) == naive.covers_minute(text, on, moment)


@settings(max_examples=40, deadline=None)
@given(hours, days, moments, zones)
def test_a_notice_is_held_until_the_first_minute_that_is_not_quiet(
    text: str, on: list[str], moment: datetime, zone: ZoneInfo
) -> None:
    quiet = Quiet(hours=text, days=tuple(on))
    first = moment
    while quiet.is_set and naive.covers_minute(text, on, first.astimezone(zone)):
        first += MINUTE
    assert find_release(quiet, zone, moment) == first


@settings(max_examples=60, deadline=None)
@given(st.lists(clocks, min_size=1, max_size=4, unique=True), moments, zones)
def test_a_digest_comes_at_the_next_of_its_times(at: list[str], moment: datetime, zone: ZoneInfo) -> None:
    first = moment + MINUTE
    while f"{first.astimezone(zone):%H:%M}" not in at:
        first += MINUTE
    assert find_digest_time(Digest(at=tuple(at)), zone, moment) == first


@given(st.sampled_from(["5m", "1h", "4h", "12h", "24h"]), moments, zones)
def test_a_digest_by_a_span_is_counted_from_midnight(every: str, moment: datetime, zone: ZoneInfo) -> None:
    digest = Digest(every=every)
    due = find_digest_time(digest, zone, moment)
    assert timedelta(0) < due - moment <= digest.every
    local = due.astimezone(zone)
    assert timedelta(hours=local.hour, minutes=local.minute) % digest.every == timedelta(0)


@given(
    hours,
    days,
    st.sampled_from(SEVERITIES),
    st.sampled_from(SEVERITIES),
    st.sampled_from(SEVERITIES),
    moments,
    zones,
)
def test_what_is_grave_enough_is_never_held_and_a_critical_one_never_at_all(
    text: str,
    on: list[str],
    quiet_unless: str,
    digest_unless: str,
    severity: str,
    moment: datetime,
    zone: ZoneInfo,
) -> None:
    target = Target(
        name="ops",
        url_env="OPS",
        quiet=Quiet(hours=text, days=tuple(on), unless=quiet_unless),
        digest=Digest(at=("08:00",), unless=digest_unless),
    )
    due, collected = plan_due(target, severity, zone, moment)
    assert collected == (not is_at_least(severity, digest_unless))
    if not collected and is_at_least(severity, quiet_unless):
        assert due is None
    if severity == "critical":
        assert (due, collected) == (None, False)
    if due is not None and not is_at_least(severity, quiet_unless):
        assert not naive.covers_minute(text, on, due.astimezone(zone)) or not target.quiet.is_set
    # An escalation waits for no digest.
    assert plan_due(target, severity, zone, moment, collects=False)[1] is False


@pytest.mark.parametrize(
    ("moment", "release"),
    [
        ("2026-03-28T23:30+01:00", "2026-03-29T07:00+02:00"),  # a night of seven hours
        ("2026-10-24T23:30+02:00", "2026-10-25T07:00+01:00"),  # a night of nine
        ("2026-03-29T01:59+01:00", "2026-03-29T07:00+02:00"),
        ("2026-03-29T07:00+02:00", "2026-03-29T07:00+02:00"),
    ],
)
def test_quiet_hours_end_when_clocks_on_the_wall_say_so(moment: str, release: str) -> None:
    at = datetime.fromisoformat(moment)
    assert find_release(Quiet(hours="22:00-07:00"), BERLIN, at) == datetime.fromisoformat(release)


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        ("2026-03-29T01:00+01:00", "2026-03-29T03:30+02:00"),  # 02:30 is left out that night
        ("2026-10-25T02:15+02:00", "2026-10-25T02:30+02:00"),  # and comes twice in this
        ("2026-10-25T02:45+02:00", "2026-10-26T02:30+01:00"),
    ],
)
def test_a_digest_in_the_hour_that_is_left_out_or_comes_twice_comes_once(moment: str, due: str) -> None:
    at = datetime.fromisoformat(moment)
    assert find_digest_time(Digest(at=("02:30",)), BERLIN, at) == datetime.fromisoformat(due)
