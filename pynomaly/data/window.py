"""Windows ``[start, end)``: the unit of every read, score, verdict and report.

Times are aware and kept in UTC; a naive time is an error. Windows of one length are aligned to Monday
1970-01-05T00:00Z, so that days start at midnight and weeks on Monday in every process. Used by every package
that reads data by time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from pynomaly.errors import WindowError

__all__ = ["ORIGIN", "Window", "parse_moment", "split_windows"]

ORIGIN = datetime(1970, 1, 5, tzinfo=UTC)
"""A Monday. Aligned windows start a whole number of window lengths after (or before) it."""


@dataclass(frozen=True, order=True)
class Window:
    """A span of time: `start` belongs to it, `end` does not.

    Parameters
    ----------
    start, end : datetime
        Aware, in any zone; kept in UTC.

    Raises
    ------
    WindowError
        If a moment is naive, or the window is empty or reversed.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for side in ("start", "end"):
            object.__setattr__(self, side, _to_utc(getattr(self, side), side))
        if self.end <= self.start:
            kind = "empty" if self.end == self.start else "reversed"
            raise WindowError(f"window {self} is {kind}; its end must be later than its start")

    @property
    def key(self) -> str:
        """Name that is safe as a file name, like ``20260105T000000Z--20260112T000000Z``; sorts by time."""
        return f"{_format_moment(self.start)}--{_format_moment(self.end)}"

    @property
    def length(self) -> timedelta:
        """Length of the window."""
        return self.end - self.start

    def contains(self, moment: datetime) -> bool:
        """Whether `moment` (aware) lies in the window."""
        return self.start <= _to_utc(moment, "moment") < self.end

    def __str__(self) -> str:
        return f"[{self.start.isoformat()}, {self.end.isoformat()})"

    @classmethod
    def parse(cls, start: str, end: str) -> Window:
        """Read two ISO 8601 moments, each with an offset or ``Z``.

        Raises
        ------
        WindowError
            If a text is not a moment or has no offset, or the window is empty or reversed.
        """
        return cls(parse_moment(start), parse_moment(end))

    @classmethod
    @lru_cache(maxsize=1 << 16)
    def of_key(cls, key: str) -> Window | None:
        """Return the window that :attr:`key` names; None if the text names none."""
        start, separator, end = key.partition("--")
        try:
            return cls.parse(start, end) if separator else None
        except WindowError:
            return None

    @classmethod
    def holding(cls, moment: datetime, length: timedelta) -> Window:
        """Return the aligned window of `length` in which `moment` lies; errors are those of :meth:`last`."""
        start = _floor_moment(_to_utc(moment, "moment"), length)
        return cls(start, start + length)

    @classmethod
    def last(cls, moment: datetime, length: timedelta) -> Window:
        """Return the newest complete aligned window of `length` that ends at or before `moment`.

        Raises
        ------
        WindowError
            If `moment` is naive or `length` is not positive.
        """
        end = _floor_moment(_to_utc(moment, "moment"), length)
        return cls(end - length, end)


def parse_moment(text: str) -> datetime:
    """Read an ISO 8601 moment with an offset or ``Z``, as UTC.

    Raises
    ------
    WindowError
        If `text` is not a moment, or has no offset.
    """
    try:
        moment = datetime.fromisoformat(str(text).strip())
    except ValueError:
        raise WindowError(f"{text!r} is not a moment; write one like 2026-01-05T00:00:00+00:00") from None
    return _to_utc(moment, "moment")


def split_windows(start: datetime, end: datetime, length: timedelta) -> tuple[Window, ...]:
    """Return the complete aligned windows of `length` inside ``[start, end)``, oldest first.

    Returns
    -------
    tuple of Window
        Empty when no complete window fits.

    Raises
    ------
    WindowError
        If a moment is naive or `length` is not positive.
    """
    start, end = _to_utc(start, "start"), _to_utc(end, "end")
    first = _floor_moment(start, length)
    first = first if first == start else first + length
    count = max(0, (end - first) // length)
    return tuple(Window(first + i * length, first + (i + 1) * length) for i in range(count))


def _to_utc(moment: datetime, side: str) -> datetime:
    if not isinstance(moment, datetime):
        raise WindowError(f"{side} {moment!r} is not a datetime")
    if moment.utcoffset() is None:
        raise WindowError(
            f"{side} {moment.isoformat()!r} is naive; write an offset, e.g. 2026-01-05T00:00:00+00:00"
        )
    moment = moment.astimezone(UTC)
    # A plain datetime: before Python 3.13 Prefect hands out pendulum's, whose differences cannot be divided.
    return datetime.combine(moment.date(), moment.time(), UTC)


def _floor_moment(moment: datetime, length: timedelta) -> datetime:
    if length <= timedelta(0):
        raise WindowError(f"window length {length} is not allowed; it must be longer than nothing")
    return moment - (moment - ORIGIN) % length


def _format_moment(moment: datetime) -> str:
    # Microseconds are written only if there are any; so two windows never share a name.
    return moment.strftime("%Y%m%dT%H%M%S.%fZ" if moment.microsecond else "%Y%m%dT%H%M%SZ")
