"""Refuse, on record, a training whose every candidate failed or scores without telling rows apart.

Called once all candidates are fitted, before anything is compared. Such a challenger is no error of the run:
it is refused with what is wrong with it, and counts among the rejected ones that a back-off looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pynomaly.config import Pipeline
from pynomaly.judging.evaluation import unusable_scores
from pynomaly.records.ledger import Decision, Ledger
from pynomaly.steps.candidates import Fitted
from pynomaly.steps.prepare import Prepared

__all__ = ["refuse_unusable"]


def refuse_unusable(
    pipeline: Pipeline, prepared: Prepared, fitted: Sequence[Fitted], as_of: datetime
) -> Decision | None:
    """The refusal, or None when some candidate can be compared.

    The training is on record as ended, so the same request is not answered twice.
    """
    reasons = []
    for item in fitted:
        wrong = item.error or unusable_scores(item.scores()["score"])
        if wrong is None:
            return None
        reasons.append(f"{item.label}: {wrong}")
    detail = {"asked": prepared.asked, "window": prepared.window, "reasons": reasons}
    with Ledger.open(pipeline.ledger_url) as ledger:
        decision = ledger.record(
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
