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
from pynomaly.judging.comparison.by_anomaly_kind import compare_by_part, explain_one_sided_gain
from pynomaly.judging.comparison.evaluation import check_arrays
from pynomaly.judging.comparison.injection import InjectedAnomalies
from pynomaly.judging.comparison.ranking_metrics import Array, Ints, OperatingPoint
from pynomaly.judging.comparison.verdict import (
    Rung,
    Verdict,
    VerdictOutcome,
    check_blocks,
    judge_pair,
    resample_candidates,
)

__all__ = ["Rung", "Verdict", "VerdictOutcome", "compare_scores", "judge_by_kind"]


def compare_scores(
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
    operation: OperatingPoint | None = None,
    injected: InjectedAnomalies | None = None,
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
    operation : OperatingPoint, optional
        Share of normal rows that alert, and the cost of errors.
    injected : InjectedAnomalies, optional
        Kind and size of each injected anomaly. A gain on one kind alone, or with a loss on another kind, is
        then ``inconclusive``; :func:`~pynomaly.judging.comparison.by_anomaly_kind.explain_one_sided_gain` has
        the rule.

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
    labels, first = check_arrays(truth, champion_scores)
    second = check_arrays(truth, challenger_scores)[1]
    other = challenger if challenger != champion else f"{challenger} (challenger)"
    sample = resample_candidates(
        labels,
        {champion: first, other: second},
        settings,
        rung,
        check_blocks(blocks, labels),
        seed,
        operation,
    )
    verdict = judge_pair(sample, champion, other, among)
    return judge_by_kind(
        verdict, labels, first, second, settings, check_blocks(blocks, labels), seed, operation, injected
    )


def judge_by_kind(
    verdict: Verdict,
    truth: Ints,
    champion: Array,
    challenger: Array,
    settings: config.Comparison,
    blocks: Ints | None,
    seed: int,
    operation: OperatingPoint | None,
    injected: InjectedAnomalies | None,
) -> Verdict:
    """Add the results by kind and size; superiority on one kind alone becomes inconclusive."""
    if injected is None or verdict.rung is not Rung.INJECTED or math.isnan(verdict.low):
        return verdict
    operating_point = operation or OperatingPoint()
    kinds, sizes = (
        compare_by_part(
            truth, champion, challenger, parts, settings, blocks=blocks, level=verdict.level, seed=seed,
            operation=operating_point,
        )
        for parts in (injected.kinds, injected.sizes)
    )  # fmt: skip
    verdict = replace(verdict, kinds=kinds, sizes=sizes)
    summary = "by kind: " + ", ".join(part.describe() for part in kinds)
    reasons = (*verdict.reasons, summary)
    if verdict.outcome is not VerdictOutcome.SUPERIOR:
        return replace(verdict, reasons=reasons)
    if objection := explain_one_sided_gain(
        truth, champion, challenger, injected.kinds, kinds, settings, operating_point
    ):
        return replace(
            verdict, outcome=VerdictOutcome.INCONCLUSIVE, reasons=(verdict.reasons[0], objection, summary)
        )
    return replace(verdict, reasons=reasons)
