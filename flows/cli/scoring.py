"""Command ``score``: scores the windows that are due, a range of windows, or one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import AsOf, Config, Json, Wait, command, print_result, run_flow
from flows.display.waiting import track_progress
from pynomaly.config import load_pipeline
from pynomaly.errors import ConfigError

__all__ = ["score"]


@command(
    "pynomaly score configs/quickstart.yaml --as-of 2026-01-22T00:00:00Z",
    "pynomaly score configs/quickstart.yaml --input new.csv --output out.csv",
)
def score(
    config: Config,
    input: Annotated[Path | None, typer.Option("--input", help="Score this file instead of windows.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where its scores go (.csv, .parquet, .xlsx, .jsonl).")
    ] = None,
    start: Annotated[str, typer.Option(help="First moment of a range, ISO with an offset.")] = "",
    end: Annotated[str, typer.Option(help="End of the range, ISO with an offset.")] = "",
    reasons: Annotated[
        int, typer.Option(min=0, max=50, help="With --input: name so many columns that carry each alert.")
    ] = 0,
    columns: Annotated[
        str,
        typer.Option(
            "--columns", help="With --input: its columns beside the scores: all, none, or names a,b."
        ),
    ] = "all",
    as_of: AsOf = "latest",
    wait: Wait = "",
    as_json: Json = False,
) -> None:
    """Score the windows that are due, a range of windows, or one file."""
    from flows.display import scoring

    pipeline = load_pipeline(config)
    if (input is None) != (output is None):
        raise ConfigError("give both --input and --output, or neither")
    if reasons and input is None:
        raise ConfigError("--reasons needs --input; of windows, pynomaly alerts --show and why give reasons")
    if input is not None and output is not None:
        if start or end:
            raise ConfigError("--input scores a whole file: leave --start and --end out")
        from pynomaly.records.telemetry import disable_telemetry
        from pynomaly.steps.scoring.score_file import score_file

        disable_telemetry()
        with track_progress(f"{pipeline.name}: score {input.name}"):
            result = score_file(pipeline, input, output, reasons, columns)
        print_result(result.to_dict(), as_json, scoring.show_file_scores)
        return
    print_result(
        run_flow("scoring", "score", pipeline, start=start, end=end, as_of=as_of, wait=wait),
        as_json,
        scoring.show_scored_windows,
    )
