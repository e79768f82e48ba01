"""Does the interval of the alerts' precision hold when scores narrow it, and by how much do they?

Worlds of alerted rows whose chance to be a true alert goes by the rank of their score; an audit draws some of
them, and people answer all that were drawn. Rows are drawn, ranked and measured by the functions of
production. Printed are, of the exact interval by the answers alone and of the one that is shown (narrowed
where the scores predict the answers), the share of audits in which it holds the true precision, the mean
width, and the share of audits in which the scores narrowed it. Called by :mod:`benchmarks.audits`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.shares import format_share
from pynomaly.config import Comparison
from pynomaly.judging.alerts.audit_draw import draw_audit_rows, rank_alerted
from pynomaly.judging.alerts.audited import AuditedRows, measure_audited_model

Floats = NDArray[np.float64]

QUIET = 2_000
SETTINGS = Comparison()
WORLDS: dict[str, Callable[[Floats], Floats]] = {
    "well": lambda rank: 1 / (1 + np.exp(14 * (rank - 0.4))),
    "nearly always": lambda rank: np.where(rank < 0.5, 0.97, 0.05),
    "without a doubt": lambda rank: np.where(rank < 0.3, 1.0, 0.0),
    "a little": lambda rank: 0.75 - 0.55 * rank,
    "not at all": lambda rank: np.full(len(rank), 0.4),
    "up and down": lambda rank: np.where(rank < 0.3, 0.4, np.where(rank < 0.6, 0.95, 0.05)),
    "mostly true": lambda rank: np.where(rank < 0.85, 0.97, 0.5),
    "mostly false": lambda rank: np.where(rank < 0.1, 0.8, 0.02),
}
"""Chance to be a true alert, by the rank of the score from 0, the highest, to 1."""


@dataclass
class Coverage:
    """Sums over audits: intervals that held, their widths, and those that scores narrowed."""

    audits: int = 0
    exact_held: int = 0
    shown_held: int = 0
    exact_width: float = 0.0
    shown_width: float = 0.0
    narrowed: int = 0

    @property
    def ratio(self) -> float:
        """Width of what is shown over that of the exact interval."""
        return self.shown_width / self.exact_width


def measure_coverage(world: str, alerts: int, answers: int, draws: int, seed: int) -> Coverage:
    """Answer so many alerts in each of so many audits, each of a world of its own."""
    result = Coverage()
    for number in range(draws):
        rng = np.random.default_rng([seed, number, alerts, answers])
        scores = rng.normal(size=alerts + QUIET)
        alerted = np.arange(len(scores)) < alerts
        ranks = rank_alerted(scores, alerted, number)
        truth = np.zeros(len(scores), dtype=np.int64)
        truth[alerted] = rng.random(alerts) < WORLDS[world](ranks[alerted])
        draw = draw_audit_rows(-scores, alerted, 2 * answers, int(rng.integers(2**31)))
        blocks = np.arange(len(draw.places))
        rows = AuditedRows(draw.strata, draw.names, truth[draw.places], blocks)
        model = measure_audited_model(rows, None, ("alerted",), SETTINGS, ranks=ranks[draw.places])
        exact, powered, true = model.alerts.precision, model.powered, truth[alerted].mean()
        assert powered is not None, "ranks were given, and rows alerted"
        shown = powered.share or exact
        result.audits += 1
        result.exact_held += int(exact.low - 1e-12 <= true <= exact.high + 1e-12)
        result.shown_held += int(shown.low - 1e-12 <= true <= shown.high + 1e-12)
        result.exact_width += exact.high - exact.low
        result.shown_width += shown.high - shown.low
        result.narrowed += powered.share is not None
    return result


def list_precisions(draws: int, seed: int) -> Iterator[list[str]]:
    """The lines of the table of precisions."""
    for world in WORLDS:
        for alerts, answers in ((150, 25), (150, 100), (600, 25), (600, 100)):
            coverage = measure_coverage(world, alerts, answers, draws, seed)
            yield [
                world,
                f"{answers} of {alerts}",
                format_share(coverage.exact_held, draws),
                format_share(coverage.shown_held, draws),
                f"{coverage.exact_width / draws:.3f}",
                f"{coverage.ratio:.2f}",
                f"{100 * coverage.narrowed / draws:.0f}",
            ]


def find_broken_precisions(seed: int, draws: int = 150) -> list[str]:
    """Return what is wrong where scores predict well: an interval that does not hold, or is as wide."""
    broken = []
    for world, most in (("well", 0.8), ("not at all", 1.0)):
        coverage = measure_coverage(world, 300, 40, draws, seed)
        missed = coverage.audits - coverage.shown_held
        if missed > stats.binom.isf(0.02, draws, 0.05):
            broken.append(f"{missed} of {draws} intervals of precision do not hold: scores predict {world}")
        if coverage.ratio > most + 1e-9:
            broken.append(f"an interval {coverage.ratio:.2f} times as wide as the exact one: {world}")
    return broken
