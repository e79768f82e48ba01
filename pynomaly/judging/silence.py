"""Detect a scheduled pipeline that no longer runs: silence must not look like health.

Pure: counts the runs that a cron schedule required since the last successful run, in the pipeline's time
zone. On a day of 23 or 25 hours the number of runs follows the local clock (the rule of Debian's cron).
Called by reconcile.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim

__all__ = ["GRACE", "SilenceVerdict", "count_missed_runs", "judge_silence"]

GRACE = timedelta(minutes=5)
"""A run counts as missed only this long after its scheduled time."""


@dataclass(frozen=True)
class SilenceVerdict:
    """Whether scheduled work no longer runs.

    Attributes
    ----------
    silent : bool
    missed : int
        Number of runs due since then, counted up to the limit.
    reasons : tuple of str
    """

    work: str
    silent: bool
    missed: int
    since: datetime
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return asdict(self) | {"since": self.since.isoformat(), "reasons": list(self.reasons)}


def count_missed_runs(cron: str, zone: str, since: datetime, now: datetime, most: int) -> int:
    """Count the runs of `cron` due in ``(since, now]``, up to `most`.

    Parameters
    ----------
    since, now : datetime
        Aware.
    """
    count = 0
    for due in CronSim(cron, since.astimezone(ZoneInfo(zone))):
        if due.astimezone(UTC) > now or count == most:
            break
        count += 1
    return count


def judge_silence(
    work: str, cron: str, zone: str, since: datetime, now: datetime, limit: int
) -> SilenceVerdict:
    """Judge `work`, whose last successful run ended at `since` and which should run by `cron`.

    Parameters
    ----------
    limit : int
        Number of missed runs from which the work counts as silent.
    """
    count = count_missed_runs(cron, zone, since, now - GRACE, limit)
    last = since.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes")
    if count >= limit:
        summary = f"{work} last ended well at {last}; at least {count} runs of {cron!r} ({zone}) were missed"
    else:
        summary = f"{work} last ended well at {last}; {count} runs missed since, fewer than {limit}"
    return SilenceVerdict(work, count >= limit, count, since, (summary,))
