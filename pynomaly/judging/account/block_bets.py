"""Bets on units of rows: do more rows alert than promised, and more than under the version before?

*Alert rate*: the ratio is the share of a unit's rows that alert over the promised one, and at most `most`.
One long incident is one bet, and cannot ruin a promise that holds on all other days. The cut only lowers the
mean: the bet stays fair.

*Bake*: of the units in which one of two versions alerts more than `most` times as often as the other, and as
it promised, a version as good as the other has as many as it. The ratio is 2 where the new version is the one
that alerts more, 0 where the old one is.

Pure; called by the steps that judge windows and bakes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pynomaly.judging.account.stake import Stake
from pynomaly.judging.account.units import RowUnits
from pynomaly.model.dependence.dependence import Dependence

__all__ = ["UnitBets", "count_unit_rows"]

EVENTS = 1.0
"""Events that a unit holds on average while the promise is kept."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class UnitBets:
    """A stake, and the unit that is not full yet."""

    stake: Stake = field(default_factory=Stake)
    units: RowUnits = field(default_factory=RowUnits)

    def bet_on_rate(
        self,
        seconds: Floats,
        alerted: Flags,
        dependence: Dependence,
        rate: float,
        most: float,
        rows_per_event: float = 1.0,
    ) -> UnitBets:
        """Return the bets against an alert rate of at most `rate`, after the rows of a window.

        Parameters
        ----------
        seconds : array of shape (n,)
            Time of each row, in any order.
        alerted : bool array of shape (n,)
            Each row judged alone.
        dependence : Dependence
        rate : float
            Largest share of rows that the promise allows, above 0.
        most : float
            Largest ratio that counts, above 1.
        rows_per_event : float
            Rows that alert together on average.
        """
        least = count_unit_rows(rate, rows_per_event)
        units, full = self.units.add_rows(seconds, alerted[:, np.newaxis], dependence, least)
        return UnitBets(self.stake.bet(min(counts[0] / rows / rate, most) for rows, counts in full), units)

    def bet_on_pairs(
        self,
        seconds: Floats,
        alerted: tuple[Flags, Flags],
        dependence: Dependence,
        rates: tuple[float, float],
        most: float,
        rows_per_event: float = 1.0,
    ) -> UnitBets:
        """Return the bets against a new version that is as good as the old one.

        Parameters
        ----------
        alerted : pair of bool arrays of shape (n,)
            Alerts of the new and of the old version on the same rows, each row judged alone.
        rates : pair of float
            Share of rows that each promised to alert.
        most : float
            How many times as many alerts are clearly more, above 1.
        """
        rate = max(rates)
        least = count_unit_rows(rate, rows_per_event) if 0 < rate < 1 else 1
        units, full = self.units.add_rows(seconds, np.column_stack(alerted), dependence, least)
        ratios = []
        for rows, (new, old) in full:
            usual = most * rate * rows
            if new > max(most * old, usual):
                ratios.append(2.0)
            elif old > max(most * new, usual):
                ratios.append(0.0)
        return UnitBets(self.stake.bet(ratios), units)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return {"stake": self.stake.to_dict(), "units": self.units.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any] | None) -> UnitBets:
        """Read what `to_dict` wrote; no bets without it."""
        if not content:
            return cls()
        return cls(Stake.from_dict(content["stake"]), RowUnits.from_dict(content["units"]))


def count_unit_rows(rate: float, rows_per_event: float) -> int:
    """Return the fewest rows of a unit: they hold :data:`EVENTS` on average."""
    return max(1, math.ceil(EVENTS * rows_per_event / rate))
