"""The command line: one command a thing a person does, each with ``--json`` for scripts.

Everything heavy is imported inside the command that needs it, so that ``--help`` answers at once. A
:class:`~pynomaly.errors.PynomalyError` ends in one message on stderr and exit code 2.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import pynomaly
from pynomaly.config import Pipeline, home_for, load
from pynomaly.errors import ConfigError, PynomalyError

__all__ = ["app", "main"]

app = typer.Typer(
    name="pynomaly",
    help="Train, compare, watch, retrain and roll back anomaly detectors that have no labels.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Config = Annotated[str, typer.Argument(metavar="CONFIG", help="Pipeline YAML, like configs/quickstart.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]
AsOf = Annotated[
    str,
    typer.Option(
        "--as-of", help="Moment to stand for (ISO time with an offset), or 'latest': end of the data."
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the decision.")]


def main() -> None:
    """Entry point of the ``pynomaly`` command."""
    try:
        app()
    except PynomalyError as error:
        typer.echo(f"pynomaly: {error}", err=True)
        sys.exit(2)


def _flow(module: str, name: str, pipeline: Pipeline, **parameters: Any) -> dict[str, Any]:
    """Run a flow in this process, its state under the pipeline's home."""
    from flows.environment import enter

    enter(pipeline.home)
    import importlib

    flow: Callable[..., dict[str, Any]] = getattr(importlib.import_module(f"flows.{module}"), name)
    return flow(config=str(pipeline.origin), **parameters)


def _say(result: dict[str, Any], as_json: bool, show: Callable[[dict[str, Any]], None]) -> None:
    if as_json:
        import json

        typer.echo(json.dumps(result, default=str, allow_nan=False))
    else:
        show(result)


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
    from flows.start import write_draft

    result = write_draft(data, name=name, time=time, label=label, id=id, force=force)
    _say(
        result,
        as_json,
        lambda shown: typer.echo(f"wrote {shown['config']}\nnext: pynomaly train {shown['config']}"),
    )


@app.command()
def train(
    config: Config,
    as_of: AsOf = "latest",
    reason: Reason = "asked for on the command line",
    as_json: Json = False,
) -> None:
    """Validate, train every candidate, compare, register, and promote on evidence."""
    from flows.show import training

    _say(_flow("train", "train", load(config), as_of=as_of, reason=reason), as_json, training)


@app.command()
def retrain(
    config: Config,
    as_of: AsOf = "latest",
    reason: Reason = "asked for on the command line",
    detector: Annotated[str, typer.Option(help="Train this detector alone.")] = "",
    params: Annotated[str, typer.Option(help="Its parameters: 'n_estimators=200 max_samples=512'.")] = "",
    as_json: Json = False,
) -> None:
    """Train a challenger; promote it only if it beats the champion on the same rows."""
    from flows.show import training

    asked = {"as_of": as_of, "reason": reason, "trigger": "manual", "detector": detector, "params": params}
    _say(_flow("train", "retrain", load(config), **asked), as_json, training)


@app.command()
def score(
    config: Config,
    input: Annotated[Path | None, typer.Option("--input", help="Score this file instead of windows.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where its scores go (.csv, .parquet).")
    ] = None,
    start: Annotated[str, typer.Option(help="First moment of a range, ISO with an offset.")] = "",
    end: Annotated[str, typer.Option(help="End of the range, ISO with an offset.")] = "",
    as_of: AsOf = "latest",
    as_json: Json = False,
) -> None:
    """Score the windows that are due, a range of windows, or one file."""
    from flows import show

    pipeline = load(config)
    if (input is None) != (output is None):
        raise ConfigError("give both --input and --output, or neither")
    if input is not None and output is not None:
        if start or end:
            raise ConfigError("--input scores a whole file: leave --start and --end out")
        from pynomaly.records.telemetry import switch_off
        from pynomaly.steps.score import score_file

        switch_off()
        _say(score_file(pipeline, input, output).to_dict(), as_json, show.file_scores)
        return
    _say(_flow("score", "score", pipeline, start=start, end=end, as_of=as_of), as_json, show.windows)


@app.command()
def monitor(config: Config, as_of: AsOf = "latest", as_json: Json = False) -> None:
    """Judge the newest window: data, scores, alert rate, performance where labels are in."""
    from flows.show import monitored

    _say(_flow("monitor", "monitor", load(config), as_of=as_of), as_json, monitored)


@app.command()
def rollback(config: Config, reason: Reason = "asked for on the command line", as_json: Json = False) -> None:
    """Make the previous champion champion again; a second call takes that back."""
    from flows.show import decision

    _say(_flow("review", "rollback", load(config), reason=reason, as_of="latest"), as_json, decision)


@app.command()
def status(config: Config, as_json: Json = False) -> None:
    """Say who is champion, since when and why, and how its recent windows went."""
    from flows.show import overview
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.overview import status_of

    switch_off()
    _say(status_of(load(config)), as_json, overview)


@app.command()
def history(
    config: Config,
    limit: Annotated[int, typer.Option(min=1, help="Newest decisions to show.")] = 30,
    kind: Annotated[str, typer.Option(help="Only this kind: promote, refuse, rollback, retrain, ...")] = "",
    verify: Annotated[bool, typer.Option("--verify", help="Check the chain of hashes instead.")] = False,
    at: Annotated[str, typer.Option(help="Who was champion at this ISO time, and why.")] = "",
    as_json: Json = False,
) -> None:
    """Every decision with its reasons, newest first."""
    from flows import show
    from pynomaly.data.window import parse_moment
    from pynomaly.steps.overview import champion_at, history_of, verify_history

    if verify:
        found = verify_history(load(config))
        _say(found, as_json, show.verification)
        if not found["intact"]:
            raise typer.Exit(2)
        return
    if at:
        _say(champion_at(load(config), parse_moment(at)), as_json, show.champion)
        return
    decisions = show.decisions
    _say(history_of(load(config), limit, kind), as_json, decisions)


@app.command()
def detectors(as_json: Json = False) -> None:
    """The catalogue: every detector with its family, cost and properties."""
    from flows.show import catalogue
    from pynomaly.steps.overview import catalogue_table

    _say({"detectors": catalogue_table()}, as_json, catalogue)


@app.command()
def doctor(
    config: Annotated[
        str, typer.Argument(metavar="[CONFIG]", help="Check this pipeline's source and records too.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Check versions, home folder, records and source; say how to mend what is wrong."""
    from flows.show import health
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.health import examine

    switch_off()
    found = examine(load(config) if config else None, home_for(Path.cwd()))
    _say({"checks": found}, as_json, health)
    if any(check["state"] == "wrong" for check in found):
        raise typer.Exit(2)


@app.command()
def up(
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's pages; 0 takes a free one.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's pages; 0 takes a free one.")] = 5000,
    configs: Annotated[Path, typer.Option(help="Folder of pipeline YAMLs to deploy.")] = Path("configs"),
) -> None:
    """Start Prefect, MLflow and the deployments on this machine, until Ctrl-C."""
    from flows.servers import up as start

    start(home_for(Path.cwd()), configs, prefect_port, mlflow_port)


@app.command()
def demo(
    home: Annotated[
        Path | None, typer.Option(help="Keep the demo's state here instead of .pynomaly.")
    ] = None,
) -> None:
    """Walk a pipeline through its whole life: train, score, drift, retrain, promote, roll back."""
    from flows.demo import run

    run(home or home_for(Path.cwd()))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(pynomaly.__version__)


if __name__ == "__main__":
    main()
