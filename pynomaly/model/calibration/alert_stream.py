"""One rate of false alerts for all windows of a period, decided window by window, each once and for good.

A period begins with the allowance of one discovery: `level` false ones. Each window spends of it what its
limit lets through by chance: n rows at a limit x on p-values have n x discoveries by chance, fewer where rows
alert together and events are counted. Each discovery of the period after the first adds `level` to what may
be spent, so that false ones are at most the share `level` of all, on average: of a period with V false ones
among R, E[V] is at most ``level E[max(R, 1)]``. Without anomalies a period has an alert with a probability of
about `level`, however many windows it has.

A window spends an even part of what is left, at least what the smallest p-value costs, as a smaller limit
finds nothing; if that is more than what is left, it spends nothing and has no alerts.

Rows depend on the rows before: discoveries pay only for windows that begin a block of dependent rows after
theirs ended, so that what a window may spend does not depend on rows that its own depend on. Discoveries that
people answered as false alarms do not pay: who errs must show more. Both keep the promise.

The price: counting among N held-out rows ends at 1 / (N + 1), so that looking costs n / (N + 1) a window,
also where nothing is found. Called by the steps that score windows, and by replays. Pure.

References
----------
Ramdas, Yang, Wainwright, Jordan (2017), Online control of the false discovery rate with decaying memory,
NeurIPS: LORD++, of which this is the form for windows; piggybacking and alpha-death.
Zrnic, Ramdas, Jordan (2021), Asynchronous online testing of multiple hypotheses, JMLR 22: conflict sets, for
tests that depend on those before; E[V] / E[max(R, 1)] is kept without independence of all tests.
Xu, Ramdas (2024), Online multiple testing with e-values, AISTATS: e-LOND, for any dependence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pynomaly.model.dependence.dependence import Dependence

__all__ = ["AlertStream", "StreamShare", "StreamWindow", "find_period"]

_EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday


class HasLevel(Protocol):
    """An alert policy, as far as its rate of false alerts is concerned."""

    @property
    def level(self) -> float | None:
        """Share of false alerts among the alerts, if that is what the policy keeps."""

    @property
    def period(self) -> timedelta | None:
        """How long a time shares it; None for a window."""


@dataclass(frozen=True)
class StreamShare:
    """What a window may spend: the discoveries that it may have by chance, on average; 0: no alerts."""

    allowed: float


@dataclass(frozen=True)
class StreamWindow:
    """A window that was decided: what it spent, its discoveries, and the events that went on after it.

    `open_events` is what :func:`pynomaly.model.window_alerts.count_discoveries` returns.
    """

    start: datetime
    end: datetime
    spent: float
    discoveries: int
    open_events: Mapping[str, int] = field(default_factory=dict)


@dataclass
class AlertStream:
    """The windows of a stream that were decided.

    Attributes
    ----------
    level : float
        Share of false alerts among those of a period.
    period : timedelta
    window : timedelta
        Length of a scoring window, at most the period.
    windows : list of StreamWindow
    """

    level: float
    period: timedelta
    window: timedelta
    windows: list[StreamWindow] = field(default_factory=list)

    @classmethod
    def of(cls, policy: HasLevel, window: timedelta) -> AlertStream | None:
        """Return a stream without windows; None for a policy whose windows are judged alone."""
        if policy.level is None or policy.period is None:
            return None
        return cls(policy.level, policy.period, window)

    def share_level(
        self, start: datetime, finest: float, dependence: Dependence, refuted: Iterable[datetime] = ()
    ) -> StreamShare:
        """Return what the window that starts at `start` may spend.

        Parameters
        ----------
        start : datetime
            Aware.
        finest : float
            What it spends at the smallest p-value that counting gives.
        dependence : Dependence
            Where its block is infinite, no discovery pays.
        refuted : iterable of datetime
            Beginning of each alert that was answered as a false alarm.
        """
        first = find_period(start, self.period)
        own = [item for item in self.windows if first <= item.start < first + self.period]
        latest = start - timedelta(seconds=0.0 if dependence.is_short else dependence.block)
        paying = [item for item in own if item.end <= latest and not dependence.is_short]
        errors = sum(any(item.start <= moment < item.end for item in paying) for moment in refuted)
        discoveries = sum(item.discoveries for item in paying) - errors
        left = self.level * max(1, discoveries) - sum(item.spent for item in own)
        allowed = max(finest, left / math.ceil(self.period / self.window))
        return StreamShare(allowed if allowed <= left else 0.0)

    def find_open_events(self, start: datetime) -> Mapping[str, int]:
        """Return the events that may go on in a window that starts at `start`."""
        before = [item for item in self.windows if item.end <= start]
        return max(before, key=lambda item: item.end).open_events if before else {}

    def add_window(self, window: StreamWindow) -> None:
        """Add a window that was decided; one that was decided before is replaced."""
        self.windows = [item for item in self.windows if item.start != window.start]
        self.windows.append(window)


def find_period(moment: datetime, period: timedelta) -> datetime:
    """Return the start of the period that holds an aware moment; periods are counted from a Monday."""
    return _EPOCH + (moment - _EPOCH) // period * period
