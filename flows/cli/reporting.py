"""Command ``report``: writes the pages about a version and a window again from the records."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.cli.app import Config, Json, app, print_result
from flows.cli.waiting import show_progress
from pynomaly.config import load_pipeline
from pynomaly.errors import ConfigError

__all__ = ["report"]


@app.command()
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
    with show_progress(f"{pipeline.name}: report"):
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
