"""Bet against a promise: a stake that grows only while the promise is broken, and may be looked at any time.

Each observation is a *ratio*: 0 or more, and at most 1 on average, given all before, while the promise holds.
A stake of 1 is bet on it: a part f of what is at stake is multiplied by ``1 + f (ratio - 1)``, so that it
does not grow on average, and reaches 1 / alpha at any time with a probability of at most alpha (Ville's
inequality). Looking after each observation costs nothing.

The parts f are mixed, because nobody knows how far a promise will be broken; so are the starts, because
nobody knows when: before the t-th observation the share ``1 / (t (t + 1))`` of the first stake joins, so that
what was lost in a long good time does not hide a bad one. A mixture of fair bets is fair.

References
----------
Ville (1939), Étude critique de la notion de collectif.
Waudby-Smith, Ramdas (2024), Estimating means of bounded random variables by betting, J. Royal Statistical
Society B 86(1): the bets, and their mixture over a grid.
Shin, Ramdas, Rinaldo (2024), E-detectors: a nonparametric framework for sequential change detection, New
England Journal of Statistics in Data Science 2(2): mixtures over starts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PARTS", "Stake"]

PARTS = (0.05, 0.15, 0.4, 0.8)
"""Parts of the stake that are bet, mixed evenly."""


@dataclass(frozen=True)
class Stake:
    """What bets against one promise came to.

    Attributes
    ----------
    bets : int
        Observations that were bet on.
    logs : tuple of float
        Logarithm of what is at stake with each of :data:`PARTS`; minus infinity before the first bet.
    peak : float
        Logarithm of the largest value so far, at least 0.
    """

    bets: int = 0
    logs: tuple[float, ...] = (-math.inf,) * len(PARTS)
    peak: float = 0.0

    def bet(self, ratios: Iterable[float]) -> Stake:
        """Return the stake after bets on observations, in their order; each is a float of 0 or more."""
        bets, logs, peak = self.bets, list(self.logs), self.peak
        for ratio in ratios:
            bets += 1
            joining = -math.log(len(PARTS) * bets * (bets + 1))
            logs = [
                _add_logs(log, joining) + math.log1p(part * (ratio - 1.0))
                for log, part in zip(logs, PARTS, strict=True)
            ]
            peak = max(peak, _sum_logs(bets, logs))
        return Stake(bets, tuple(logs), peak)

    @property
    def largest(self) -> float:
        """The largest stake so far; at most about 1e300."""
        return math.exp(min(self.peak, 690.0))

    def reaches(self, alpha: float) -> bool:
        """Whether the stake was 1 / alpha or more at any time."""
        return self.peak >= -math.log(alpha)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        logs = [None if math.isinf(log) else log for log in self.logs]
        return {"bets": self.bets, "logs": logs, "peak": self.peak}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any] | None) -> Stake:
        """Read what `to_dict` wrote; a new stake without it."""
        if not content:
            return cls()
        logs = tuple(-math.inf if log is None else float(log) for log in content["logs"])
        return cls(int(content["bets"]), logs, float(content["peak"]))


def _sum_logs(bets: int, logs: Iterable[float]) -> float:
    """Return the logarithm of the parts and of the share of the first stake that has not joined yet."""
    total = -math.log(bets + 1)
    for log in logs:
        total = _add_logs(total, log)
    return total


def _add_logs(first: float, second: float) -> float:
    """Return the logarithm of a sum, from those of its terms."""
    high, low = max(first, second), min(first, second)
    return high if math.isinf(low) else high + math.log1p(math.exp(low - high))
