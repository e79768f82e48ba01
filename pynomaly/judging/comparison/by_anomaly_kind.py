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
from pynomaly.judging.comparison.evidence import Evidence
from pynomaly.judging.comparison.intervals import bootstrap_interval
from pynomaly.judging.comparison.ranking_metrics import Array, Metric, bootstrap_metric

__all__ = ["LEAST_SHARE", "MIN_UNITS", "KindComparison", "compare_by_part", "explain_one_sided_gain"]

MIN_UNITS = 5
"""With fewer independent anomalies of a kind, its difference has no interval."""

LEAST_SHARE = 0.04
"""Share of the weight of all anomalies from which on a kind can object to a gain."""


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
    evidence: Evidence,
    champion: Array,
    challenger: Array,
    parts: npt.NDArray[np.object_],
    settings: config.Comparison,
    *,
    level: float,
    seed: int,
) -> tuple[KindComparison, ...]:
    """Compute the metric's difference on each part of the anomalies, ordered by name.

    Parameters
    ----------
    evidence : Evidence
    champion, challenger : array of shape (n,)
    parts : object array of shape (n,)
        Name of the part (kind or size) of each anomaly; ignored for normal rows.
    settings : Comparison
    level : float
        Joint confidence level of all intervals.
    seed : int
    """
    names = sorted({str(name) for name in parts[evidence.truth == 1]})
    part_level = 1 - (1 - level) / max(len(names), 1)
    results = []
    for name in names:
        rows = (evidence.truth == 0) | (parts == name)
        part = evidence.select(rows)
        pair = [part.rank(scores[rows]) for scores in (champion, challenger)]
        values = [ranking.value(settings.metric) for ranking in pair]
        positives, units = part.positives, part.units
        low = high = math.nan
        if units >= MIN_UNITS:
            sampled = bootstrap_metric(pair, settings.metric, settings.resamples, seed, part.blocks)
            drawn = sampled[:, 1] - sampled[:, 0]
            drawn = drawn[np.isfinite(drawn)]
            if drawn.size:
                low, high = bootstrap_interval(values[1] - values[0], drawn, units, part_level)
        results.append(
            KindComparison(name, positives, values[0], values[1], values[1] - values[0], low, high)
        )
    return tuple(results)


def explain_one_sided_gain(
    evidence: Evidence,
    champion: Array,
    challenger: Array,
    parts: tuple[KindComparison, ...],
    settings: config.Comparison,
) -> str:
    """Return why a gain over all kinds together does not count, or "".

    It does not count

    - if the challenger is worse on a kind: the interval lies below 0;
    - or if one kind alone causes the gain: without the anomalies of that kind the challenger is not better,
      and on some other kind it is worse by more than ``comparison.margin``.

    A kind that counts less than :data:`LEAST_SHARE` of all does not object: where rows depend on their past,
    anomalies that a row shows by itself rank models as real anomalies do not.
    """
    parts = tuple(part for part in parts if _measure_share(evidence, part.name) >= LEAST_SHARE)
    if not parts:
        return ""
    lost = [part for part in parts if part.high < 0]
    if lost:
        return f"ahead over all kinds together, but lost on {', '.join(part.describe() for part in lost)}"
    behind = [part for part in parts if part.difference < -settings.margin]
    if not behind or evidence.injected is None:
        return ""
    best = max(parts, key=lambda part: part.difference)
    rest = (evidence.truth == 0) | (evidence.injected.kinds != best.name)
    without = _measure_difference(evidence.select(rest), champion[rest], challenger[rest], settings.metric)
    if without > 0:
        return ""
    losses = ", ".join(part.describe() for part in behind)
    return f"the gain is of {best.name} anomalies alone ({without:+.3f} without them), and behind on {losses}"


def _measure_share(evidence: Evidence, kind: str) -> float:
    """Return which share of all anomalies' weight a kind has; 1 where they have no weights."""
    injected = evidence.injected
    if injected is None or injected.weights is None:
        return 1.0
    return float(injected.weights[injected.kinds == kind].sum() / injected.weights.sum())


def _measure_difference(evidence: Evidence, champion: Array, challenger: Array, metric: Metric) -> float:
    ahead, behind = (evidence.rank(scores).value(metric) for scores in (challenger, champion))
    return ahead - behind
