"""Commands that explain the past: why a row alerted, and whether a version can be fitted again."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.app import AsOf, Config, Json, app, print_result
from flows.cli.waiting import show_progress
from pynomaly.config import load_pipeline

__all__ = ["reproduce", "why"]


@app.command()
def why(
    config: Config,
    row: Annotated[str, typer.Argument(metavar="ROW_ID", help="Entity, or number of the row in its window.")],
    as_of: AsOf = "latest",
    top: Annotated[int, typer.Option(min=0, max=50, help="Columns to name.")] = 3,
    as_json: Json = False,
) -> None:
    """Which model, threshold and reasons held for a row: of an entity, its newest row at that moment."""
    from flows.display.explanation import show_row_explanation as show
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.reporting.explain_row import explain_row as explain_row

    disable_telemetry()
    pipeline = load_pipeline(config)
    with show_progress(f"{pipeline.name}: why"):
        explanation = explain_row(pipeline, row, as_of, top)
    print_result(explanation.to_dict(), as_json, show)


@app.command()
def reproduce(
    config: Config,
    version: Annotated[int, typer.Argument(min=1, help="Version in the registry.")],
    as_json: Json = False,
) -> None:
    """Fit a version again from what is on record, and compare the scores; exit code 1 where they differ."""
    from flows.display.explanation import show_reproduction
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.operations.reproduce import reproduce as reproduce_version

    disable_telemetry()
    pipeline = load_pipeline(config)
    with show_progress(f"{pipeline.name}: reproduce"):
        reproduction = reproduce_version(pipeline, version)
    print_result(reproduction.to_dict(), as_json, show_reproduction)
    if reproduction.outcome != "equal":
        raise typer.Exit(1)
