"""Compare a model's quality on a window's labelled rows with its quality on the rows that judged it.

Average precision depends on the share of anomalies: it moves from window to window though the model ranks
as it did. So both sides are weighted to the share of anomalies of the judged rows. Both are samples: blocks
of dependent rows are resampled on either side, and a drop counts only if the difference is certain. The
winner of several candidates looks better on the rows that chose it than it is; that optimism, estimated on
rows that did not choose, is taken off its baseline. Pure; called at training, by `monitor` and by replays.

References
----------
Davison, Hinkley (1997), Bootstrap Methods and their Application, section 4.4 (two samples).
Cawley, Talbot (2010), On Over-fitting in Model Selection and Subsequent Selection Bias in Performance
Evaluation, JMLR 11.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pynomaly.judging.comparison.evaluation import explain_not_computable, explain_unusable_scores
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.intervals import bootstrap_interval
from pynomaly.judging.comparison.ranking_metrics import Array, Ints, Metric, OperatingPoint, Ranking

__all__ = [
    "JudgedScores",
    "PerformanceChange",
    "compare_performance",
    "estimate_optimism",
    "keep_judged_scores",
]

MAX_ANOMALIES = 500
MAX_TOP = 1000
MAX_REST = 500
"""Most anomalies, normal rows with the highest scores, and other normal rows that are kept of a judgement."""

_HALVES = 20  # random halves of the blocks over which optimism is averaged
_CELLS = 2**19  # weights at once, as in ranking_metrics


@dataclass(frozen=True, eq=False)
class JudgedScores:
    """The scores that a version was judged by, few enough to keep: what later windows are compared with.

    Attributes
    ----------
    scores : float array of shape (n,)
        Anomalies first, then the normal rows with the highest scores, then a sample of the others.
    blocks : int array of shape (n,)
        Rows with the same number depend on each other.
    weights : float array of shape (n,)
        How many judged rows each stands for.
    anomalies : int
        Number of anomalies among the n.
    prevalence : float
        Share of anomalies in all judged rows.
    optimism : float
        What the metric gained by choosing the winner on these rows.
    """

    scores: Array
    blocks: Ints
    weights: Array
    anomalies: int
    prevalence: float
    optimism: float = 0.0

    @property
    def truth(self) -> Ints:
        """1 for an anomaly, 0 for a normal row, shape (n,)."""
        return (np.arange(self.scores.size) < self.anomalies).astype(np.int64)

    @classmethod
    def keep(cls, evidence: Evidence, scores: Array, optimism: float, seed: int) -> JudgedScores | None:
        """Keep what a comparison needs of labelled rows; None if no metric can be computed on them."""
        if explain_not_computable(evidence.truth, scores):
            return None
        rng = np.random.default_rng(seed)
        units, is_anomaly = evidence.number_units(), evidence.truth == 1
        anomalies, normal = np.flatnonzero(is_anomaly), np.flatnonzero(~is_anomaly)
        normal = normal[np.argsort(-scores[normal], kind="stable")]
        parts = [anomalies, normal[:MAX_TOP], normal[MAX_TOP:]]
        drawn = [
            part if len(part) <= most else np.sort(rng.choice(part, size=most, replace=False))
            for part, most in zip(parts, (MAX_ANOMALIES, MAX_TOP, MAX_REST), strict=True)
        ]
        weights = [
            np.full(len(few), len(part) / max(1, len(few))) for few, part in zip(drawn, parts, strict=True)
        ]
        rows = np.concatenate(drawn)
        return cls(
            np.array([float(f"{value:.9g}") for value in scores[rows]]),
            np.unique(units[rows], return_inverse=True)[1].astype(np.int64),
            np.concatenate(weights),
            len(drawn[0]),
            float(is_anomaly.mean()),
            float(optimism),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values, about 40 kB at most; weights as runs of equal ones."""
        starts = np.flatnonzero(np.diff(self.weights, prepend=np.nan) != 0)
        lengths = np.diff([*starts, len(self.weights)])
        runs = [[float(self.weights[at]), int(n)] for at, n in zip(starts, lengths, strict=True)]
        return {
            "scores": self.scores.tolist(),
            "blocks": self.blocks.tolist(),
            "weights": runs,
            "anomalies": self.anomalies,
            "prevalence": self.prevalence,
            "optimism": self.optimism,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> JudgedScores:
        """Read the output of :meth:`to_dict`."""
        values, lengths = zip(*content["weights"], strict=True)
        return cls(
            np.asarray(content["scores"], dtype=np.float64),
            np.asarray(content["blocks"], dtype=np.int64),
            np.repeat(np.asarray(values, dtype=np.float64), lengths),
            int(content["anomalies"]),
            float(content["prevalence"]),
            float(content["optimism"]),
        )


@dataclass(frozen=True)
class PerformanceChange:
    """A metric on a window and at training, at one share of anomalies.

    Attributes
    ----------
    value, baseline : float
        Now, and at training without the winner's optimism.
    high : float
        The change is a drop only if this is below `baseline`: `baseline` and the upper end of the interval
        of the difference, which holds the error of both sides. Infinite with fewer than two independent
        anomalies on a side.
    prevalence, prevalence_now : float
        Share of anomalies of the judged rows, to which both values are weighted, and of the window's.
    """

    value: float
    baseline: float
    high: float
    prevalence: float
    prevalence_now: float

    def describe(self) -> str:
        """Return in words to which share of anomalies the values are weighted."""
        return (
            f"performance is weighted to the {self.prevalence:.2%} anomalies of the judged rows; "
            f"labelled rows of the window have {self.prevalence_now:.2%}"
        )


def compare_performance(
    then: JudgedScores,
    now: Evidence,
    scores: Array,
    metric: Metric,
    *,
    confidence: float = 0.95,
    resamples: int = 400,
    seed: int = 42,
) -> PerformanceChange | None:
    """Compare a metric on a window's labelled rows with the rows that judged the model.

    Parameters
    ----------
    then : JudgedScores
    now : Evidence
        Labelled rows of the window, with their blocks and the operating point of both sides.
    scores : array of shape (n,)
        The model's scores of these rows.
    metric : str
    confidence : float
        Level of the two-sided interval of the difference.
    resamples, seed : int

    Returns
    -------
    PerformanceChange or None
        None if the metric cannot be computed on the window's rows.
    """
    if explain_not_computable(now.truth, scores):
        return None
    rng = np.random.default_rng(seed)
    before_side = _Side(then.truth, then.scores, then.weights, then.blocks, now.operation)
    now_side = _Side(now.truth, scores, np.ones(now.rows), now.number_units(), now.operation)
    share = then.prevalence
    before = before_side.measure(metric, share) - then.optimism
    value = now_side.measure(metric, share)
    drawn_before = before_side.resample(metric, share, resamples, rng) - then.optimism
    drawn_now = now_side.resample(metric, share, resamples, rng)
    drawn = drawn_now - drawn_before
    drawn = drawn[np.isfinite(drawn)]
    units = _combine_units(
        (float(np.nanvar(drawn_before)), before_side.units), (float(np.nanvar(drawn_now)), now_side.units)
    )
    high = math.inf
    if drawn.size >= resamples / 2:
        high = before + bootstrap_interval(value - before, drawn, units, confidence)[1]
    return PerformanceChange(value, before, high, share, float(now.truth.mean()))


def estimate_optimism(evidence: Evidence, scores: Mapping[str, Array], metric: Metric, seed: int) -> float:
    """Return what the best of several candidates gains on the rows that chose it; 0 for a single one.

    The best on one half of the blocks is measured on the other half. Halves flatter by the square root of
    two more than all rows do, as errors shrink with the root of the number of rows.

    Parameters
    ----------
    evidence : Evidence
    scores : mapping of str to array of shape (n,)
        Usable scores of each candidate on the judged rows.
    """
    if len(scores) < 2:
        return 0.0
    rng, gains = np.random.default_rng(seed), []
    for _ in range(_HALVES):
        first = evidence.deal_blocks(2, rng) == 0
        for half in (first, ~first):
            mine, other = evidence.select(half), evidence.select(~half)
            if any(
                explain_not_computable(part.truth, array[rows])
                for part, rows in ((mine, half), (other, ~half))
                for array in scores.values()
            ):
                continue
            values = {name: mine.rank(array[half]).value(metric) for name, array in scores.items()}
            best = max(values, key=values.__getitem__)
            gains.append(values[best] - other.rank(scores[best][~half]).value(metric))
    return max(0.0, float(np.mean(gains)) / math.sqrt(2)) if gains else 0.0


def keep_judged_scores(
    evidence: Evidence, scores: Mapping[str, Array], winner: str, among: int, metric: Metric, seed: int
) -> JudgedScores | None:
    """Keep the winner's scores of the judged rows for later windows; None unless labels judged it.

    Parameters
    ----------
    evidence : Evidence
    scores : mapping of str to array of shape (n,)
        Scores of each candidate that could be fitted.
    winner : str
    among : int
        Number of candidates that it was chosen from for its value; 1 for the one that is kept unless another
        is superior.
    metric : str
    seed : int
    """
    if evidence.rung is not Rung.LABELS:
        return None
    usable = {name: array for name, array in scores.items() if explain_unusable_scores(array) is None}
    optimism = estimate_optimism(evidence, usable, metric, seed) if among > 1 else 0.0
    return JudgedScores.keep(evidence, scores[winner], optimism, seed)


class _Side:
    """Rows of one side, resampled by block."""

    def __init__(
        self, truth: Ints, scores: Array, weights: Array, blocks: Ints, operation: OperatingPoint | None
    ) -> None:
        self.ranking = Ranking(truth, scores, operation)
        self.is_anomaly, self.weights = truth == 1, weights
        self.member = np.unique(blocks, return_inverse=True)[1]
        self.units = int(np.unique(self.member[self.is_anomaly]).size)

    def measure(self, metric: Metric, share: float) -> float:
        """Return the metric with anomalies of weight `share` in all."""
        return float(self._compute(metric, share, self.weights[:, None])[0])

    def resample(self, metric: Metric, share: float, resamples: int, rng: np.random.Generator) -> Array:
        """Return the metric on resamples of the blocks, shape (resamples,); NaN without a class."""
        blocks = int(self.member.max()) + 1
        width = max(1, min(resamples, _CELLS // len(self.member)))
        values = np.empty(resamples)
        for start in range(0, resamples, width):
            size = min(width, resamples - start)
            counts = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=size).T.astype(np.float64)
            weights = counts[self.member] * self.weights[:, None]
            values[start : start + size] = self._compute(metric, share, weights)
        return values

    def _compute(self, metric: Metric, share: float, weights: Array) -> Array:
        anomalies = weights[self.is_anomaly].sum(axis=0)
        normal = weights.sum(axis=0) - anomalies
        factor = np.where(normal > 0, anomalies * (1 - share) / share / np.where(normal > 0, normal, 1), 0)
        return self.ranking.compute(metric, np.where(self.is_anomaly[:, None], weights, weights * factor))


def _combine_units(*sides: tuple[float, int]) -> int:
    """Return the units that a difference of two samples is worth (Welch-Satterthwaite)."""
    if min(units for _, units in sides) < 2:
        return 1
    total = sum(variance for variance, _ in sides)
    parts = sum(variance**2 / (units - 1) for variance, units in sides)
    if not (math.isfinite(total) and parts > 0):
        return min(units for _, units in sides)
    return 1 + max(1, math.floor(total**2 / parts))
