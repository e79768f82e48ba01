"""The verdict of a comparison of two models, and the paired resamples on which it is based.

The difference of a ranking metric is resampled in pairs, by whole blocks where rows depend on each other.
What cannot be computed is ``inconclusive``, with the reason. The functions are called by
:mod:`~pynomaly.judging.comparison.compare` and :mod:`~pynomaly.judging.comparison.choice` only; the result
types are public.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from pynomaly import config
from pynomaly.judging.any_time import bound_at_any_time, compute_any_time_p_value
from pynomaly.judging.comparison.by_anomaly_kind import KindComparison
from pynomaly.judging.comparison.evaluation import explain_unusable_scores
from pynomaly.judging.comparison.evidence import Evidence, Rung, explain_unusable_truth
from pynomaly.judging.comparison.intervals import bootstrap_interval, bootstrap_p_value, estimate_error
from pynomaly.judging.comparison.ranking_metrics import METRICS, Array, Metric, bootstrap_metrics
from pynomaly.judging.jsonable import to_jsonable

__all__ = [
    "ResampledMetrics",
    "Rung",
    "SecondaryMetric",
    "Verdict",
    "VerdictOutcome",
    "awaits_evidence",
    "count_looks",
    "judge_pair",
    "resample_candidates",
]


def awaits_evidence(verdict: Mapping[str, Any]) -> bool:
    """Return whether a verdict, as :meth:`Verdict.to_dict` writes it, tested nothing: too few anomalies."""
    values = (verdict.get("champion_value"), verdict.get("challenger_value"))
    return verdict.get("low") is None and None not in values


class VerdictOutcome(StrEnum):
    """Result of a comparison, seen from the challenger."""

    SUPERIOR = "superior"
    NON_INFERIOR = "non_inferior"
    INFERIOR = "inferior"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class SecondaryMetric:
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
        Two-sided, of no difference; Holm-corrected when it comes from :func:`choose_candidate`.
    rows, positives : int
    among : int
        Number of candidates from which the challenger was chosen on these same rows; `level` and
        `bootstrap_p_value` are corrected for it.
    attempt : int
        Which challenger it is since the last promotion that stood; `level` and `bootstrap_p_value` are
        corrected for it, too (:func:`count_looks`).
    beside : tuple of SecondaryMetric
        The other metrics on the same resamples. Only `metric` decides, so they need no correction.
    kinds, sizes : tuple of KindComparison
        Results by kind and by size of injected anomalies; empty on the other rungs.
    reasons : tuple of str
    """

    outcome: VerdictOutcome
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
    beside: tuple[SecondaryMetric, ...] = ()
    kinds: tuple[KindComparison, ...] = ()
    sizes: tuple[KindComparison, ...] = ()
    attempt: int = 1

    @property
    def awaits_evidence(self) -> bool:
        """Whether the rows hold too few anomalies to compare two models that could be: nothing was tested."""
        return awaits_evidence(self.to_dict())

    @property
    def promotes(self) -> bool:
        """Whether the gate may promote on this verdict."""
        return self.outcome is VerdictOutcome.SUPERIOR

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values; numbers that were not computed are None."""
        return dict(to_jsonable(self))


@dataclass(frozen=True)
class ResampledMetrics:
    """The deciding metric and the other metrics of every usable candidate, on all rows and each resample."""

    settings: config.Comparison
    evidence: Evidence
    value: dict[str, float]
    drawn: dict[str, Array]
    unusable: dict[str, str]
    refusals: tuple[str, ...]
    others: tuple[Metric, ...]
    other_values: dict[str, Array]
    other_drawn: dict[str, Array]


def resample_candidates(
    evidence: Evidence, scores: Mapping[str, Array], settings: config.Comparison, seed: int
) -> ResampledMetrics:
    """Resample all candidates together, so that every difference is paired."""
    positives, units = evidence.positives, evidence.units
    refusals = []
    if reason := explain_unusable_truth(evidence.truth):
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
    unusable = {name: reason for name, array in scores.items() if (reason := explain_unusable_scores(array))}
    ranked = {}
    if explain_unusable_truth(evidence.truth) is None:
        ranked = {name: evidence.rank(array) for name, array in scores.items() if name not in unusable}
    value = {name: ranking.value(settings.metric) for name, ranking in ranked.items()}
    others: tuple[Metric, ...] = tuple(metric for metric in METRICS if metric != settings.metric)
    unit_weights = np.ones((evidence.rows, 1))
    other_values = {name: ranking.compute_all(others, unit_weights)[0] for name, ranking in ranked.items()}
    drawn: dict[str, Array] = {}
    other_drawn: dict[str, Array] = {}
    if ranked and not refusals:
        metrics = (settings.metric, *others)
        cube = bootstrap_metrics(list(ranked.values()), metrics, settings.resamples, seed, evidence.blocks)
        usable = np.isfinite(cube[:, 0, 0])
        if usable.mean() < 0.95:
            refusals.append(f"{int((~usable).sum())} of {settings.resamples} resamples hold one class alone")
        else:
            drawn = {name: cube[usable, column, 0] for column, name in enumerate(ranked)}
            other_drawn = {name: cube[usable, column, 1:] for column, name in enumerate(ranked)}
    return ResampledMetrics(
        settings,
        evidence,
        value,
        drawn,
        unusable,
        tuple(refusals),
        others,
        other_values,
        other_drawn,
    )


def count_looks(attempt: int) -> int:
    """Return by how much the error of an attempt is divided, so that all attempts together double it at most.

    The first has the whole error, the k-th a share of 1 / (k (k - 1)): these sum to 1 (alpha spending). With
    95 % intervals equal challengers are promoted once in twenty at most, however often one is trained.
    """
    return max(1, attempt * (attempt - 1))


def judge_pair(
    sample: ResampledMetrics, champion: str, challenger: str, among: int = 1, attempt: int = 1
) -> Verdict:
    """Judge one pair of candidates; refused or unusable pairs are inconclusive, with the reasons.

    A challenger that is the best of `among` on these rows appears better than it is: the interval's error is
    divided by `among` (Bonferroni), and the p-value multiplied by it; likewise for the number of the attempt.
    """
    times = among * count_looks(attempt)
    settings = sample.settings
    verdict = Verdict(
        outcome=VerdictOutcome.INCONCLUSIVE,
        rung=sample.evidence.rung,
        metric=settings.metric,
        champion=champion,
        challenger=challenger,
        champion_value=sample.value.get(champion, math.nan),
        challenger_value=sample.value.get(challenger, math.nan),
        difference=sample.value.get(challenger, math.nan) - sample.value.get(champion, math.nan),
        low=math.nan,
        high=math.nan,
        level=1 - (1 - settings.confidence) / times,
        effect_size=math.nan,
        p_value=math.nan,
        rows=sample.evidence.rows,
        positives=sample.evidence.positives,
        among=among,
        attempt=attempt,
        reasons=sample.refusals
        + tuple(
            f"{name}: {sample.unusable[name]}" for name in (champion, challenger) if name in sample.unusable
        ),
    )
    if verdict.reasons:
        return verdict
    units = sample.evidence.units
    drawn = sample.drawn[challenger] - sample.drawn[champion]
    low, high, p_alone = _test_difference(
        sample.evidence.rung, verdict.difference, drawn, units, verdict.level
    )
    error = float(drawn.std(ddof=1))
    effect = 0.0 if error == 0 else verdict.difference / error / math.sqrt(units)
    p = min(1.0, times * p_alone)
    beside = _compare_secondary(sample, champion, challenger, verdict.level)
    verdict = replace(verdict, low=low, high=high, effect_size=effect, p_value=p, beside=beside)
    outcome, reason = _decide_outcome(verdict, settings)
    return replace(verdict, outcome=outcome, reasons=(_format_figures(verdict), reason))


def _test_difference(
    rung: Rung, difference: float, drawn: Array, units: int, level: float
) -> tuple[float, float, float]:
    """Return the ends of the interval, and the p-value of no difference.

    People look at an audit after every answer; the rows of the other rungs are looked at once.
    """
    if rung is not Rung.AUDITED:
        interval = bootstrap_interval(difference, drawn, units, level)
        return *interval, bootstrap_p_value(difference, drawn, units)
    error = estimate_error(drawn, units)
    interval = bound_at_any_time(difference, error, units, level)
    return *interval, compute_any_time_p_value(difference, error, units)


def _compare_secondary(
    sample: ResampledMetrics, champion: str, challenger: str, level: float
) -> tuple[SecondaryMetric, ...]:
    results, units = [], sample.evidence.units
    drawn = sample.other_drawn[challenger] - sample.other_drawn[champion]
    pairs = zip(sample.other_values[champion], sample.other_values[challenger], strict=True)
    for column, (metric, (first, second)) in enumerate(zip(sample.others, pairs, strict=True)):
        low, high = bootstrap_interval(float(second - first), drawn[:, column], units, level)
        results.append(SecondaryMetric(metric, float(first), float(second), float(second - first), low, high))
    return tuple(results)


def _format_figures(verdict: Verdict) -> str:
    return (
        f"{verdict.metric} of {verdict.challenger} {verdict.challenger_value:.3f}, of {verdict.champion} "
        f"{verdict.champion_value:.3f}: difference {verdict.difference:+.3f}, "
        f"{100 * verdict.level:.3g} % interval [{verdict.low:+.3f}, {verdict.high:+.3f}], "
        f"{verdict.positives} anomalies in {verdict.rows} rows ({verdict.rung})"
        + (f"; the best of {verdict.among}" if verdict.among > 1 else "")
        + (f"; attempt {verdict.attempt} since the last promotion" if verdict.attempt > 1 else "")
    )


def _decide_outcome(verdict: Verdict, settings: config.Comparison) -> tuple[VerdictOutcome, str]:
    if verdict.low > 0 and verdict.difference >= settings.min_improvement:
        return (
            VerdictOutcome.SUPERIOR,
            f"the interval lies above 0 and the gain is at least {settings.min_improvement:g}",
        )
    if verdict.low > -settings.margin:
        worth = f"no gain of at least {settings.min_improvement:g} is shown"
        return VerdictOutcome.NON_INFERIOR, f"a loss of {settings.margin:g} or more is ruled out, but {worth}"
    if verdict.high < 0:
        return VerdictOutcome.INFERIOR, "the interval lies below 0"
    return VerdictOutcome.INCONCLUSIVE, (
        f"the interval holds 0 and reaches the margin of -{settings.margin:g}: more anomalies are needed"
    )
