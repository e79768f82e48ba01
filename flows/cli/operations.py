"""Commands of operation: reconcile, prune, backfill, drill, notify, reproduce."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.app import AsOf, Config, Json, Wait, command, print_result, run_flow
from flows.display.waiting import track_progress
from pynomaly.config import load_pipeline
from pynomaly.errors import ConfigError

__all__ = ["backfill", "drill", "notify", "prune", "reconcile", "reproduce"]


@command("pynomaly reconcile configs/quickstart.yaml")
def reconcile(config: Config, as_json: Json = False) -> None:
    """Repair what dead processes left, deliver waiting messages, report silence."""
    from flows.display.operations import show_reconciliation

    print_result(run_flow("operations", "reconcile", load_pipeline(config)), as_json, show_reconciliation)


@command(
    "pynomaly prune configs/quickstart.yaml --keep scores=30d",
    "pynomaly prune configs/quickstart.yaml --apply",
)
def prune(
    config: Config,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Another retention than the YAML's, like scores=30d or newest=5; repeatable."),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Remove it; without this, only say so.")] = False,
    wait: Wait = "",
    as_json: Json = False,
) -> None:
    """List what is past its retention and can be removed, with reasons; --apply removes it."""
    from flows.display.operations import show_pruning
    from pynomaly.steps.operations.prune import override_retention

    pipeline = load_pipeline(config)
    override_retention(pipeline, tuple(keep or ()))  # fails here, before a flow run starts
    parameters = {"apply": "yes" if apply else "no", "keep": " ".join(keep or ()), "wait": wait}
    result = run_flow("operations", "prune", pipeline, **parameters)
    print_result(result, as_json, show_pruning)
    if result["skipped"]:
        raise typer.Exit(1)


@command("pynomaly backfill configs/quickstart.yaml 2026-01-22..2026-01-24")
def backfill(
    config: Config,
    span: Annotated[str, typer.Argument(metavar="A..B", help="Range, like 2026-01-05..2026-01-12.")],
    monitor: Annotated[bool, typer.Option("--monitor", help="Judge the range's windows too.")] = False,
    wait: Wait = "",
    as_json: Json = False,
) -> None:
    """Score every window that ended in a range; a second run does nothing."""
    from flows.display.operations import show_backfill
    from pynomaly.steps.operations.backfill import parse_past_range

    pipeline = load_pipeline(config)
    parse_past_range(pipeline, span)  # fails here, before a flow run starts
    parameters = {"span": span, "monitor": "yes" if monitor else "no", "wait": wait}
    print_result(run_flow("operations", "backfill", pipeline, **parameters), as_json, show_backfill)


@command("pynomaly drill configs/quickstart.yaml --as-of 2026-01-26T00:00:00Z")
def drill(config: Config, as_of: AsOf = "latest", as_json: Json = False) -> None:
    """Inject known anomalies in a shadow copy of the newest window; check if and when the alert comes."""
    from flows.display.operations import show_drill

    result = run_flow("operations", "drill", load_pipeline(config), as_of=as_of)
    print_result(result, as_json, show_drill)
    if not result["passed"]:
        raise typer.Exit(1)


@command("pynomaly notify configs/quickstart.yaml")
def notify(
    config: Config,
    test: Annotated[bool, typer.Option("--test", help="Send a test message to every target.")] = False,
    as_json: Json = False,
) -> None:
    """Say what waits, for what, and who is told next; with --test, send a message to each target."""
    from flows.display import operations
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.notices.send import list_waiting

    pipeline = load_pipeline(config)
    if not test:
        disable_telemetry()
        print_result({"waiting": list(list_waiting(pipeline))}, as_json, operations.show_waiting_messages)
        return
    if not pipeline.notify.targets:
        raise ConfigError(f"{pipeline.name} has no target under notify.targets in {pipeline.origin}")
    result = run_flow("operations", "notify_test", pipeline)
    print_result(result, as_json, operations.show_deliveries)
    if not all(item["delivered"] for item in result["targets"]):
        raise typer.Exit(1)


@command("pynomaly reproduce configs/quickstart.yaml 1")
def reproduce(
    config: Config,
    version: Annotated[int, typer.Argument(min=1, help="Version in the registry.")],
    as_json: Json = False,
) -> None:
    """Fit a version again from what is on record, and compare the scores; exit code 1 where they differ."""
    from flows.display.operations import show_reproduction
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.operations.reproduce import reproduce as reproduce_version

    disable_telemetry()
    pipeline = load_pipeline(config)
    with track_progress(f"{pipeline.name}: reproduce"):
        reproduction = reproduce_version(pipeline, version)
    print_result(reproduction.to_dict(), as_json, show_reproduction)
    if reproduction.outcome != "equal":
        raise typer.Exit(1)
