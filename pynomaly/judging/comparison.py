"""Which of two models is better on the same rows, with what certainty, and on what kind of evidence.

Called by the gate and by the choice among candidates. The difference of a ranking metric is resampled
in pairs (whole blocks of rows where they depend on each other). Only ``superior`` promotes; a tie keeps
the champion; whatever cannot be computed is ``inconclusive`` and says why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly import config
from pynomaly.errors import DataError, DetectorError, allowed
from pynomaly.judging.evaluation import checked
from pynomaly.judging.injection import Injected
from pynomaly.judging.kinds import by_part, one_sided
from pynomaly.judging.multiplicity import holm
from pynomaly.judging.plain import plain
from pynomaly.judging.ranking import Array, Ints, Operation
from pynomaly.judging.verdict import Outcome, Rung, Sample, Verdict, grouped, resample, verdict_of

__all__ = ["Choice", "Outcome", "Rung", "Verdict", "choose", "compare"]


@dataclass(frozen=True)
class Choice:
    """The candidate to put forward.

    Attributes
    ----------
    winner : str
    verdicts : tuple of Verdict
        Each other candidate against the baseline, p-values after Holm.
    table : tuple of dict
        For each candidate ``candidate``, ``value``, ``low``, ``high``, ``not_computable`` (reason or "").
    reasons : tuple of str
    among : int
        How many candidates these rows chose the winner from, for :func:`compare` on the same rows: 1 for the
        baseline, which was named beforehand and which a tie keeps.
    """

    winner: str
    verdicts: tuple[Verdict, ...]
    table: tuple[dict[str, Any], ...]
    reasons: tuple[str, ...]
    among: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(plain(self))


def compare(
    truth: npt.ArrayLike,
    champion_scores: npt.ArrayLike,
    challenger_scores: npt.ArrayLike,
    settings: config.Comparison,
    *,
    rung: Rung,
    champion: str = "champion",
    challenger: str = "challenger",
    blocks: npt.ArrayLike | None = None,
    seed: int = 42,
    among: int = 1,
    operation: Operation | None = None,
    injected: Injected | None = None,
) -> Verdict:
    """Judge the challenger by the paired bootstrap of the metric's difference.

    Parameters
    ----------
    truth : array of shape (n,)
        1 for an anomaly, 0 for a normal row.
    champion_scores, challenger_scores : array of shape (n,)
        Scores of the same rows, each in its own unit: only their order counts.
    settings : Comparison
    rung : Rung
        On ``stability`` the outcome is always ``inconclusive``.
    champion, challenger : str
        Names for the reasons.
    blocks : array of shape (n,), optional
        Rows with the same number are resampled together.
    seed : int
    among : int
        How many candidates the challenger was chosen from on these same rows, itself included; 1 when it was
        named beforehand. The interval is widened for it (Bonferroni): choosing and judging on the same rows
        otherwise promotes the luckiest of equals. Judging on rows set apart instead would cost more: half of
        the anomalies is a factor of 1.41 on the interval, six candidates one of 1.35.
    operation : Operation, optional
        The share of normal rows that alert, and what errors cost.
    injected : Injected, optional
        Kind and size of each injected anomaly. Then a gain that is of one kind alone, or that goes with a
        loss on another, is ``inconclusive``; :func:`~pynomaly.judging.kinds.one_sided` has the rule.

    Returns
    -------
    Verdict
        ``superior``: the interval lies above 0 and the difference is at least ``min_improvement``;
        ``non_inferior``: the interval lies above ``-margin``; ``inferior``: it lies below 0.

    Raises
    ------
    DataError
        If lengths differ, a label is neither 0 nor 1, or `among` is below 1.
    """
    if among < 1:
        raise DataError(f"the challenger was chosen among {among} candidates; allowed: 1 or more")
    known, first = checked(truth, champion_scores)
    second = checked(truth, challenger_scores)[1]
    other = challenger if challenger != champion else f"{challenger} (challenger)"
    sample = resample(
        known, {champion: first, other: second}, settings, rung, grouped(blocks, known), seed, operation
    )
    verdict = verdict_of(sample, champion, other, among)
    return _by_kind(
        verdict, known, first, second, settings, grouped(blocks, known), seed, operation, injected
    )


def choose(
    truth: npt.ArrayLike,
    scores: Mapping[str, npt.ArrayLike],
    settings: config.Comparison,
    *,
    rung: Rung,
    baseline: str,
    seed: int = 42,
    blocks: npt.ArrayLike | None = None,
    operation: Operation | None = None,
    injected: Injected | None = None,
) -> Choice:
    """Choose among candidates: the best of those that are superior to the baseline, else the baseline.

    Parameters
    ----------
    truth : array of shape (n,)
    scores : mapping of str to array of shape (n,)
        Candidate to its scores of the same rows.
    settings : Comparison
    rung : Rung
    baseline : str
        Candidate that a tie keeps. If its own scores are unusable, the best usable candidate wins.
    seed : int
    blocks : array of shape (n,), optional
    operation, injected : optional
        As for :func:`compare`.

    Raises
    ------
    DataError
        If lengths differ, a label is neither 0 nor 1, or `baseline` is not among the candidates.
    DetectorError
        If no candidate has usable scores: finite, and not all equal.

    References
    ----------
    Holm: A simple sequentially rejective multiple test procedure, Scandinavian J. of Statistics, 1979.
    """
    if baseline not in scores:
        raise DataError(f"baseline {baseline!r} has no scores; {allowed(baseline, scores)}")
    known, _ = checked(truth, scores[baseline])
    arrays = {name: checked(truth, given)[1] for name, given in scores.items()}
    group = grouped(blocks, known)
    sample = resample(known, arrays, settings, rung, group, seed, operation)
    others = [name for name in scores if name != baseline]
    raw = [verdict_of(sample, baseline, name) for name in others]
    alpha = 1 - settings.confidence
    corrected = [
        _corrected(verdict, p, alpha)
        for verdict, p in zip(raw, holm([verdict.p_value for verdict in raw]), strict=True)
    ]
    verdicts = tuple(
        _by_kind(
            verdict,
            known,
            arrays[baseline],
            arrays[verdict.challenger],
            settings,
            group,
            seed,
            operation,
            injected,
        )
        for verdict in corrected
    )
    winner, reasons = _winner(sample, baseline, verdicts)
    among = 1 if winner == baseline else len(scores)
    return Choice(winner, verdicts, tuple(_row(sample, name) for name in scores), reasons, among)


def _by_kind(
    verdict: Verdict,
    truth: Ints,
    champion: Array,
    challenger: Array,
    settings: config.Comparison,
    blocks: Ints | None,
    seed: int,
    operation: Operation | None,
    injected: Injected | None,
) -> Verdict:
    """The verdict with its figures by kind and size; superiority of one kind alone becomes inconclusive."""
    if injected is None or verdict.rung is not Rung.INJECTED or math.isnan(verdict.low):
        return verdict
    at = operation or Operation()
    kinds, sizes = (
        by_part(
            truth, champion, challenger, parts, settings, blocks=blocks, level=verdict.level, seed=seed,
            operation=at,
        )
        for parts in (injected.kinds, injected.sizes)
    )  # fmt: skip
    verdict = replace(verdict, kinds=kinds, sizes=sizes)
    told = "by kind: " + ", ".join(part.said() for part in kinds)
    reasons = (*verdict.reasons, told)
    if verdict.outcome is not Outcome.SUPERIOR:
        return replace(verdict, reasons=reasons)
    if against := one_sided(truth, champion, challenger, injected.kinds, kinds, settings, at):
        return replace(verdict, outcome=Outcome.INCONCLUSIVE, reasons=(verdict.reasons[0], against, told))
    return replace(verdict, reasons=reasons)


def _corrected(verdict: Verdict, p_value: float, alpha: float) -> Verdict:
    """The verdict with its p-value after Holm; superiority that does not survive becomes non-inferiority."""
    verdict = replace(verdict, p_value=p_value)
    if verdict.outcome is not Outcome.SUPERIOR or p_value < alpha:
        return verdict
    reason = f"the gain does not survive Holm's correction (p = {p_value:.3g}, needed: below {alpha:.3g})"
    return replace(verdict, outcome=Outcome.NON_INFERIOR, reasons=(verdict.reasons[0], reason))


def _winner(sample: Sample, baseline: str, verdicts: tuple[Verdict, ...]) -> tuple[str, tuple[str, ...]]:
    usable = [
        name for name in (baseline, *(item.challenger for item in verdicts)) if name not in sample.unusable
    ]
    if not usable:
        failed = "; ".join(f"{name}: {reason}" for name, reason in sample.unusable.items())
        raise DetectorError(f"no candidate has usable scores: {failed}; needed: finite, and not all equal")
    if baseline in sample.unusable:
        best = max(usable, key=lambda name: sample.value.get(name, -math.inf))
        basis = (
            f"has the best {sample.settings.metric} of the others"
            if sample.value
            else "is the first usable one"
        )
        return best, (
            f"the baseline {baseline} is out: {sample.unusable[baseline]}; {best} {basis}",
            *sample.refusals,
        )
    better = [verdict for verdict in verdicts if verdict.outcome is Outcome.SUPERIOR]
    if better:
        best_verdict = max(better, key=lambda verdict: verdict.challenger_value)
        return best_verdict.challenger, best_verdict.reasons
    kept = f"no candidate is superior to the baseline {baseline}, which is kept"
    return baseline, (kept, *(f"{item.challenger}: {item.reasons[-1]}" for item in verdicts))


def _row(sample: Sample, name: str) -> dict[str, Any]:
    low = high = math.nan
    if name in sample.drawn:
        tail = (1 - sample.settings.confidence) / 2
        low, high = (float(value) for value in np.quantile(sample.drawn[name], [tail, 1 - tail]))
    reason = sample.unusable.get(name) or ("" if name in sample.value else "; ".join(sample.refusals))
    return {
        "candidate": name,
        "value": sample.value.get(name, math.nan),
        "low": low,
        "high": high,
        "not_computable": reason,
    }
