"""Tasks about the champion: answer a promotion, decide by an audit, roll back, apply another alert policy."""

from __future__ import annotations

from datetime import datetime

from prefect.artifacts import create_markdown_artifact

from pynomaly.config import Pipeline
from pynomaly.records.ledger import Decision
from pynomaly.records.markdown import format_bullets
from pynomaly.steps.promotion.apply_policy import PolicyChange
from pynomaly.steps.promotion.apply_policy import apply_policy as apply_policy_step
from pynomaly.steps.promotion.approve import approve_promotion as approve_step
from pynomaly.steps.promotion.approve import reject_promotion as reject_step
from pynomaly.steps.promotion.deciding_audit import decide_by_audit as decide_by_audit_step
from pynomaly.steps.promotion.promote import rollback as rollback_step
from tasks.events import announce_event
from tasks.step import pipeline_task

__all__ = ["apply_policy", "approve_promotion", "decide_by_audit", "reject_promotion", "rollback"]


@pipeline_task("apply the alert policy")
def apply_policy(pipeline: Pipeline, as_of: datetime, reason: str) -> PolicyChange:
    """Give the champion the alert policy of the settings; no score changes."""
    change = apply_policy_step(pipeline, as_of, reason)
    create_markdown_artifact(
        key=f"{pipeline.name.replace('_', '-')}-policy",
        markdown=format_bullets(change.policy.reasons),
        description=f"Alert policy of {pipeline.name} v{change.version}: {change.policy.outcome}",
    )
    announce_event(pipeline, f"policy.{change.policy.outcome}", change.to_dict())
    return change


@pipeline_task("roll back")
def rollback(pipeline: Pipeline, as_of: datetime, reason: str) -> Decision:
    """Make the previous champion champion again."""
    decision = rollback_step(pipeline, as_of, reason)
    announce_event(pipeline, "champion.rollback", decision.to_dict())
    return decision


@pipeline_task("approve")
def approve_promotion(
    pipeline: Pipeline, at: datetime, reason: str, actor: str, version: int | None
) -> Decision:
    """Promote the version that waits, if it passes the gate again."""
    decision = approve_step(pipeline, at, reason, actor, version)
    announce_event(pipeline, f"champion.{decision.kind}", decision.to_dict())
    return decision


@pipeline_task("decide by an audit")
def decide_by_audit(pipeline: Pipeline, as_of: datetime, name: str, actor: str) -> Decision:
    """Take the verdict of a decided audit to the gate."""
    decision = decide_by_audit_step(pipeline, as_of, name, actor)
    announce_event(pipeline, f"champion.{decision.kind}", decision.to_dict())
    return decision


@pipeline_task("reject")
def reject_promotion(
    pipeline: Pipeline, at: datetime, reason: str, actor: str, version: int | None
) -> Decision:
    """Reject the version that waits."""
    decision = reject_step(pipeline, at, reason, actor, version)
    announce_event(pipeline, f"champion.{decision.kind}", decision.to_dict())
    return decision
