"""Choose the candidate of a training: the baseline, unless another is superior to it on the same rows.

All candidates are resampled together, so every difference is paired, and p-values are corrected for the
number of candidates. The result also reports each candidate's cost, the Pareto front of quality and cost, and
mean ranks over parts of the rows. Called once per training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly import config
from pynomaly.errors import DataError, DetectorError, list_allowed
from pynomaly.judging.comparison.compare import judge_by_kind
from pynomaly.judging.comparison.evaluation import Metrics, build_metrics, compute_metrics
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.intervals import share_interval
from pynomaly.judging.comparison.pareto import CandidateCost, describe_savings, find_pareto_front
from pynomaly.judging.comparison.rank_tests import RankTest, build_block_table, friedman_test
from pynomaly.judging.comparison.ranking_metrics import Array
from pynomaly.judging.comparison.resampled_tests import FoldTest
from pynomaly.judging.comparison.verdict import (
    ResampledMetrics,
    Verdict,
    VerdictOutcome,
    judge_pair,
    resample_candidates,
)
from pynomaly.judging.jsonable import to_jsonable
from pynomaly.judging.multiplicity import holm

__all__ = ["CandidateChoice", "choose_candidate"]


@dataclass(frozen=True)
class CandidateChoice:
    """The chosen candidate, with the evidence.

    Attributes
    ----------
    winner : str
    verdicts : tuple of Verdict
        Each other candidate against the baseline, with Holm-corrected p-values.
    table : tuple of dict
        For each candidate ``candidate``, ``value``, ``low``, ``high``, ``not_computable`` (reason or "");
        with costs also ``fit_seconds``, ``score_seconds``, ``megabytes`` and ``find_pareto_front`` (whether
        the candidate is on the Pareto front).
    reasons : tuple of str
    among : int
        Number of candidates from which the winner was chosen on these rows; pass it to :func:`compare` on the
        same rows. 1 for the baseline, which is fixed beforehand and wins a tie.
    ranks : RankTest or None
        Ranks of three or more candidates over parts of the judged rows; None where data do not suffice.
    folds : mapping of str to FoldTest
        Each candidate against the baseline over refits; empty unless ``comparison.folds`` is set.
    cheaper : tuple of str
        Candidates that are no worse than the winner, cost at most half of it in one respect and no more in
        the others. Named in the reasons; never chosen for that.
    measured : mapping of str to Metrics
        Every metric of each candidate, with its interval from the same resamples.
    """

    winner: str
    verdicts: tuple[Verdict, ...]
    table: tuple[dict[str, Any], ...]
    reasons: tuple[str, ...]
    among: int = 1
    ranks: RankTest | None = None
    folds: Mapping[str, FoldTest] = field(default_factory=dict)
    cheaper: tuple[str, ...] = ()
    measured: Mapping[str, Metrics] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        return dict(to_jsonable(self))


def choose_candidate(
    evidence: Evidence,
    scores: Mapping[str, npt.ArrayLike],
    settings: config.Comparison,
    *,
    baseline: str,
    seed: int = 42,
    costs: Mapping[str, CandidateCost] | None = None,
    folds: Mapping[str, FoldTest] | None = None,
) -> CandidateChoice:
    """Choose the best candidate among those superior to the baseline, else the baseline.

    Parameters
    ----------
    evidence : Evidence
    scores : mapping of str to array of shape (n,)
        Scores of each candidate on the same rows.
    settings : Comparison
    baseline : str
        Candidate that wins a tie. If its scores are unusable, the best usable candidate wins.
    seed : int
    costs : mapping of str to CandidateCost, optional
    folds : mapping of str to FoldTest, optional
        Each other candidate against the baseline over refits. If present, a candidate that is superior on
        the judged rows must also be better over refits, after Holm's correction.

    Raises
    ------
    DataError
        If scores are not one for each row, or `baseline` is not among the candidates.
    DetectorError
        If no candidate has usable scores: finite, and not all equal.

    References
    ----------
    Holm: A simple sequentially rejective multiple test procedure, Scandinavian J. of Statistics, 1979.
    """
    if baseline not in scores:
        raise DataError(f"baseline {baseline!r} has no scores; {list_allowed(baseline, scores)}")
    arrays = {name: evidence.check_scores(array) for name, array in scores.items()}
    sample = resample_candidates(evidence, arrays, settings, seed)
    others = [name for name in scores if name != baseline]
    raw = [judge_pair(sample, baseline, name) for name in others]
    alpha = 1 - settings.confidence
    corrected = [
        _apply_correction(verdict, p, alpha)
        for verdict, p in zip(raw, holm([verdict.p_value for verdict in raw]), strict=True)
    ]
    verdicts = tuple(
        judge_by_kind(verdict, evidence, arrays[baseline], arrays[verdict.challenger], settings, seed)
        for verdict in corrected
    )
    if folds is not None:
        verdicts = _confirm_over_refits(verdicts, folds, alpha)
    winner, reasons = _select_winner(sample, baseline, verdicts)
    savings = _find_cheaper(sample, winner, costs or {})
    usable = {name: array for name, array in arrays.items() if name in sample.value}
    parts = build_block_table(evidence, usable, settings.metric, seed)
    return CandidateChoice(
        winner,
        verdicts,
        tuple(_build_row(sample, name) for name in scores)
        if costs is None
        else _build_cost_rows(sample, arrays, costs),
        (
            *reasons,
            *(f"{name} is no worse than {winner} and cheaper: {saved}" for name, saved in savings.items()),
        ),
        among=1 if winner == baseline else len(scores),
        ranks=friedman_test(parts, settings.confidence) if parts and sample.drawn else None,
        folds=dict(folds or {}),
        cheaper=tuple(savings),
        measured={name: _measure_candidate(sample, name, arrays[name], seed) for name in scores},
    )


def _measure_candidate(sample: ResampledMetrics, name: str, scores: Array, seed: int) -> Metrics:
    """Compute a candidate's metrics from the existing resamples, or from new ones where there are none."""
    evidence, level = sample.evidence, sample.settings.confidence
    if name not in sample.drawn:
        return compute_metrics(evidence, scores, confidence=level, seed=seed)
    values = [sample.value[name], *sample.other_values[name]]
    drawn = np.column_stack([sample.drawn[name], sample.other_drawn[name]])
    return build_metrics((sample.settings.metric, *sample.others), values, drawn, evidence, level)


