"""Compare two models on the same rows: which is better, how certain it is, and on what kind of evidence.

Called by the gate and by the choice among candidates. The difference of a ranking metric is resampled in
pairs (by whole blocks where rows depend on each other). Only ``superior`` promotes; a tie keeps the champion;
what cannot be computed is ``inconclusive``, with the reason.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy.typing as npt

from pynomaly import config
from pynomaly.errors import DataError
from pynomaly.judging.evaluation import checked
from pynomaly.judging.injection import Injected
from pynomaly.judging.kinds import by_part, one_sided
from pynomaly.judging.ranking import Array, Ints, Operation
from pynomaly.judging.verdict import Outcome, Rung, Verdict, grouped, resample, verdict_of

__all__ = ["Outcome", "Rung", "Verdict", "by_kind", "compare"]


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
        Scores of the same rows, each in its own unit: only their order matters.
    settings : Comparison
    rung : Rung
        On ``stability`` the outcome is always ``inconclusive``.
    champion, challenger : str
        Names used in the reasons.
    blocks : array of shape (n,), optional
        Rows with the same number are resampled together.
    seed : int
    among : int
        Number of candidates from which the challenger was chosen on these same rows, itself included; 1 when
        it was fixed beforehand. The interval is widened for it (Bonferroni): without that, choosing and
        judging on the same rows promotes the luckiest of equal candidates. Judging on separate rows would
        cost more: with half of the anomalies the interval is 1.41 times as wide, with six candidates 1.35.
    operation : Operation, optional
        Share of normal rows that alert, and the cost of errors.
    injected : Injected, optional
        Kind and size of each injected anomaly. A gain on one kind alone, or with a loss on another kind, is
        then ``inconclusive``; :func:`~pynomaly.judging.kinds.one_sided` has the rule.

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
    labels, first = checked(truth, champion_scores)
    second = checked(truth, challenger_scores)[1]
    other = challenger if challenger != champion else f"{challenger} (challenger)"
    sample = resample(
        labels, {champion: first, other: second}, settings, rung, grouped(blocks, labels), seed, operation
    )
    verdict = verdict_of(sample, champion, other, among)
    return by_kind(
        verdict, labels, first, second, settings, grouped(blocks, labels), seed, operation, injected
    )


def by_kind(
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
    """Add the results by kind and size; superiority on one kind alone becomes inconclusive."""
    if injected is None or verdict.rung is not Rung.INJECTED or math.isnan(verdict.low):
        return verdict
    operating_point = operation or Operation()
    kinds, sizes = (
        by_part(
            truth, champion, challenger, parts, settings, blocks=blocks, level=verdict.level, seed=seed,
            operation=operating_point,
        )
        for parts in (injected.kinds, injected.sizes)
    )  # fmt: skip
    verdict = replace(verdict, kinds=kinds, sizes=sizes)
    summary = "by kind: " + ", ".join(part.describe() for part in kinds)
    reasons = (*verdict.reasons, summary)
    if verdict.outcome is not Outcome.SUPERIOR:
        return replace(verdict, reasons=reasons)
    if objection := one_sided(truth, champion, challenger, injected.kinds, kinds, settings, operating_point):
        return replace(
            verdict, outcome=Outcome.INCONCLUSIVE, reasons=(verdict.reasons[0], objection, summary)
        )
    return replace(verdict, reasons=reasons)
