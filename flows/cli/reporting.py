"""Command ``report``: writes the pages about a version and a window again from the records."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.cli.app import Config, Json, app, say
from flows.cli.waiting import waiting
from pynomaly.config import load
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
    from pynomaly.records.telemetry import switch_off
    from pynomaly.steps.reports import Page, judged_window, newest_pages, report_training, report_window

    pipeline = load(config)
    number = version.strip().removeprefix("v")
    if version and window:
        raise ConfigError("give --version or --window, not both")
    if version and not (number.isascii() and number.isdigit() and int(number) > 0):
        raise ConfigError(f"--version {version!r} is no version number; write one like 3")
    switch_off()
    pages: tuple[Page, ...]
    with waiting(f"{pipeline.name}: report"):
        if version:
            pages = (report_training(pipeline, int(number)),)
        elif window:
            pages = (report_window(pipeline, *judged_window(pipeline, parse_moment(window))),)
        else:
            pages = newest_pages(pipeline)
    say({"pages": [page.to_dict() for page in pages]}, as_json, _show)


def _show(result: dict[str, Any]) -> None:
    for page in result["pages"]:
        typer.echo(page["path"])
        if page["error"]:
            typer.echo(f"  not in MLflow: {page['error']}", err=True)
