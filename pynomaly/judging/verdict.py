"""The verdict of a comparison of two models, and the paired resamples on which it is based.

The difference of a ranking metric is resampled in pairs, by whole blocks where rows depend on each other.
What cannot be computed is ``inconclusive``, with the reason. The functions are called by
:mod:`~pynomaly.judging.comparison` and :mod:`~pynomaly.judging.choice` only; the result types are public.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly import config
from pynomaly.errors import DataError
from pynomaly.judging.evaluation import unusable_scores, unusable_truth
from pynomaly.judging.intervals import interval, p_value
from pynomaly.judging.kinds import Part
from pynomaly.judging.plain import plain
from pynomaly.judging.ranking import METRICS, Array, Ints, Metric, Operation, Ranking, bootstrap_all

__all__ = ["Beside", "Outcome", "Rung", "Sample", "Verdict", "grouped", "resample", "verdict_of"]


class Outcome(StrEnum):
    """Result of a comparison, seen from the challenger."""

    SUPERIOR = "superior"
    NON_INFERIOR = "non_inferior"
    INFERIOR = "inferior"
    INCONCLUSIVE = "inconclusive"


class Rung(StrEnum):
    """Kind of evidence behind the truth, strongest first."""

    LABELS = "labels"
    AUDITED = "audited"
    INJECTED = "injected"
    STABILITY = "stability"


@dataclass(frozen=True)
class Beside:
    """A metric that is only reported: its interval has the verdict's level, without a correction."""

    metric: str
    champion_value: float
    challenger_value: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """Challenger against champion on the same rows.

    Attributes
    ----------
    difference, low, high : float
        Challenger minus champion, and its interval at `level`; NaN when not computed.
    effect_size : float
        The difference in standard deviations of one anomaly's contribution (Cohen's d_z): the difference
        over its bootstrap standard error, divided by the square root of the number of anomalies (of blocks
        with an anomaly). It does not grow with the number of rows.
    p_value : float
        Two-sided, of no difference; Holm-corrected when it comes from :func:`choose`.
    rows, positives : int
    among : int
        Number of candidates from which the challenger was chosen on these same rows; `level` and `p_value`
        are corrected for it.
    beside : tuple of Beside
        The other metrics on the same resamples. Only `metric` decides, so they need no correction.
    kinds, sizes : tuple of Part
        Results by kind and by size of injected anomalies; empty on the other rungs.
    reasons : tuple of str
    """

    outcome: Outcome
    rung: Rung
    metric: str
    champion: str
    challenger: str
    champion_value: float
    challenger_value: float
    difference: float
    low: float
    high: float
    level: float
    effect_size: float
    p_value: float
    rows: int
    positives: int
    reasons: tuple[str, ...]
    among: int = 1
    beside: tuple[Beside, ...] = ()
    kinds: tuple[Part, ...] = ()
    sizes: tuple[Part, ...] = ()

    @property
    def promotes(self) -> bool:
        """Whether the gate may promote on this verdict."""
        return self.outcome is Outcome.SUPERIOR

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values; numbers that were not computed are None."""
        return dict(plain(self))


@dataclass(frozen=True)
class Sample:
    """The deciding metric and the other metrics of every usable candidate, on all rows and each resample."""

    settings: config.Comparison
    rung: Rung
    rows: int
    positives: int
    units: int
    value: dict[str, float]
    drawn: dict[str, Array]
    unusable: dict[str, str]
    refusals: tuple[str, ...]
    others: tuple[Metric, ...]
    other_values: dict[str, Array]
    other_drawn: dict[str, Array]


def grouped(blocks: npt.ArrayLike | None, truth: Ints) -> Ints | None:
    """Return block numbers as an array, one for each row; None stays None."""
    if blocks is None:
        return None
    numbers = np.asarray(blocks)
    if numbers.shape != truth.shape:
        raise DataError(
            f"there are {truth.size} labels and blocks of shape {numbers.shape}; allowed: one a row"
        )
    return numbers


def resample(
    truth: Ints,
    scores: Mapping[str, Array],
    settings: config.Comparison,
    rung: Rung,
    blocks: Ints | None,
    seed: int,
    operation: Operation | None = None,
) -> Sample:
    """Resample all candidates together, so that every difference is paired."""
    positives = int(truth.sum())
    units = positives if blocks is None else int(np.unique(blocks[truth == 1]).size)
    refusals = []
    if rung is Rung.STABILITY:
        refusals.append("there is no truth to judge by, only stability")
    if reason := unusable_truth(truth):
        refusals.append(reason)
    elif positives < settings.min_positives:
        refusals.append(
            f"{positives} anomalies are fewer than the {settings.min_positives} that a verdict needs"
        )
    elif units < settings.min_blocks:
        refusals.append(
            f"the {positives} anomalies lie in {units} blocks of dependent rows, fewer than the "
            f"{settings.min_blocks} that a verdict needs"
        )
    unusable = {name: reason for name, array in scores.items() if (reason := unusable_scores(array))}
    ranked = {}
    if unusable_truth(truth) is None:
        ranked = {
            name: Ranking(truth, array, operation) for name, array in scores.items() if name not in unusable
        }
    value = {name: ranking.value(settings.metric) for name, ranking in ranked.items()}
    others: tuple[Metric, ...] = tuple(metric for metric in METRICS if metric != settings.metric)
    unit_weights = np.ones((truth.size, 1))
    other_values = {name: ranking.weighted_all(others, unit_weights)[0] for name, ranking in ranked.items()}
    drawn: dict[str, Array] = {}
    other_drawn: dict[str, Array] = {}
    if ranked and not refusals:
        metrics = (settings.metric, *others)
        cube = bootstrap_all(list(ranked.values()), metrics, settings.resamples, seed, blocks)
        usable = np.isfinite(cube[:, 0, 0])
        if usable.mean() < 0.95:
            refusals.append(f"{int((~usable).sum())} of {settings.resamples} resamples hold one class alone")
        else:
            drawn = {name: cube[usable, column, 0] for column, name in enumerate(ranked)}
            other_drawn = {name: cube[usable, column, 1:] for column, name in enumerate(ranked)}
    return Sample(
        settings,
        rung,
        truth.size,
        positives,
        units,
        value,
        drawn,
        unusable,
        tuple(refusals),
        others,
        other_values,
        other_drawn,
    )


def verdict_of(sample: Sample, champion: str, challenger: str, among: int = 1) -> Verdict:
    """Judge one pair of candidates; refused or unusable pairs are inconclusive, with the reasons.

    A challenger that is the best of `among` on these rows appears better than it is: the interval's error is
    divided by `among` (Bonferroni), and the p-value multiplied by it.
    """
    settings = sample.settings
    verdict = Verdict(
        outcome=Outcome.INCONCLUSIVE,
        rung=sample.rung,
        metric=settings.metric,
        champion=champion,
        challenger=challenger,
        champion_value=sample.value.get(champion, math.nan),
        challenger_value=sample.value.get(challenger, math.nan),
        difference=sample.value.get(challenger, math.nan) - sample.value.get(champion, math.nan),
        low=math.nan,
        high=math.nan,
        level=1 - (1 - settings.confidence) / among,
        effect_size=math.nan,
        p_value=math.nan,
        rows=sample.rows,
        positives=sample.positives,
        among=among,
        reasons=sample.refusals
        + tuple(
            f"{name}: {sample.unusable[name]}" for name in (champion, challenger) if name in sample.unusable
        ),
    )
    if verdict.reasons:
        return verdict
    drawn = sample.drawn[challenger] - sample.drawn[champion]
    low, high = interval(verdict.difference, drawn, sample.units, verdict.level)
    error = float(drawn.std(ddof=1))
    effect = 0.0 if error == 0 else verdict.difference / error / math.sqrt(sample.units)
    p = min(1.0, among * p_value(verdict.difference, drawn, sample.units))
    beside = _beside(sample, champion, challenger, verdict.level)
    verdict = replace(verdict, low=low, high=high, effect_size=effect, p_value=p, beside=beside)
    outcome, reason = _outcome(verdict, settings)
    return replace(verdict, outcome=outcome, reasons=(_figures(verdict), reason))


def _beside(sample: Sample, champion: str, challenger: str, level: float) -> tuple[Beside, ...]:
    results = []
    drawn = sample.other_drawn[challenger] - sample.other_drawn[champion]
    pairs = zip(sample.other_values[champion], sample.other_values[challenger], strict=True)
    for column, (metric, (first, second)) in enumerate(zip(sample.others, pairs, strict=True)):
        low, high = interval(float(second - first), drawn[:, column], sample.units, level)
        results.append(Beside(metric, float(first), float(second), float(second - first), low, high))
    return tuple(results)


def _figures(verdict: Verdict) -> str:
    return (
        f"{verdict.metric} of {verdict.challenger} {verdict.challenger_value:.3f}, of {verdict.champion} "
        f"{verdict.champion_value:.3f}: difference {verdict.difference:+.3f}, "
        f"{100 * verdict.level:.3g} % interval [{verdict.low:+.3f}, {verdict.high:+.3f}], "
        f"{verdict.positives} anomalies in {verdict.rows} rows ({verdict.rung})"
        + (f"; the best of {verdict.among}" if verdict.among > 1 else "")
    )


def _outcome(verdict: Verdict, settings: config.Comparison) -> tuple[Outcome, str]:
    if verdict.low > 0 and verdict.difference >= settings.min_improvement:
        return (
            Outcome.SUPERIOR,
            f"the interval lies above 0 and the gain is at least {settings.min_improvement:g}",
        )
    if verdict.low > -settings.margin:
        worth = f"no gain of at least {settings.min_improvement:g} is shown"
        return Outcome.NON_INFERIOR, f"a loss of {settings.margin:g} or more is ruled out, but {worth}"
    if verdict.high < 0:
        return Outcome.INFERIOR, "the interval lies below 0"
    return Outcome.INCONCLUSIVE, (
        f"the interval holds 0 and reaches the margin of -{settings.margin:g}: more anomalies are needed"
    )
