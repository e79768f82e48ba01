"""Command ``deliver``: hands scores, alerts and decisions to the sinks of a pipeline."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.app import Config, Json, command, print_result, run_flow
from pynomaly.config import load_pipeline

__all__ = ["deliver"]


@command(
    "pynomaly deliver configs/quickstart.yaml --dry-run",
    "pynomaly deliver configs/quickstart.yaml --redeliver",
)
def deliver(
    config: Config,
    sink: Annotated[str, typer.Option("--sink", metavar="NAME", help="Only this one.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what waits and who answers; deliver nothing.")
    ] = False,
    redeliver: Annotated[
        bool, typer.Option("--redeliver", help="Hand over dead letters again, nothing else.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Hand over what sinks have not received; exit code 1 if something waits or was refused."""
    from flows.display import delivery
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.delivery.delivery_status import plan_delivery, require_sink

    pipeline = load_pipeline(config)
    require_sink(pipeline, sink)
    if dry_run:
        disable_telemetry()
        print_result(plan_delivery(pipeline, sink), as_json, delivery.show_delivery_plan)
        return
    result = run_flow("delivery", "deliver", pipeline, sink=sink, redeliver=redeliver)
    print_result(result, as_json, delivery.show_delivery)
    if any(item["due"] or item["dead"] for item in result["sinks"]):
        raise typer.Exit(1)