def _confirm_over_refits(
    verdicts: tuple[Verdict, ...], folds: Mapping[str, FoldTest], alpha: float
) -> tuple[Verdict, ...]:
    """Return the verdicts, with superiority that refits do not confirm changed to non-inferiority."""
    corrected = dict(zip(folds, holm([test.p_value for test in folds.values()]), strict=True))
    confirmed = []
    for verdict in verdicts:
        test = folds.get(verdict.challenger)
        summary = "was not refitted"
        if test is not None:
            p = corrected[verdict.challenger]
            summary = f"differs by {test.difference:+.3f} over {test.folds} refits, p = {p:.3g}"
        if verdict.outcome is not VerdictOutcome.SUPERIOR:
            confirmed.append(verdict)
        elif test is not None and test.difference > 0 and p < alpha:
            confirmed.append(replace(verdict, reasons=(*verdict.reasons, f"refits agree: it {summary}")))
        else:
            reason = f"superior on the judged rows, but it {summary}"
            confirmed.append(
                replace(verdict, outcome=VerdictOutcome.NON_INFERIOR, reasons=(verdict.reasons[0], reason))
            )
    return tuple(confirmed)


def _find_cheaper(
    sample: ResampledMetrics, winner: str, costs: Mapping[str, CandidateCost]
) -> dict[str, str]:
    """Return candidates that are no worse than the winner and cost less, with the saving in words."""
    if winner not in costs or winner not in sample.drawn:
        return {}
    savings = {}
    for name in sample.drawn:
        if name == winner or name not in costs:
            continue
        verdict = judge_pair(sample, winner, name)
        no_worse = verdict.outcome in (VerdictOutcome.NON_INFERIOR, VerdictOutcome.SUPERIOR)
        if no_worse and (saving := describe_savings(costs[winner], costs[name])):
            savings[name] = saving
    return savings


def _build_cost_rows(
    sample: ResampledMetrics, names: Iterable[str], costs: Mapping[str, CandidateCost]
) -> tuple[dict[str, Any], ...]:
    """Return the table's rows with costs and membership of the Pareto front."""
    best = find_pareto_front(sample.value, costs)
    return tuple(
        _build_row(sample, name)
        | (
            asdict(costs[name])
            if name in costs
            else dict.fromkeys(CandidateCost.__dataclass_fields__, math.nan)
        )
        | {"front": name in best}
        for name in names
    )


def _apply_correction(verdict: Verdict, p_value: float, alpha: float) -> Verdict:
    """Set the Holm-corrected p-value; superiority that is no longer significant becomes non-inferiority."""
    verdict = replace(verdict, p_value=p_value)
    if verdict.outcome is not VerdictOutcome.SUPERIOR or p_value < alpha:
        return verdict
    reason = f"the gain does not survive Holm's correction (p = {p_value:.3g}, needed: below {alpha:.3g})"
    return replace(verdict, outcome=VerdictOutcome.NON_INFERIOR, reasons=(verdict.reasons[0], reason))


def _select_winner(
    sample: ResampledMetrics, baseline: str, verdicts: tuple[Verdict, ...]
) -> tuple[str, tuple[str, ...]]:
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
    better = [verdict for verdict in verdicts if verdict.outcome is VerdictOutcome.SUPERIOR]
    if better:
        best_verdict = max(better, key=lambda verdict: verdict.challenger_value)
        return best_verdict.challenger, best_verdict.reasons
    summary = f"no candidate is superior to the baseline {baseline}, which is kept"
    alike = [item for item in verdicts if item.low <= 0 <= item.high]
    untold = (
        ("the injected anomalies do not tell the candidates apart: each difference lies within its interval",)
        if verdicts and len(alike) == len(verdicts) and sample.evidence.rung is Rung.INJECTED
        else ()
    )
    return baseline, (summary, *untold, *(f"{item.challenger}: {item.reasons[-1]}" for item in verdicts))


def _build_row(sample: ResampledMetrics, name: str) -> dict[str, Any]:
    low = high = math.nan
    if name in sample.drawn:
        units, level = sample.evidence.units, sample.settings.confidence
        low, high = share_interval(sample.value[name], sample.drawn[name], units, level)
    reason = sample.unusable.get(name) or ("" if name in sample.value else "; ".join(sample.refusals))
    return {
        "candidate": name,
        "value": sample.value.get(name, math.nan),
        "low": low,
        "high": high,
        "not_computable": reason,
    }
