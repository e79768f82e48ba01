"""Bet against the promised alert rate: do clearly more rows alert than the model promised for normal ones?

Rows are counted in *units*: as many rows as hold one event on average, of one or more blocks of dependent
rows. Every second block is left out, so that units hardly depend on each other. The ratio that is bet on is
the share of a unit's rows that alert over the promised one, and at most `most`: one long incident is one
bet, and cannot ruin a promise that holds on all other days. The cut only lowers its mean: the bet stays fair.

Pure; called by :mod:`pynomaly.steps.monitoring.champion_account`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly.judging.account.stake import Stake
from pynomaly.model.dependence.dependence import Dependence

__all__ = ["AlertRateBets"]

EVENTS = 1.0
"""Events that a unit holds on average while the promise is kept."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class AlertRateBets:
    """Bets so far, and the unit that is not full yet.

    Attributes
    ----------
    stake : Stake
    until : float or None
        Seconds since 1970 of the newest row that was counted; rows up to it are not counted again.
    rows, alerts : int
        Of the unit that is not full.
    slot : int or None
        Number of the block that its newest rows are of.
    """

    stake: Stake = field(default_factory=Stake)
    until: float | None = None
    rows: int = 0
    alerts: int = 0
    slot: int | None = None

    def count_rows(
        self,
        seconds: Floats,
        alerted: Flags,
        dependence: Dependence,
        rate: float,
        most: float,
        rows_per_event: float = 1.0,
    ) -> AlertRateBets:
        """Return the bets after the rows of a window.

        Parameters
        ----------
        seconds : array of shape (n,)
            Time of each row, in any order.
        alerted : bool array of shape (n,)
            Each row judged alone.
        dependence : Dependence
            Rows of a history too short to show their dependence are not bet on.
        rate : float
            Largest share of rows that the promise allows, above 0.
        most : float
            Largest ratio that counts, above 1.
        rows_per_event : float
            Rows that alert together on average.
        """
        fresh = np.ones(len(seconds), dtype=bool) if self.until is None else seconds > self.until
        if dependence.is_short or not fresh.any():
            return self
        order = np.argsort(seconds[fresh], kind="stable")
        times, flags = seconds[fresh][order], alerted[fresh][order]
        least = max(1, math.ceil(EVENTS * rows_per_event / rate))
        if dependence.is_dependent:
            counted, units = self._fill_blocks(times, flags, dependence.block, least)
        else:
            counted, units = self._fill_rows(flags, least)
        ratios = [min(alerts / rows / rate, most) for rows, alerts in units]
        return replace(counted, stake=self.stake.bet(ratios), until=float(times[-1]))

    def _fill_rows(self, flags: Flags, least: int) -> tuple[AlertRateBets, list[tuple[int, int]]]:
        """Return the unit left open, and the full ones, of `least` rows each, from rows in order of time."""
        sums = np.concatenate([[0], np.cumsum(flags)])
        ends = np.arange(least - self.rows, len(flags) + 1, least)
        if not len(ends):
            return replace(self, rows=self.rows + len(flags), alerts=self.alerts + int(sums[-1])), []
        alerts = np.diff(sums[ends], prepend=-self.alerts)
        left = replace(self, rows=len(flags) - int(ends[-1]), alerts=int(sums[-1] - sums[ends[-1]]))
        return left, [(least, int(count)) for count in alerts]

    def _fill_blocks(
        self, times: Floats, flags: Flags, block: float, least: int
    ) -> tuple[AlertRateBets, list[tuple[int, int]]]:
        """Return the same from whole blocks, every second one, until a unit has `least` rows."""
        slots = np.floor(times / block).astype(np.int64)
        kept = slots % 2 == 0
        numbers, first = np.unique(slots[kept], return_index=True)
        sums = np.concatenate([[0], np.cumsum(flags[kept])])
        edges = [*first.tolist(), int(kept.sum())]
        rows, alerts, slot, units = self.rows, self.alerts, self.slot, []
        for place, number in enumerate(numbers.tolist()):
            if number != slot and rows >= least:
                units.append((rows, alerts))
                rows = alerts = 0
            rows += edges[place + 1] - edges[place]
            alerts += int(sums[edges[place + 1]] - sums[edges[place]])
            slot = number
        if slot is not None and int(slots[-1]) > slot and rows >= least:
            units.append((rows, alerts))
            rows = alerts = 0
        return replace(self, rows=rows, alerts=alerts, slot=slot), units

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return asdict(self) | {"stake": self.stake.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any] | None) -> AlertRateBets:
        """Read what `to_dict` wrote; no bets without it."""
        if not content:
            return cls()
        names = ("until", "rows", "alerts", "slot")
        return cls(Stake.from_dict(content["stake"]), **{name: content[name] for name in names})
