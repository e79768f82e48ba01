"""When a notice is sent: quiet hours, digests, and hours of rules. Pure; every moment is passed in."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pynomaly.config import SEVERITIES, Digest, Quiet, Target
from pynomaly.config.spelling.clock import DAYS, read_hours

__all__ = ["covers_moment", "find_digest_time", "find_release", "plan_due"]


def covers_moment(hours: str, days: Collection[str], local: datetime) -> bool:
    """Return whether hours and days hold a moment; hours over midnight belong to the day they begin on.

    >>> covers_moment("22:00-07:00", ["fri"], datetime(2026, 1, 10, 6, 59))  # a Saturday morning
    True
    """
    day = local.weekday()
    if hours:
        begin, end = read_hours(hours)
        minute = local.hour * 60 + local.minute
        if begin < end:
            if not begin <= minute < end:
                return False
        elif minute < end:
            day = (day - 1) % 7
        elif minute < begin:
            return False
    return not days or DAYS[day] in days


def find_release(quiet: Quiet, zone: ZoneInfo, moment: datetime) -> datetime:
    """Return when what comes at `moment` may be sent: then, or when the quiet hours end. In UTC."""
    moment = moment.astimezone(UTC)
    # Each turn passes one edge of the hours or a midnight; quiet days of a week and hours end within 16.
    for _ in range(32):
        local = moment.astimezone(zone)
        if not quiet.is_set or not covers_moment(quiet.hours, quiet.days, local):
            break
        edges = [0] if not quiet.hours else [read_hours(quiet.hours)[1]]
        moment = min(_next_clock(local, minutes) for minutes in edges)
    return moment


def find_digest_time(digest: Digest, zone: ZoneInfo, moment: datetime) -> datetime:
    """Return the first time of a digest after `moment`, in UTC."""
    local = moment.astimezone(zone)
    if digest.every:
        step = int(digest.every / timedelta(minutes=1))
        clocks = list(range(0, 24 * 60, step))
    else:
        clocks = [int(clock[:2]) * 60 + int(clock[3:]) for clock in digest.at]
    return min(_next_clock(local, minutes) for minutes in clocks)


def plan_due(
    target: Target, severity: str, zone: ZoneInfo, moment: datetime, *, collects: bool = True
) -> tuple[datetime | None, bool]:
    """Return when a notice of `moment` is sent, None for at once; and whether it is a part of a digest.

    Parameters
    ----------
    target : Target
    severity : str
    zone : ZoneInfo
        Of the hours in the settings.
    moment : datetime
    collects : bool
        Whether the notice may wait for a digest; an escalation may not.
    """
    rank = SEVERITIES.index(severity)
    collected = collects and target.digest.is_set and rank > SEVERITIES.index(target.digest.unless)
    due = find_digest_time(target.digest, zone, moment) if collected else moment
    if rank > SEVERITIES.index(target.quiet.unless):
        due = find_release(target.quiet, zone, due)
    return (due if due > moment else None), collected


def _next_clock(local: datetime, minutes: int) -> datetime:
    """Return the first moment after `local` at which clocks show so many minutes after midnight, in UTC."""
    clock = local.replace(hour=minutes // 60, minute=minutes % 60, second=0, microsecond=0)
    for days in range(3):
        later = (clock + timedelta(days=days)).astimezone(UTC)
        if later > local.astimezone(UTC):
            return later
    raise AssertionError("a day has every time of day")  # pragma: no cover
