"""Refuse, on record, a training in which every candidate failed or gives unusable scores.

Called when all candidates are fitted, before any comparison. This is not an error of the run: the challenger
is refused with the reasons, and counts as a rejection for the back-off of retraining.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pynomaly.config import Pipeline
from pynomaly.judging.comparison.evaluation import explain_unusable_scores
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.steps.training.fit_candidates import FittedCandidate
from pynomaly.steps.training.prepare import PreparedReference

__all__ = ["refuse_unusable"]


def refuse_unusable(
    pipeline: Pipeline, prepared: PreparedReference, fitted: Sequence[FittedCandidate], as_of: datetime
) -> Decision | None:
    """Record and return the refusal; None if some candidate can be compared.

    The training is recorded as ended, so the same request is not repeated.
    """
    reasons = []
    for item in fitted:
        problem = item.error or explain_unusable_scores(item.scores()["score"])
        if problem is None:
            return None
        reasons.append(f"{item.label}: {problem}")
    detail = {"asked": prepared.asked, "window": prepared.window, "reasons": reasons}
    with Ledger.open(pipeline.ledger_url) as ledger:
        decision = ledger.record_decision(
            Decision(
                key=f"refuse:{pipeline.name}:{prepared.key}:unusable",
                pipeline=pipeline.name,
                kind="refuse",
                subject=f"challenger of {prepared.window}",
                outcome="unusable",
                reasons=("no candidate gives scores that can be compared", *reasons),
                evidence={"key": prepared.key, "data_hash": prepared.data_hash, "rung": prepared.rung},
                as_of=as_of,
            )
        )
        ledger.put_training(
            prepared.key, pipeline.name, as_of, prepared.data_hash, None, decision.kind, detail
        )
    return decision
