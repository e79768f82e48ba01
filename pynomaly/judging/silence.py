"""The dead man's switch: has a pipeline that should work on a schedule fallen silent?

Pure: counts the runs a cron asked for since the work last ended well, in the pipeline's own time zone. A
day of 23 or 25 hours has as many runs as its clock shows (cron's own rule, as Debian's cron keeps it).
Called by reconcile.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim

__all__ = ["GRACE", "Silence", "missed", "silence"]

GRACE = timedelta(minutes=5)
"""A run counts as missed no earlier than this after its time."""


@dataclass(frozen=True)
class Silence:
    """Whether work has fallen silent.

    Attributes
    ----------
    silent : bool
    missed : int
        Runs that were due since, counted no further than the limit.
    reasons : tuple of str
    """

    work: str
    silent: bool
    missed: int
    since: datetime
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"since": self.since.isoformat(), "reasons": list(self.reasons)}


def missed(cron: str, zone: str, since: datetime, now: datetime, most: int) -> int:
    """Runs of `cron` due in ``(since, now]``, at most `most`.

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


def silence(work: str, cron: str, zone: str, since: datetime, now: datetime, limit: int) -> Silence:
    """Judge `work`, which last ended well at `since` and should run by `cron`.

    Parameters
    ----------
    limit : int
        Missed runs from which it counts as silent.
    """
    count = missed(cron, zone, since, now - GRACE, limit)
    last = since.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes")
    if count >= limit:
        said = f"{work} last ended well at {last}; at least {count} runs of {cron!r} ({zone}) were missed"
    else:
        said = f"{work} last ended well at {last}; {count} runs missed since, fewer than {limit}"
    return Silence(work, count >= limit, count, since, (said,))
