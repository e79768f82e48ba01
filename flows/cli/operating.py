"""Commands of operation: reconcile, prune, backfill, drill, notify."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.app import AsOf, Config, Json, app, run_flow, say
from pynomaly.config import load
from pynomaly.errors import ConfigError

__all__ = ["backfill", "drill", "notify", "prune", "reconcile"]


@app.command()
def reconcile(config: Config, as_json: Json = False) -> None:
    """Repair what dead processes left, deliver waiting messages, report silence."""
    from flows.show import reconciled

    say(run_flow("operate", "reconcile", load(config)), as_json, reconciled)


@app.command()
def prune(
    config: Config,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="Another retention than the YAML's, like scores=30d or newest=5; repeatable."),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Remove it; without this, only say so.")] = False,
    as_json: Json = False,
) -> None:
    """List what is past its retention and can be removed, with reasons; --apply removes it."""
    from flows.show_removed import pruned
    from pynomaly.steps.prune import keeping

    pipeline = load(config)
    keeping(pipeline, tuple(keep or ()))  # fails here, before a flow run starts
    parameters = {"apply": "yes" if apply else "no", "keep": " ".join(keep or ())}
    result = run_flow("operate", "prune", pipeline, **parameters)
    say(result, as_json, pruned)
    if result["skipped"]:
        raise typer.Exit(1)


@app.command()
def backfill(
    config: Config,
    span: Annotated[str, typer.Argument(metavar="A..B", help="Range, like 2026-01-05..2026-01-12.")],
    monitor: Annotated[bool, typer.Option("--monitor", help="Judge the range's windows too.")] = False,
    as_json: Json = False,
) -> None:
    """Score every window that ended in a range; a second run does nothing."""
    from flows.show import backfilled
    from pynomaly.steps.backfill import past_range

    pipeline = load(config)
    past_range(pipeline, span)  # fails here, before a flow run starts
    parameters = {"span": span, "monitor": "yes" if monitor else "no"}
    say(run_flow("operate", "backfill", pipeline, **parameters), as_json, backfilled)


@app.command()
def drill(config: Config, as_of: AsOf = "latest", as_json: Json = False) -> None:
    """Inject known anomalies in a shadow copy of the newest window; check if and when the alert comes."""
    from flows.show import drilled

    result = run_flow("operate", "drill", load(config), as_of=as_of)
    say(result, as_json, drilled)
    if not result["passed"]:
        raise typer.Exit(1)


@app.command()
def notify(
    config: Config,
    test: Annotated[bool, typer.Option("--test", help="Send a test message to every target.")] = False,
    as_json: Json = False,
) -> None:
    """Say which messages wait; with --test, send one to each target and say what happened."""
    from flows import show
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.notify import undelivered

    pipeline = load(config)
    if not test:
        switch_off()
        say({"waiting": list(undelivered(pipeline))}, as_json, show.waiting)
        return
    if not pipeline.notify.targets:
        raise ConfigError(f"{pipeline.name} has no target under notify.targets in {pipeline.origin}")
    result = run_flow("operate", "notify_test", pipeline)
    say(result, as_json, show.deliveries)
    if not all(item["delivered"] for item in result["targets"]):
        raise typer.Exit(1)
