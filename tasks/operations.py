"""Tasks of operation: notify people, clean up after dead processes, backfill, drill and prune."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from prefect import get_run_logger
from prefect.blocks.core import Block
from prefect.blocks.notifications import NotificationBlock
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

from pynomaly.config import Pipeline, Target
from pynomaly.data.window import Window
from pynomaly.errors import PynomalyError, RecordError
from pynomaly.records.ledger import QueuedNotice
from pynomaly.records.ledger.ledger import LEASE_TTL
from pynomaly.steps.monitoring.drill import DrillResult
from pynomaly.steps.monitoring.drill import drill as drill_step
from pynomaly.steps.notices.deliver import Delivery, send_to_address
from pynomaly.steps.notices.deliver import send_test_messages as send_test_step
from pynomaly.steps.notices.send import send_notifications as tell_step
from pynomaly.steps.operations.backfill import BackfilledWindow
from pynomaly.steps.operations.backfill import judge_past_window as judge_again_step
from pynomaly.steps.operations.prune import PruneResult
from pynomaly.steps.operations.prune import prune as prune_step
from pynomaly.steps.operations.reconcile import ReconcileResult, list_live_leases, name_run_lease
from pynomaly.steps.operations.reconcile import reconcile as reconcile_step
from tasks.events import announce_event
from tasks.step import pipeline_task

__all__ = [
    "close_dead_runs",
    "drill",
    "judge_past_window",
    "notify_people",
    "prune",
    "reconcile",
    "send_test_message",
    "send_to_target",
]


def send_to_target(target: Target, message: QueuedNotice) -> None:
    """Send a message to a target, through a Prefect block if the target names one.

    Raises
    ------
    RecordError
        If the block does not exist or fails; the message never contains what the block holds.
    """
    if not target.block:
        send_to_address(target, message)
        return
    try:
        block = cast(Any, Block.load)(target.block, _sync=True)
    except ValueError as error:
        raise RecordError(f"there is no Prefect block {target.block!r}") from error
    if not isinstance(block, NotificationBlock):
        raise RecordError(f"the Prefect block {target.block!r} sends no notifications")
    try:
        body = "\n\n".join(filter(None, (message.body, message.link)))
        cast(Any, block.notify)(body, subject=message.title, _sync=True)
    except Exception as error:  # its own text may contain the address
        raise RecordError(f"the block {target.block!r} failed: {type(error).__name__}") from None


@pipeline_task("tell people", retries=0)
def notify_people(pipeline: Pipeline) -> tuple[Delivery, ...]:
    """Notify people of new decisions; a failure is logged, and the message waits for the next reconcile."""
    try:
        deliveries = tell_step(pipeline, send_to_target)
    except PynomalyError as error:
        get_run_logger().error(f"nobody was told: {error}")
        return ()
    for item in deliveries:
        if not item.delivered:
            get_run_logger().warning(f"{item.target} was not told of {item.event}: {item.reason}")
    return deliveries


@pipeline_task("send a test message", retries=0)
def send_test_message(pipeline: Pipeline) -> tuple[Delivery, ...]:
    """Send a test message to every target."""
    return send_test_step(pipeline, send_to_target)


@pipeline_task("reconcile", retries=0)
def reconcile(pipeline: Pipeline) -> ReconcileResult:
    """Reconcile the pipeline, and emit the result as an event."""
    result = reconcile_step(pipeline, through=send_to_target)
    announce_event(pipeline, "reconciled", result.to_dict())
    for work in result.silent:
        announce_event(pipeline, "silence.silent", {"work": work})
    for work in result.recovered:
        announce_event(pipeline, "silence.recovered", {"work": work})
    return result


@pipeline_task("close runs of dead processes", retries=0)
def close_dead_runs(pipeline: Pipeline, older_than: timedelta = LEASE_TTL) -> list[str]:
    """Mark as Crashed every flow run of the pipeline in state Running whose lease no process holds."""
    now = datetime.now(UTC)
    live_leases = list_live_leases(pipeline, now)
    running = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])),
        start_time=FlowRunFilterStartTime(before_=now - older_than),
    )
    closed_runs = []
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=running, limit=200):
            same_pipeline = Path(str(run.parameters.get("config", ""))).resolve() == pipeline.origin
            if same_pipeline and name_run_lease(pipeline, str(run.id)) not in live_leases:
                message = "its process died: nobody holds the lease of this run"
                client.set_flow_run_state(run.id, Crashed(message=message), force=True)
                closed_runs.append(str(run.id))
    return closed_runs


@pipeline_task("judge a past window")
def judge_past_window(pipeline: Pipeline, window: Window) -> BackfilledWindow:
    """Judge one past window as it would have been judged when it ended."""
    return judge_again_step(pipeline, window)


@pipeline_task("drill", retries=0)
def drill(pipeline: Pipeline, window: Window | None, as_of: datetime) -> DrillResult:
    """Run a drill on a shadow copy, and emit its result as an event."""
    result = drill_step(pipeline, window, as_of, send_to_target)
    announce_event(pipeline, f"drill.{'passed' if result.passed else 'failed'}", result.to_dict())
    return result


@pipeline_task("prune")
def prune(pipeline: Pipeline, apply: bool) -> PruneResult:
    """List what is past its retention, remove it if asked, and emit the result as an event."""
    result = prune_step(pipeline, apply=apply)
    for line in result.skipped:
        get_run_logger().warning(f"not removed: {line}")
    payload = {"counts": result.counts, "bytes": result.bytes, "decision": result.decision}
    announce_event(pipeline, "pruned" if result.decision else "prune.planned", payload)
    return result
