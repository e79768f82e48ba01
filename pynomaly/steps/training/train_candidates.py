"""Train: fit candidates on the rows of one training and choose among them, without a record or a file.

The one place that decides what a training yields. Production takes candidates that its tasks have fitted and
saved, and keeps what is returned; a replay takes candidates that are fitted in memory when they are asked
for. Both have the same rows, so both have the same scores, winner and verdict.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from pynomaly.config import Candidate, Pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.errors import DetectorError, ModelError
from pynomaly.judging.alerts.recalibration import hold_to_promise
from pynomaly.judging.comparison.choice import CandidateChoice, choose_candidate
from pynomaly.judging.comparison.compare import (
    Verdict,
    VerdictOutcome,
    compare_scores,
    judge_by_alerts,
    judge_by_catches,
    judge_by_promise,
    judge_by_rows,
)
from pynomaly.judging.comparison.evaluation import explain_unusable_scores
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.pareto import CandidateCost
from pynomaly.judging.comparison.ranking_metrics import Array, OperatingPoint
from pynomaly.model.bundle import Bundle
from pynomaly.model.dependence.autocorrelation import normal_scores
from pynomaly.model.dependence.measure import measure_rows
from pynomaly.steps.training.cross_validation import RefittableCandidate, cross_validate
from pynomaly.steps.training.splits import number_rows
from pynomaly.steps.training.training_rows import JudgedRows, TrainingRows, separate_episodes

__all__ = [
    "CandidateTraining",
    "MemoryCandidate",
    "ScoredCandidate",
    "block_by_difference",
    "compare_with",
    "explain_unusable",
    "fit_bundle",
    "fit_in_memory",
    "train_candidates",
]


class ScoredCandidate(RefittableCandidate, Protocol):
    """A candidate that was fitted and has scored the judged rows, or the reason why it could not."""

    @property
    def objections(self) -> tuple[str, ...]:
        """What speaks against the rows that set its p-values; empty for a fit."""

    def scores(self) -> pd.DataFrame:
        """Return the scores of the judged rows: the columns of :meth:`Bundle.score`, in row order."""

    def threshold(self) -> float:
        """Return the share of normal rows that the alert policy flags."""

    def cost(self) -> CandidateCost | None:
        """Return what the fit and the scoring cost, if it was measured."""


@dataclass(frozen=True, eq=False)
class MemoryCandidate:
    """A candidate fitted in this process; without `bundle` and `scored` where `error` says why."""

    label: str
    detector: str
    params: Mapping[str, Any]
    bundle: Bundle | None = None
    scored: pd.DataFrame | None = None
    fit_seconds: float = 0.0
    score_seconds: float = 0.0
    error: str = ""
    objections: tuple[str, ...] = ()

    def scores(self) -> pd.DataFrame:
        """Return the scores of the judged rows, in row order."""
        if self.scored is None:
            raise DetectorError(f"{self.label} has no scores: {self.error}")
        return self.scored

    def model(self) -> Bundle:
        """Return the fitted bundle."""
        if self.bundle is None:
            raise DetectorError(f"{self.label} has no model: {self.error}")
        return self.bundle

    def threshold(self) -> float:
        """Return the share of normal rows that the alert policy flags."""
        return self.model().policy.threshold

    def cost(self) -> CandidateCost | None:
        """Return None: a bundle in memory has no size on disk."""
        return None


@dataclass(frozen=True, eq=False)
class CandidateTraining:
    """What one training yields.

    Attributes
    ----------
    candidates : tuple of ScoredCandidate
    problems : tuple of str
        Why no candidate can be compared, one text a candidate; empty if one can.
    choice : CandidateChoice or None
        None where no candidate can be compared.
    """

    candidates: tuple[ScoredCandidate, ...]
    problems: tuple[str, ...]
    choice: CandidateChoice | None


def fit_bundle(
    pipeline: Pipeline, rows: TrainingRows, candidate: Candidate, facts: Mapping[str, object]
) -> Bundle:
    """Return a bundle fitted and calibrated on `rows`; `facts` are saved inside it.

    Raises
    ------
    DetectorError
        If the detector cannot be fitted; ModelError if its scores cannot be calibrated.
    """
    known = rows.collect_known_anomalies()
    parts = (rows.fit, rows.calibration)
    return Bundle.fit(*parts, pipeline, candidate, rows.contract, dict(facts), known, rows.dependence)


def fit_in_memory(
    pipeline: Pipeline, rows: TrainingRows, label: str, candidate: Candidate, facts: Mapping[str, object]
) -> MemoryCandidate:
    """Fit one candidate and score the judged rows; a failure is returned, not raised."""
    started = time.perf_counter()
    try:
        bundle = fit_bundle(pipeline, rows, candidate, facts)
        fitted = time.perf_counter()
        scored = bundle.score(rows.judged.frame)
    except (DetectorError, ModelError) as error:
        return MemoryCandidate(
            label, candidate.detector, dict(candidate.params), fit_seconds=time.perf_counter() - started,
            error=str(error),
        )  # fmt: skip
    seconds = (fitted - started, time.perf_counter() - fitted)
    return MemoryCandidate(label, candidate.detector, dict(bundle.detector.params), bundle, scored, *seconds)


def train_candidates(
    pipeline: Pipeline, rows: TrainingRows, candidates: Iterable[ScoredCandidate]
) -> CandidateTraining:
    """Take fitted candidates and choose the winner: the first one, unless another is superior.

    Parameters
    ----------
    pipeline : Pipeline
    rows : TrainingRows
        The rows on which the candidates were fitted and which they have scored.
    candidates : iterable of ScoredCandidate
        In the order of the settings; may fit each one when it is taken.
    """
    fitted = tuple(candidates)
    if problems := explain_unusable(fitted):
        return CandidateTraining(fitted, problems, None)
    usable = {item.label: item.scores()["score"].to_numpy() for item in fitted if not item.error}
    baseline = next(iter(usable))
    judged = replace(rows.judged, evidence=_operate(pipeline, rows.judged, fitted))
    rows = replace(rows, judged=judged)
    folds = cross_validate(pipeline, rows, fitted, baseline) if len(usable) > 1 else None
    costs = {item.label: cost for item in fitted if not item.error and (cost := item.cost()) is not None}
    choice = choose_candidate(
        judged.evidence,
        usable,
        pipeline.comparison,
        baseline=baseline,
        seed=pipeline.training.seed,
        costs=costs or None,
        folds=folds,
    )
    return CandidateTraining(fitted, (), choice)


def explain_unusable(candidates: Sequence[ScoredCandidate]) -> tuple[str, ...]:
    """Return why each candidate cannot be compared; empty if one can."""
    problems = []
    for item in candidates:
        problem = item.error or explain_unusable_scores(item.scores()["score"])
        if problem is None:
            return ()
        problems.append(f"{item.label}: {problem}")
    return tuple(problems)


def compare_with(
    pipeline: Pipeline,
    judged: JudgedRows,
    champion: Bundle,
    challenger: ScoredCandidate,
    *,
    name: str,
    among: int = 1,
    attempt: int = 1,
    outlasted: bool = False,
    grown: bool = False,
    rare_alerts: bool = False,
) -> Verdict:
    """Compare a challenger with a champion on the challenger's judged rows.

    Rows are resampled in the blocks that the difference of the two asks for (:func:`block_by_difference`).
    The champion's own detector with new p-values is inferior if anything speaks against the rows that set
    them, or if fewer anomalies alert at the promised rate.

    Parameters
    ----------
    name : str
        Of the champion, for people.
    among : int
        Number of candidates from which these same rows chose the challenger.
    attempt : int
        Which challenger it is since the last promotion that stood.
    outlasted : bool
        Whether it learned a lasting change alone, of which the champion learned nothing.
    grown : bool
        Whether it learned what the champion learned, and at least as much more since.
    rare_alerts : bool
        Whether normal rows of the champion's windows alert far more rarely than it promised.
    """
    tables = champion.score(judged.frame), challenger.scores()
    pair = tables[0]["score"].to_numpy(), tables[1]["score"].to_numpy()
    evidence = _operate(pipeline, judged, [challenger])
    blocked = block_by_difference(champion.contract, judged.frame, evidence, pair)
    verdict = compare_scores(
        blocked,
        *pair,
        pipeline.comparison,
        champion=name,
        challenger=challenger.label,
        seed=pipeline.training.seed,
        among=among,
        attempt=attempt,
    )
    if challenger.objections:
        reasons = (*challenger.objections, *verdict.reasons)
        return replace(verdict, outcome=VerdictOutcome.INFERIOR, reasons=reasons)
    flags = tables[0]["is_anomaly"].to_numpy(dtype=bool), tables[1]["is_anomaly"].to_numpy(dtype=bool)
    if not np.array_equal(*pair):
        promise = champion.policy.threshold, pipeline.degradation.alert_rate_factor
        verdict = judge_by_promise(verdict, blocked, flags, *promise, pipeline.comparison)
        if rare_alerts:
            verdict = judge_by_catches(verdict, blocked, flags, *promise, pipeline.comparison)
        if outlasted or grown:
            return judge_by_rows(verdict, pipeline.comparison, grown)
        return verdict
    p_values, normal, promised = tables[0]["p_value"].to_numpy(), evidence.truth == 0, challenger.threshold()
    held = hold_to_promise(flags[0], p_values, pair[0], normal, promised)
    return judge_by_alerts(verdict, evidence, (held, flags[1]), pipeline.comparison)


def _operate(pipeline: Pipeline, judged: JudgedRows, candidates: Sequence[ScoredCandidate]) -> Evidence:
    """Return the evidence with the alert share of the candidates' policy and what errors cost."""
    threshold = next(item for item in candidates if not item.error).threshold()
    return replace(judged.evidence, operation=OperatingPoint.of(pipeline.alerts, threshold))


