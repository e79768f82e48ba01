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
from pynomaly.records.ledger.book import LEASE_TTL
from pynomaly.steps.backfill import Filled
from pynomaly.steps.backfill import judge_again as judge_again_step
from pynomaly.steps.drill import Drilled
from pynomaly.steps.drill import drill as drill_step
from pynomaly.steps.notify import Delivery, by_address
from pynomaly.steps.notify import send_test as send_test_step
from pynomaly.steps.notify import tell as tell_step
from pynomaly.steps.prune import Pruned
from pynomaly.steps.prune import prune as prune_step
from pynomaly.steps.reconcile import Reconciled, live, run_lease
from pynomaly.steps.reconcile import reconcile as reconcile_step
from tasks.events import announce
from tasks.step import step

__all__ = ["close_dead_runs", "drill", "judge_again", "prune", "reconcile", "send", "send_test", "tell"]


def send(target: Target, title: str, body: str) -> None:
    """Send a message to a target, through a Prefect block if the target names one.

    Raises
    ------
    RecordError
        If the block does not exist or fails; the message never contains what the block holds.
    """
    if not target.block:
        by_address(target, title, body)
        return
    try:
        block = cast(Any, Block.load)(target.block, _sync=True)
    except ValueError as error:
        raise RecordError(f"there is no Prefect block {target.block!r}") from error
    if not isinstance(block, NotificationBlock):
        raise RecordError(f"the Prefect block {target.block!r} sends no notifications")
    try:
        cast(Any, block.notify)(body, subject=title, _sync=True)
    except Exception as error:  # its own text may contain the address
        raise RecordError(f"the block {target.block!r} failed: {type(error).__name__}") from None


@step("tell people", retries=0)
def tell(pipeline: Pipeline) -> tuple[Delivery, ...]:
    """Notify people of new decisions; a failure is logged, and the message waits for the next reconcile."""
    try:
        deliveries = tell_step(pipeline, send)
    except PynomalyError as error:
        get_run_logger().error(f"nobody was told: {error}")
        return ()
    for item in deliveries:
        if not item.delivered:
            get_run_logger().warning(f"{item.target} was not told of {item.event}: {item.reason}")
    return deliveries


@step("send a test message", retries=0)
def send_test(pipeline: Pipeline) -> tuple[Delivery, ...]:
    """Send a test message to every target."""
    return send_test_step(pipeline, send)


@step("reconcile", retries=0)
def reconcile(pipeline: Pipeline) -> Reconciled:
    """Reconcile the pipeline, and emit the result as an event."""
    result = reconcile_step(pipeline, through=send)
    announce(pipeline, "reconciled", result.to_dict())
    for work in result.silent:
        announce(pipeline, "silence.silent", {"work": work})
    for work in result.recovered:
        announce(pipeline, "silence.recovered", {"work": work})
    return result


@step("close runs of dead processes", retries=0)
def close_dead_runs(pipeline: Pipeline, older_than: timedelta = LEASE_TTL) -> list[str]:
    """Mark as Crashed every flow run of the pipeline in state Running whose lease no process holds."""
    now = datetime.now(UTC)
    live_leases = live(pipeline, now)
    running = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING])),
        start_time=FlowRunFilterStartTime(before_=now - older_than),
    )
    closed_runs = []
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=running, limit=200):
            same_pipeline = Path(str(run.parameters.get("config", ""))).resolve() == pipeline.origin
            if same_pipeline and run_lease(pipeline, str(run.id)) not in live_leases:
                message = "its process died: nobody holds the lease of this run"
                client.set_flow_run_state(run.id, Crashed(message=message), force=True)
                closed_runs.append(str(run.id))
    return closed_runs


@step("judge a past window")
def judge_again(pipeline: Pipeline, window: Window) -> Filled:
    """Judge one past window as it would have been judged when it ended."""
    return judge_again_step(pipeline, window)


@step("drill", retries=0)
def drill(pipeline: Pipeline, window: Window | None, as_of: datetime) -> Drilled:
    """Run a drill on a shadow copy, and emit its result as an event."""
    result = drill_step(pipeline, window, as_of, send)
    announce(pipeline, f"drill.{'passed' if result.passed else 'failed'}", result.to_dict())
    return result


@step("prune")
def prune(pipeline: Pipeline, apply: bool) -> Pruned:
    """List what is past its retention, remove it if asked, and emit the result as an event."""
    result = prune_step(pipeline, apply=apply)
    for line in result.skipped:
        get_run_logger().warning(f"not removed: {line}")
    payload = {"counts": result.counts, "bytes": result.bytes, "decision": result.decision}
    announce(pipeline, "pruned" if result.decision else "prune.planned", payload)
    return result
