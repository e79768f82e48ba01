"""Commands that bring data in: init drafts a pipeline for a table, convert reads another product's export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import Json, command, print_result
from pynomaly.errors import ConfigError

__all__ = ["convert", "init"]


@command(
    "pynomaly init data/machines.csv --time time --id machine --label anomaly",
    "pynomaly init --example",
)
def init(
    data: Annotated[
        Path | None, typer.Argument(metavar="[DATA]", help="CSV or Parquet file, or a folder of them.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the pipeline; by default the file's.")] = None,
    time: Annotated[str | None, typer.Option(help="Time column.")] = None,
    label: Annotated[str | None, typer.Option(help="Label column: 1 anomaly, 0 normal.")] = None,
    id: Annotated[str | None, typer.Option(help="Column that names the entity.")] = None,
    example: Annotated[
        bool,
        typer.Option("--example", help="Write an example instead: a bundled fleet, every setting."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing configuration.")] = False,
    as_json: Json = False,
) -> None:
    """Look at a table and write configs/NAME.yaml for it; --example writes one that needs no table."""
    from flows.intake import write_draft, write_example

    if example == (data is not None):
        raise ConfigError("`pynomaly init` takes either DATA, a table to look at, or --example, and not both")
    if data is None:
        result = write_example(force=force)
    else:
        result = write_draft(data, name=name, time=time, label=label, id=id, force=force)
    print_result(
        result,
        as_json,
        lambda draft_result: typer.echo(
            f"wrote {draft_result['config']}\nnext: pynomaly train {draft_result['config']}"
        ),
    )


@command("pynomaly convert export/dataset.json export/labels.csv export/sensors.csv")
def convert(
    exports: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Documents and tables of one export, or folders.")
    ],
    name: Annotated[str, typer.Option(help="Name of the pipeline; by default what the export says.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over files of that name.")] = False,
    as_json: Json = False,
) -> None:
    """Bring over what Azure Anomaly Detector, Amazon Lookout or Model Monitor exported."""
    from flows.display.intake import show_conversion
    from flows.intake import write_converted_config

    print_result(write_converted_config(exports, name=name, force=force), as_json, show_conversion)
