"""Commands that read the records: status, history, why a row alerted, and pages written again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.cli.app import AsOf, Config, Json, command, find_console, print_result
from flows.display.waiting import track_progress
from pynomaly.config import load_pipeline
from pynomaly.errors import ConfigError

__all__ = ["history", "report", "status", "why"]


@command("pynomaly status configs/quickstart.yaml --json")
def status(config: Config, as_json: Json = False) -> None:
    """Say who is champion, since when and why, and how its recent windows went."""
    from flows.display.reporting import show_status
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.reporting.overview import describe_status

    disable_telemetry()
    print_result(describe_status(load_pipeline(config)), as_json, show_status)


@command(
    "pynomaly history configs/quickstart.yaml --kind promote",
    "pynomaly history configs/quickstart.yaml --at 2026-02-01T08:00:00Z",
    "pynomaly history configs/quickstart.yaml --verify",
)
def history(
    config: Config,
    limit: Annotated[int, typer.Option(min=1, help="Newest decisions to show.")] = 30,
    kind: Annotated[str, typer.Option(help="Only this kind: promote, refuse, rollback, retrain, ...")] = "",
    verify: Annotated[bool, typer.Option("--verify", help="Check the chain of hashes instead.")] = False,
    at: Annotated[str, typer.Option(help="Who was champion at this ISO time, and why.")] = "",
    as_json: Json = False,
) -> None:
    """Every decision with its reasons, newest first."""
    from flows.display.reporting import show_chain_check, show_history, show_past_champion
    from pynomaly.data.window import parse_moment
    from pynomaly.steps.reporting.overview import describe_champion_at, read_history, verify_history

    if verify:
        verification = verify_history(load_pipeline(config))
        print_result(verification, as_json, show_chain_check)
        if not verification["intact"]:
            raise typer.Exit(2)
        return
    if at:
        print_result(
            describe_champion_at(load_pipeline(config), parse_moment(at)),
            as_json,
            show_past_champion,
        )
        return
    if elsewhere := find_console(config):
        client, name = elsewhere
        with client:
            kinds = {"kind": kind} if kind else {}
            decisions = list(client.list_decisions(limit, pipeline=name, **kinds))
        result = {"pipeline": name, "decisions": [item.model_dump(mode="json") for item in decisions]}
        print_result(result, as_json, show_history)
        return
    print_result(read_history(load_pipeline(config), limit, kind), as_json, show_history)


@command(
    "pynomaly why configs/quickstart.yaml m03 --as-of 2026-01-20T08:00:00Z",
    "pynomaly why configs/quickstart.yaml m03 --method occlusion --top 5",
)
def why(
    config: Config,
    row: Annotated[str, typer.Argument(metavar="ROW_ID", help="Entity, or number of the row in its window.")],
    as_of: AsOf = "latest",
    top: Annotated[int, typer.Option(min=0, max=50, help="Columns to name.")] = 3,
    method: Annotated[
        str, typer.Option(help="own (the detector's), occlusion, shap or lime (extra: explain).")
    ] = "own",
    as_json: Json = False,
) -> None:
    """Which model, threshold and reasons held for a row: of an entity, its newest row at that moment."""
    from flows.display.reporting import show_row_explanation as show
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.reporting.explain_row import explain_row as explain_row

    disable_telemetry()
    pipeline = load_pipeline(config)
    with track_progress(f"{pipeline.name}: why"):
        explanation = explain_row(pipeline, row, as_of, top, method)
    print_result(explanation.to_dict(), as_json, show)


@command("pynomaly report configs/quickstart.yaml --version 1")
def report(
    config: Config,
    version: Annotated[str, typer.Option("--version", help="The page of this version, like 3.")] = "",
    window: Annotated[
        str, typer.Option("--window", help="The page of the judged window that starts then (ISO time).")
    ] = "",
    as_json: Json = False,
) -> None:
    """Write pages again from the records: by default the champion's and the newest window's."""
    from pynomaly.data.window import parse_moment
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.reporting.reports import (
        WrittenPage,
        find_judged_window,
        write_newest_pages,
        write_training_page,
        write_window_page,
    )

    pipeline = load_pipeline(config)
    number = version.strip().removeprefix("v")
    if version and window:
        raise ConfigError("give --version or --window, not both")
    if version and not (number.isascii() and number.isdigit() and int(number) > 0):
        raise ConfigError(f"--version {version!r} is no version number; write one like 3")
    disable_telemetry()
    pages: tuple[WrittenPage, ...]
    with track_progress(f"{pipeline.name}: report"):
        if version:
            pages = (write_training_page(pipeline, int(number)),)
        elif window:
            pages = (write_window_page(pipeline, *find_judged_window(pipeline, parse_moment(window))),)
        else:
            pages = write_newest_pages(pipeline)
    print_result({"pages": [page.to_dict() for page in pages]}, as_json, _print_pages)


def _print_pages(result: dict[str, Any]) -> None:
    for page in result["pages"]:
        typer.echo(page["path"])
        if page["error"]:
            typer.echo(f"  not in MLflow: {page['error']}", err=True)
