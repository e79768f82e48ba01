"""Prefect's own schedules on days of 23 and 25 hours: every window once, whatever the clocks do.

Prefect has skipped and doubled cron runs around daylight saving (https://github.com/PrefectHQ/prefect/issues/10472),
so what the pipeline's zone promises is checked on the schedule that is deployed.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from prefect.schedules import Cron
from prefect.server.schemas.schedules import CronSchedule

from pynomaly.data.window import Window
from pynomaly.steps.operations.backfill import list_windows_ended_in

DAYS = [
    ("Europe/Berlin", (2026, 3, 29), 23),
    ("Europe/Berlin", (2026, 10, 25), 25),
    ("America/New_York", (2026, 3, 8), 23),
    ("America/New_York", (2026, 11, 1), 25),
]


def runs(cron: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Moments at which the deployed schedule would start a run in ``(start, end]``."""
    deployed = Cron(cron, timezone=zone)
    schedule = CronSchedule(cron=deployed.cron, timezone=deployed.timezone)
    moments = asyncio.run(schedule.get_dates(n=200, start=start, end=end))
    return [datetime.fromtimestamp(moment.timestamp(), UTC) for moment in moments if start < moment <= end]


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
def test_an_hourly_schedule_leaves_no_window_out(zone, day, hours) -> None:
    """Prefect starts no run in the hour that is repeated in autumn; the next run finds both windows due."""
    start = datetime(*day, tzinfo=ZoneInfo(zone))
    first, last = start.astimezone(UTC), (start + timedelta(days=1)).astimezone(UTC)
    moments = runs("5 * * * *", zone, first, last)
    assert len(moments) == len(set(moments)) == min(hours, 24)
    assert max(b - a for a, b in pairwise(moments)) <= timedelta(hours=2)
    hour = timedelta(hours=1)
    due = [window for a, b in pairwise([first, *moments]) for window in list_windows_ended_in(a, b, hour)]
    assert (
        len(due) == len(set(due)) == hours - 1
    )  # the last hour's window ends with the day, and is due after it
    assert all(b.start == a.end for a, b in pairwise(due))
    assert Window.last(moments[-1], hour) == due[-1]


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
def test_a_daily_schedule_runs_each_day(zone, day, hours) -> None:
    start = datetime(*day, tzinfo=ZoneInfo(zone)) - timedelta(days=2)
    first, last = start.astimezone(UTC), (start + timedelta(days=5)).astimezone(UTC)
    moments = runs("20 4 * * *", zone, first, last)
    assert len({moment.astimezone(ZoneInfo(zone)).date() for moment in moments}) == len(moments) == 5
    assert {moment.astimezone(ZoneInfo(zone)).hour for moment in moments} == {4}
