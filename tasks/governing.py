"""Tasks of governing: taking a promotion back."""

from __future__ import annotations

from datetime import datetime

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Decision
from pynomaly.steps.promote import rollback as rollback_step
from tasks.events import announce
from tasks.step import step

__all__ = ["rollback"]


@step("roll back")
def rollback(pipeline: Pipeline, as_of: datetime, reason: str) -> Decision:
    """Make the previous champion champion again."""
    decision = rollback_step(pipeline, as_of, reason)
    announce(pipeline, "champion.rollback", decision.to_dict())
    return decision