def block_by_difference(
    contract: FrameContract, frame: pd.DataFrame, evidence: Evidence, scores: Sequence[Array]
) -> Evidence:
    """Return the evidence in blocks as long, and of as many entities, as the difference of two models asks.

    Before a fit the blocks come from the rows themselves, as long as these last. What is resampled is a
    difference: what both models see of the rows falls out of it, and what they see differently may last
    longer than either, or strike all entities at once.

    Parameters
    ----------
    contract : FrameContract
    frame : DataFrame of shape (n, d)
        The judged rows.
    evidence : Evidence
    scores : sequence of two ndarray of shape (n,)
    """
    is_labelled = evidence.rung is Rung.LABELS
    rows = np.ones(len(frame), dtype=bool) if is_labelled else evidence.truth == 0
    if evidence.injected is not None and evidence.injected.episodes is not None:
        rows = rows & (evidence.injected.episodes < 0)  # rows around episodes are copies
    if contract.time is None or contract.time not in frame or not rows.any():
        return evidence
    if not all(np.isfinite(each).all() for each in scores):
        return evidence  # the verdict says so
    ranks = [normal_scores(each[rows]) for each in scores]
    observed = measure_rows(frame[rows], ranks[0] - ranks[1], contract)
    if not observed.rows:
        return evidence  # too few rows to show an order
    truth = evidence.truth == 1 if is_labelled else None
    return separate_episodes(replace(evidence, blocks=number_rows(contract, frame, observed, truth)))
