"""Commands of daily use of a pipeline: init, convert, train, retrain, search, score, monitor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import AsOf, Config, Json, Reason, app, print_result, run_flow
from flows.cli.waiting import show_progress
from pynomaly.config import load_pipeline
from pynomaly.errors import ConfigError

__all__ = ["convert", "init", "monitor", "retrain", "score", "search", "train"]


@app.command()
def init(
    data: Annotated[Path, typer.Argument(help="CSV or Parquet file, or a folder of them.")],
    name: Annotated[str | None, typer.Option(help="Name of the pipeline; by default the file's.")] = None,
    time: Annotated[str | None, typer.Option(help="Time column.")] = None,
    label: Annotated[str | None, typer.Option(help="Label column: 1 anomaly, 0 normal.")] = None,
    id: Annotated[str | None, typer.Option(help="Column that names the entity.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing configuration.")] = False,
    as_json: Json = False,
) -> None:
    """Look at a table and write configs/NAME.yaml for it."""
    from flows.intake import write_draft

    result = write_draft(data, name=name, time=time, label=label, id=id, force=force)
    print_result(
        result,
        as_json,
        lambda draft_result: typer.echo(
            f"wrote {draft_result['config']}\nnext: pynomaly train {draft_result['config']}"
        ),
    )


@app.command()
def convert(
    exports: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Documents and tables of one export, or folders.")
    ],
    name: Annotated[str, typer.Option(help="Name of the pipeline; by default what the export says.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over files of that name.")] = False,
    as_json: Json = False,
) -> None:
    """Bring over what Azure Anomaly Detector, Amazon Lookout or Model Monitor exported."""
    from flows.display.migration import show_conversion
    from flows.intake import write_converted_config

    print_result(write_converted_config(exports, name=name, force=force), as_json, show_conversion)


@app.command()
def train(
    config: Config,
    as_of: AsOf = "latest",
    reason: Reason = "asked for on the command line",
    as_json: Json = False,
) -> None:
    """Validate, train every candidate, compare, register, and promote on evidence."""
    from flows.display.training import show_training_result

    print_result(
        run_flow("training", "train", load_pipeline(config), as_of=as_of, reason=reason),
        as_json,
        show_training_result,
    )


@app.command()
def retrain(
    config: Config,
    as_of: AsOf = "latest",
    reason: Reason = "asked for on the command line",
    detector: Annotated[
        str,
        typer.Option(
            help="Train this detector alone.",
            autocompletion=lambda incomplete: _complete_detector_name(incomplete),
        ),
    ] = "",
    params: Annotated[str, typer.Option(help="Its parameters: 'n_estimators=200 max_samples=512'.")] = "",
    as_json: Json = False,
) -> None:
    """Train a challenger; promote it only if it beats the champion on the same rows."""
    from flows.display.training import show_training_result

    parameters = {
        "as_of": as_of,
        "reason": reason,
        "trigger": "manual",
        "detector": detector,
        "params": params,
    }
    print_result(
        run_flow("training", "retrain", load_pipeline(config), **parameters), as_json, show_training_result
    )


def _complete_detector_name(incomplete: str) -> list[str]:
    """Returns the detectors whose names start with `incomplete`, for the shell."""
    from pynomaly.detectors import DETECTORS

    return [name for name in DETECTORS if name.startswith(incomplete)]


@app.command()
def search(
    config: Config,
    budget: Annotated[
        str, typer.Option(help="Wall time of the trials, like 10m; by default search.budget.")
    ] = "",
    as_of: AsOf = "latest",
    reason: Reason = "asked for on the command line",
    as_json: Json = False,
) -> None:
    """Search detectors and parameters; a result better than the champion's becomes a challenger."""
    from flows.display.training import show_search_result

    parameters = {"as_of": as_of, "reason": reason, "budget": budget}
    print_result(
        run_flow("training", "search", load_pipeline(config), **parameters), as_json, show_search_result
    )


@app.command()
def score(
    config: Config,
    input: Annotated[Path | None, typer.Option("--input", help="Score this file instead of windows.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where its scores go (.csv, .parquet).")
    ] = None,
    start: Annotated[str, typer.Option(help="First moment of a range, ISO with an offset.")] = "",
    end: Annotated[str, typer.Option(help="End of the range, ISO with an offset.")] = "",
    reasons: Annotated[
        int, typer.Option(min=0, max=50, help="With --input: name so many columns that carry each alert.")
    ] = 0,
    as_of: AsOf = "latest",
    as_json: Json = False,
) -> None:
    """Score the windows that are due, a range of windows, or one file."""
    from flows.display import tables

    pipeline = load_pipeline(config)
    if (input is None) != (output is None):
        raise ConfigError("give both --input and --output, or neither")
    if reasons and input is None:
        raise ConfigError("--reasons needs --input; of windows, pynomaly alerts --show and why give reasons")
    if input is not None and output is not None:
        if start or end:
            raise ConfigError("--input scores a whole file: leave --start and --end out")
        from pynomaly.records.telemetry import disable_telemetry
        from pynomaly.steps.scoring.score_windows import score_file

        disable_telemetry()
        with show_progress(f"{pipeline.name}: score {input.name}"):
            result = score_file(pipeline, input, output, reasons)
        print_result(result.to_dict(), as_json, tables.show_file_scores)
        return
    print_result(
        run_flow("scoring", "score", pipeline, start=start, end=end, as_of=as_of),
        as_json,
        tables.show_scored_windows,
    )


@app.command()
def monitor(config: Config, as_of: AsOf = "latest", as_json: Json = False) -> None:
    """Judge the newest window: data, scores, alert rate, performance where there are labels."""
    from flows.display.tables import show_monitored_window

    print_result(
        run_flow("monitoring", "monitor", load_pipeline(config), as_of=as_of), as_json, show_monitored_window
    )
