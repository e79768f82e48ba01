"""Compares fitted models: the candidates among themselves, and the best one with the champion.

All are compared on the same rows. Called once for each training, after every candidate is fitted. Reads
bundles and rows and writes nothing: the steps that act on the verdicts record them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pynomaly.config import Pipeline
from pynomaly.errors import DetectorError
from pynomaly.judging.comparison.choice import CandidateChoice, choose_candidate
from pynomaly.judging.comparison.compare import Verdict, compare_scores
from pynomaly.judging.comparison.ranking_metrics import OperatingPoint
from pynomaly.model.bundle import Bundle
from pynomaly.records.registry import Registry
from pynomaly.steps.champion import find_champion
from pynomaly.steps.training.cross_validation import cross_validate
from pynomaly.steps.training.fit_candidates import FittedCandidate
from pynomaly.steps.training.prepare import JudgedRows, PreparedReference

__all__ = ["build_operation", "choose_winner", "compare_with_champion"]


def choose_winner(
    pipeline: Pipeline, prepared: PreparedReference, fitted: Sequence[FittedCandidate]
) -> CandidateChoice:
    """Choose the winning candidate: the baseline, unless another is superior on the judged rows.

    Raises
    ------
    DetectorError
        If no candidate could be fitted.
    """
    usable = {item.label: item.scores()["score"].to_numpy() for item in fitted if not item.error}
    if not usable:
        failed = "; ".join(f"{item.label}: {item.error}" for item in fitted)
        raise DetectorError(f"{pipeline.name}: no candidate could be fitted: {failed}")
    judged = JudgedRows.load(prepared)
    baseline = fitted[0].label if fitted[0].label in usable else next(iter(usable))
    evidence = replace(judged.evidence, operation=build_operation(pipeline, fitted))
    judged = replace(judged, evidence=evidence)
    return choose_candidate(
        evidence,
        usable,
        pipeline.comparison,
        baseline=baseline,
        seed=pipeline.training.seed,
        costs={item.label: item.cost() for item in fitted if not item.error},
        folds=cross_validate(pipeline, prepared, judged, fitted, baseline) if len(usable) > 1 else None,
    )


def compare_with_champion(
    pipeline: Pipeline, prepared: PreparedReference, challenger: FittedCandidate, among: int = 1
) -> Verdict | None:
    """Compare challenger and champion on the judged rows; None if there is no champion yet.

    Parameters
    ----------
    pipeline : Pipeline
    prepared : PreparedReference
    challenger : FittedCandidate
    among : int
        Number of candidates from which these same rows chose it (:attr:`CandidateChoice.among`).
    """
    registry = Registry.open_for(pipeline)
    reference = find_champion(pipeline, registry)
    if reference is None:
        return None
    judged = JudgedRows.load(prepared)
    champion = registry.load_bundle(reference)
    return compare_scores(
        replace(judged.evidence, operation=build_operation(pipeline, [challenger])),
        champion.score(judged.frame)["score"].to_numpy(),
        challenger.scores()["score"].to_numpy(),
        pipeline.comparison,
        champion=f"{pipeline.name} v{reference.version}",
        challenger=challenger.label,
        seed=pipeline.training.seed,
        among=among,
    )


def build_operation(pipeline: Pipeline, fitted: Sequence[FittedCandidate]) -> OperatingPoint:
    """Return the share of normal rows that the alert policy flags, and what errors cost, for `fitted`."""
    first = next(item for item in fitted if not item.error)
    policy = Bundle.load(Path(first.folder), first.sha256).policy
    return OperatingPoint.of(pipeline.alerts, policy.threshold)
