"""Compares fitted models: the candidates among themselves, and the best one with the champion.

All are compared on the same rows. Called once for each training, after every candidate is fitted. A training
in which no candidate can be compared is refused on record; other verdicts are recorded by the steps that act
on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from pynomaly.config import Pipeline
from pynomaly.errors import DetectorError
from pynomaly.judging.comparison.choice import CandidateChoice
from pynomaly.judging.comparison.compare import Verdict
from pynomaly.judging.drift.degradation import Observation
from pynomaly.records.ledger import Decision, Ledger, TrainingFacts
from pynomaly.records.ledger.decision_evidence import UnusableEvidence
from pynomaly.records.registry import Registry
from pynomaly.steps.champion import find_champion
from pynomaly.steps.changes import MAX_WINDOWS, has_outlasted, has_rare_alerts, learned_more
from pynomaly.steps.rejections import count_attempts
from pynomaly.steps.training.fit_candidates import FittedCandidate
from pynomaly.steps.training.prepare import PreparedReference
from pynomaly.steps.training.recalibration.new_p_values import find_detector_window
from pynomaly.steps.training.train_candidates import compare_with, explain_unusable, train_candidates

__all__ = ["choose_winner", "compare_with_champion", "refuse_unusable"]


def choose_winner(
    pipeline: Pipeline, prepared: PreparedReference, fitted: Sequence[FittedCandidate]
) -> CandidateChoice:
    """Choose the winning candidate: the baseline, unless another is superior on the judged rows.

    Raises
    ------
    DetectorError
        If no candidate could be fitted, or none has usable scores.
    """
    training = train_candidates(pipeline, prepared.load_rows(), fitted)
    if training.choice is None:
        raise DetectorError(f"{pipeline.name}: no candidate can be compared: {'; '.join(training.problems)}")
    return training.choice


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
    name, champion = f"{pipeline.name} v{reference.version}", registry.load_bundle(reference)
    with Ledger.open(pipeline.ledger_url) as ledger:
        as_of = pd.Timestamp(prepared.as_of).to_pydatetime()
        attempt = count_attempts(
            ledger.list_decisions(pipeline.name), ledger.answers.list_audits(pipeline.name), as_of
        )
        recent = ledger.list_recent_observations(pipeline.name, as_of, MAX_WINDOWS, reference.version)
        learned = find_detector_window(
            champion, ledger.find_version_training(pipeline.name, reference.version)
        )
    observations = [Observation.from_dict(item) for item in recent]
    return compare_with(
        pipeline,
        prepared.load_judged(),
        champion,
        challenger,
        name=name,
        among=among,
        attempt=attempt,
        outlasted=has_outlasted(observations, prepared.window, pipeline.retraining.settled),
        grown=learned_more(observations, learned, prepared.window, pipeline.windows.reference),
        rare_alerts=has_rare_alerts(observations, pipeline),
    )


def refuse_unusable(
    pipeline: Pipeline, prepared: PreparedReference, fitted: Sequence[FittedCandidate], as_of: datetime
) -> Decision | None:
    """Record and return the refusal of a training without a usable candidate; None if one can be compared.

    The training is recorded as ended, so the same request is not repeated; it counts as a rejection for the
    back-off of retraining.
    """
    reasons = explain_unusable(fitted)
    if not reasons:
        return None
    facts = TrainingFacts(window=prepared.window, asked=prepared.asked, reasons=tuple(reasons))
    with Ledger.open(pipeline.ledger_url) as ledger:
        decision = ledger.record_decision(
            Decision(
                key=f"refuse:{pipeline.name}:{prepared.key}:unusable",
                pipeline=pipeline.name,
                kind="refuse",
                subject=f"challenger of {prepared.window}",
                outcome="unusable",
                reasons=("no candidate gives scores that can be compared", *reasons),
                evidence=UnusableEvidence(prepared.key, prepared.data_hash, prepared.rung),
                as_of=as_of,
            )
        )
        ledger.put_training(
            prepared.key, pipeline.name, as_of, prepared.data_hash, None, decision.kind, facts
        )
    return decision
