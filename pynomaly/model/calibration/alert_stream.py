"""One rate of false alerts for all windows of a period, decided window by window, each once and for good.

A period of N scoring windows is promised that of its alerts a share `level` is false at most, on average.
Each window gets the part ``level / N`` and decides by Benjamini-Hochberg as if the discoveries D of earlier
windows were its own: the limit is the largest p-value x at which the discoveries expected by chance are at
most ``level / N`` times D and those of this window. With V false ones among the R of a window, V / (D + R) is
at most ``level / N`` on average, as in the proof of Benjamini-Hochberg; later discoveries only add to the
denominator, and N parts add up to the level.

Rows depend on the rows before: D counts only windows that ended at least a block of dependent rows before
this one began, so that what a window may do does not depend on rows that its own depend on. Discoveries that
people answered as false alarms no longer count: who errs must show more. Both make D smaller, which keeps the
promise.

A period without anomalies has no alerts with a probability of ``1 - level``, however many windows it has.
The price: early in a period, and where anomalies are rare, one needs p-values as small as that promise,
about ``level / N`` for each row of a window, and counting among n held-out rows ends at 1 / (n + 1).

Called by the steps that score windows, and by replays. Pure.

References
----------
Zrnic, Jiang, Ramdas, Jordan (2020), The power of batching in multiple hypothesis testing, AISTATS.
Zrnic, Ramdas, Jordan (2021), Asynchronous online testing of multiple hypotheses, JMLR 22: conflict sets, for
tests that depend on those before.
Javanmard, Montanari (2018), Online rules for control of false discovery rate, Annals of Statistics 46(2):
LOND, of which this is the form with a horizon and batches.
Xu, Ramdas (2024), Online multiple testing with e-values, AISTATS: e-LOND, the same levels for e-values. An
indicator ``1(p <= x) / x`` is the e-value of a row here, and its largest value is n + 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
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
    """What a window may spend: its part of the level, and the discoveries before it that count."""

    level: float
    earlier: float


@dataclass(frozen=True)
class StreamWindow:
    """A window that was decided, and its discoveries."""

    start: datetime
    end: datetime
    discoveries: int


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
        self, start: datetime, dependence: Dependence, refuted: Iterable[datetime] = ()
    ) -> StreamShare:
        """Return what the window that starts at `start` may spend.

        Parameters
        ----------
        start : datetime
            Aware.
        dependence : Dependence
            Where its block is infinite, no discoveries count.
        refuted : iterable of datetime
            Beginning of each alert that was answered as a false alarm.
        """
        part = self.level / math.ceil(self.period / self.window)
        if dependence.is_short:
            return StreamShare(part, 0.0)
        latest = start - timedelta(seconds=dependence.block)
        own = find_period(start, self.period)
        before = [item for item in self.windows if own <= item.start and item.end <= latest]
        errors = sum(any(item.start <= moment < item.end for item in before) for moment in refuted)
        return StreamShare(part, float(max(0, sum(item.discoveries for item in before) - errors)))

    def add_window(self, start: datetime, end: datetime, discoveries: int) -> None:
        """Add a window that was decided; one that was decided before is replaced."""
        self.windows = [item for item in self.windows if item.start != start]
        self.windows.append(StreamWindow(start, end, discoveries))


def find_period(moment: datetime, period: timedelta) -> datetime:
    """Return the start of the period that holds an aware moment; periods are counted from a Monday."""
    return _EPOCH + (moment - _EPOCH) // period * period
