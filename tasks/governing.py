"""Tasks about the champion: answer a promotion that waits, roll back, apply another alert policy."""

from __future__ import annotations

from datetime import datetime

from prefect.artifacts import create_markdown_artifact

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Decision
from pynomaly.records.markdown import bullets
from pynomaly.steps.approve import approve as approve_step
from pynomaly.steps.approve import reject as reject_step
from pynomaly.steps.policy import PolicyApplied
from pynomaly.steps.policy import apply_policy as apply_policy_step
from pynomaly.steps.promote import rollback as rollback_step
from tasks.events import announce
from tasks.step import step

__all__ = ["apply_policy", "approve", "reject", "rollback"]


@step("apply the alert policy")
def apply_policy(pipeline: Pipeline, as_of: datetime, reason: str) -> PolicyApplied:
    """Give the champion the alert policy of the settings; no score changes."""
    change = apply_policy_step(pipeline, as_of, reason)
    create_markdown_artifact(
        key=f"{pipeline.name.replace('_', '-')}-policy",
        markdown=bullets(change.policy.reasons),
        description=f"Alert policy of {pipeline.name} v{change.version}: {change.policy.outcome}",
    )
    announce(pipeline, f"policy.{change.policy.outcome}", change.to_dict())
    return change


@step("roll back")
def rollback(pipeline: Pipeline, as_of: datetime, reason: str) -> Decision:
    """Make the previous champion champion again."""
    decision = rollback_step(pipeline, as_of, reason)
    announce(pipeline, "champion.rollback", decision.to_dict())
    return decision


@step("approve")
def approve(pipeline: Pipeline, at: datetime, reason: str, actor: str, version: int | None) -> Decision:
    """Promote the version that waits, if it passes the gate again."""
    decision = approve_step(pipeline, at, reason, actor, version)
    announce(pipeline, f"champion.{decision.kind}", decision.to_dict())
    return decision


@step("reject")
def reject(pipeline: Pipeline, at: datetime, reason: str, actor: str, version: int | None) -> Decision:
    """Reject the version that waits."""
    decision = reject_step(pipeline, at, reason, actor, version)
    announce(pipeline, f"champion.{decision.kind}", decision.to_dict())
    return decision
