"""Compare two models by kind of anomaly: a gain on one kind must not hide a loss on another.

The kinds and sizes of injected anomalies are an arbitrary choice. A gain over all kinds together is weak
evidence when a single kind causes it: real anomalies need not be of that kind. Pure; called by
:mod:`~pynomaly.judging.comparison.compare`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pynomaly import config
from pynomaly.judging.comparison.intervals import bootstrap_interval
from pynomaly.judging.comparison.ranking_metrics import (
    Array,
    Ints,
    Metric,
    OperatingPoint,
    Ranking,
    bootstrap_metric,
)

__all__ = ["MIN_UNITS", "KindComparison", "compare_by_part", "explain_one_sided_gain"]

MIN_UNITS = 5
"""With fewer independent anomalies of a kind, its difference has no interval."""


@dataclass(frozen=True)
class KindComparison:
    """Challenger against champion on the normal rows and only the anomalies of one kind or size.

    Attributes
    ----------
    name : str
    positives : int
    champion_value, challenger_value, difference : float
    low, high : float
        Interval of the difference, with the verdict's error divided by the number of kinds (Bonferroni); NaN
        with fewer than :data:`MIN_UNITS` independent anomalies.
    """

    name: str
    positives: int
    champion_value: float
    challenger_value: float
    difference: float
    low: float
    high: float

    def describe(self) -> str:
        """Return name, difference and interval as a short text."""
        bounds = "" if math.isnan(self.low) else f" [{self.low:+.3f}, {self.high:+.3f}]"
        return f"{self.name} {self.difference:+.3f}{bounds}"


def compare_by_part(
    truth: Ints,
    champion: Array,
    challenger: Array,
    parts: npt.NDArray[np.object_],
    settings: config.Comparison,
    *,
    blocks: Ints | None,
    level: float,
    seed: int,
    operation: OperatingPoint,
) -> tuple[KindComparison, ...]:
    """Compute the metric's difference on each part of the anomalies, ordered by name.

    Parameters
    ----------
    truth : int array of shape (n,)
    champion, challenger : array of shape (n,)
    parts : object array of shape (n,)
        Name of the part (kind or size) of each anomaly; ignored for normal rows.
    settings : Comparison
    blocks : int array of shape (n,) or None
    level : float
        Joint confidence level of all intervals.
    seed : int
    operation : OperatingPoint
    """
    names = sorted({str(name) for name in parts[truth == 1]})
    part_level = 1 - (1 - level) / max(len(names), 1)
    results = []
    for name in names:
        rows = (truth == 0) | (parts == name)
        pair = [Ranking(truth[rows], scores[rows], operation) for scores in (champion, challenger)]
        values = [ranking.value(settings.metric) for ranking in pair]
        positives = int(truth[rows].sum())
        units = positives if blocks is None else int(np.unique(blocks[rows & (truth == 1)]).size)
        low = high = math.nan
        if units >= MIN_UNITS:
            drawn = _resample_difference(pair, settings, seed, None if blocks is None else blocks[rows])
            if drawn.size:
                low, high = bootstrap_interval(values[1] - values[0], drawn, units, part_level)
        results.append(
            KindComparison(name, positives, values[0], values[1], values[1] - values[0], low, high)
        )
    return tuple(results)


def _resample_difference(
    pair: list[Ranking], settings: config.Comparison, seed: int, blocks: Ints | None
) -> Array:
    drawn = bootstrap_metric(pair, settings.metric, settings.resamples, seed, blocks)
    difference: Array = drawn[:, 1] - drawn[:, 0]
    return difference[np.isfinite(difference)]


def explain_one_sided_gain(
    truth: Ints,
    champion: Array,
    challenger: Array,
    kinds: npt.NDArray[np.object_],
    found: tuple[KindComparison, ...],
    settings: config.Comparison,
    operation: OperatingPoint,
) -> str:
    """Return why a gain over all kinds together does not count, or "".

    It does not count

    - if the challenger is worse on a kind: the interval lies below 0;
    - or if one kind alone causes the gain: without the anomalies of that kind the challenger is not better,
      and on some other kind it is worse by more than ``comparison.margin``.
    """
    lost = [part for part in found if part.high < 0]
    if lost:
        return f"ahead over all kinds together, but lost on {', '.join(part.describe() for part in lost)}"
    behind = [part for part in found if part.difference < -settings.margin]
    if not behind:
        return ""
    best = max(found, key=lambda part: part.difference)
    rest = (truth == 0) | (kinds != best.name)
    without = _measure_difference(truth[rest], champion[rest], challenger[rest], settings.metric, operation)
    if without > 0:
        return ""
    losses = ", ".join(part.describe() for part in behind)
    return f"the gain is of {best.name} anomalies alone ({without:+.3f} without them), and behind on {losses}"


def _measure_difference(
    truth: Ints, champion: Array, challenger: Array, metric: Metric, at: OperatingPoint
) -> float:
    ahead, behind = (Ranking(truth, scores, at).value(metric) for scores in (challenger, champion))
    return ahead - behind
