"""Commands that explain the past: why a row alerted, and whether a version can be fitted again."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.app import AsOf, Config, Json, app, say
from flows.cli.waiting import waiting
from pynomaly.config import load

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
    from flows.show_explaining import why as show
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.why import why as explain_row

    switch_off()
    pipeline = load(config)
    with waiting(f"{pipeline.name}: why"):
        explanation = explain_row(pipeline, row, as_of, top)
    say(explanation.to_dict(), as_json, show)


@app.command()
def reproduce(
    config: Config,
    version: Annotated[int, typer.Argument(min=1, help="Version in the registry.")],
    as_json: Json = False,
) -> None:
    """Fit a version again from what is on record, and compare the scores; exit code 1 where they differ."""
    from flows.show_explaining import reproduced
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.reproduce import reproduce as reproduce_version

    switch_off()
    pipeline = load(config)
    with waiting(f"{pipeline.name}: reproduce"):
        reproduction = reproduce_version(pipeline, version)
    say(reproduction.to_dict(), as_json, reproduced)
    if reproduction.outcome != "equal":
        raise typer.Exit(1)
