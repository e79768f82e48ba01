"""Small shifts add up: evidence against an unmoved level, carried from window to window of a champion.

Each window leaves the mean rank of a column's values among those of the reference; the reference has left
those of its own windows. Both are joined, from the oldest on, until neighbours hardly depend on each other,
and compared by a two-sample t-test that may be looked at after every group: its Bayes factor has the mean 1
while nothing moves, whatever level and spread the column has. A shift may begin at any group, so the factors
are averaged over the beginnings. While nothing moves, the average reaches 1 / alpha with a chance of at most
alpha, however often it is looked at (Ville's inequality), as long as a champion has not had more than
:data:`MOST_WINDOWS` windows: a window stays in the group that it came into. Later the oldest windows are no
longer read. In each so many that still holds where windows are not joined; those that are fall into other
groups at each window, and the chance grows with their number. Called by drift.

References
----------
Gönen, Johnson, Lu, Westfall (2005), The Bayesian two-sample t test, The American Statistician 59.
Pérez-Ortiz, Lardy, de Heide, Grünwald (2024), E-statistics, group invariance and anytime-valid testing,
Annals of Statistics 52: such factors keep their level at any stopping time.
Shin, Ramdas, Rinaldo (2023), E-detectors: a nonparametric framework for sequential change detection.
Wang, Ramdas (2022), False discovery rate control with e-values, JRSS B 84.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.judging.jsonable import to_jsonable
from pynomaly.model.sketch.baseline import Baseline, ColumnBaseline
from pynomaly.model.sketch.design_effect import MIN_WORTH

__all__ = ["SCORE", "CarriedShift", "carry_levels", "find_shifts"]

SCORE = "(score)"
"""Key of the level of the scores, which is no name of a column."""

Array = npt.NDArray[np.float64]

MOST_WINDOWS = 366
"""Windows in which a shift may begin: a year of days."""

_TIMES_WANDER = 2.0
"""Length of joined windows over the autocorrelation time of the level: means of neighbours then hardly depend
on each other (AR(1) rows: a correlation of .07)."""

PRIOR_VARIANCE = 1.0
"""Of a shift, in squared deviations of a window's level: what the evidence grows fastest for."""


@dataclass(frozen=True)
class CarriedShift:
    """What the windows of a champion say together about one column.

    Attributes
    ----------
    evidence : float
        Natural logarithm of the mean Bayes factor over the beginnings.
    windows : int
        Number of windows in full groups since the most likely beginning of a shift.
    level : float
        Their mean rank among the values of the reference, less that of its own windows; -1/2 to 1/2.
    """

    evidence: float
    windows: int
    level: float

    @property
    def effect(self) -> float:
        """Kolmogorov distance of normal values that are shifted as far, from 0 to 1."""
        from scipy.special import erf, erfinv

        return float(erf(min(erfinv(min(2 * abs(self.level), 1.0)), 6.0) / math.sqrt(2)))

    def describe(self, kind: str) -> str:
        """Return a clause for people; `kind` is that of the test."""
        sides = ("rarer", "commoner") if kind == "category" else ("higher", "lower")
        side = sides[self.level < 0]
        return f"values are {side} in the last {self.windows} windows together (distance {self.effect:.3f})"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def find_shifts(
    baseline: Baseline, windows: Sequence[Mapping[str, float]], alpha: float
) -> dict[str, CarriedShift]:
    """Return the columns, and the score, whose evidence is enough for so many columns at level `alpha`.

    Parameters
    ----------
    baseline : Baseline
    windows : sequence of mapping of str to float
        Levels of the windows of a champion, the newest last, as :attr:`DriftReport.levels` gives them.
    alpha : float
        Chance that some column is found for nothing, by Benjamini and Hochberg's procedure for e-values:
        columns may depend on each other.
    """
    columns = dict(baseline.columns) | ({SCORE: baseline.score} if baseline.score else {})
    carried = {}
    for name, column in columns.items():
        levels = [window[name] for window in windows if name in window]
        shift = carry_levels(column, levels, block=baseline.block, length=baseline.length)
        if shift is not None and levels and name in windows[-1]:
            carried[name] = shift
    ranked = sorted(carried, key=lambda name: -carried[name].evidence)
    enough = [
        place
        for place, name in enumerate(ranked, 1)
        if carried[name].evidence >= math.log(len(columns) / (alpha * place))
    ]
    return {name: carried[name] for name in ranked[: max(enough, default=0)]}


def carry_levels(
    column: ColumnBaseline, levels: Sequence[float], *, block: int, length: int
) -> CarriedShift | None:
    """Return the evidence that the level moved in some last windows; None where nothing can be said.

    Parameters
    ----------
    column : ColumnBaseline
    levels : sequence of float
        Of the windows so far, from the first of the champion on, each `length` seconds long. The newest that
        fill no group yet count later.
    block, length : int
        Seconds of the reference's own windows, and of later ones.
    """
    if not math.isfinite(column.wander):
        return None
    joined = max(1, math.ceil(_TIMES_WANDER * column.wander / length))
    own = max(1, math.ceil(_TIMES_WANDER * column.wander / block))
    before = _join(np.asarray(column.levels), own)
    after = _join(np.asarray(levels, dtype=np.float64), joined)[-max(1, MOST_WINDOWS // joined) :]
    if before.size < MIN_WORTH or not after.size:
        return None
    # Where later windows are longer than those of the reference, their levels vary less.
    weight = joined * length / (own * block)
    centre, spread = float(before.mean()), float(((before - before.mean()) ** 2).sum())
    newest = (after - centre)[::-1]
    count = np.arange(1, newest.size + 1)
    means = np.cumsum(newest) / count
    within = spread + weight * np.maximum(np.cumsum(newest**2) - count * means**2, 0.0)
    factors = _compare_means(before.size, count, weight, means, within)
    best = int(np.argmax(factors))
    evidence = float(np.logaddexp.reduce(factors)) - math.log(MOST_WINDOWS / joined)
    return CarriedShift(evidence, (best + 1) * joined, float(means[best]))


def _join(levels: Array, size: int) -> Array:
    """Return the means of `size` neighbours, the newest last; the newest that fill no group are left out."""
    return np.asarray(levels[: levels.size - levels.size % size].reshape(-1, size).mean(axis=1))


def _compare_means(
    size: int, count: npt.NDArray[np.int64], weight: float, means: Array, within: Array
) -> Array:
    """Return logarithms of the Bayes factors of a shift, array of shape (m,).

    Parameters
    ----------
    size : int
        Number of values before, whose mean is 0.
    count, means : array of shape (m,)
        Number and mean of the values after, for each beginning.
    weight : float
        Variance of a value before, over that of one after.
    within : array of shape (m,)
        Sum of squares about both means, in the unit of the values before.
    """
    dof = size + count - 2
    both = size * weight * count / (size + weight * count)
    share = both * means**2 / np.maximum(within, 1e-300)  # squared t, over its degrees of freedom
    wide = 1 + both * PRIOR_VARIANCE
    return np.asarray((dof + 1) / 2 * (np.log1p(share) - np.log1p(share / wide)) - np.log(wide) / 2)
