"""Commands that bring data in: init drafts a pipeline for a table, convert reads another product's export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.app import Json, command, print_result
from pynomaly.errors import ConfigError

__all__ = ["convert", "init"]


@command(
    "pynomaly init data/machines.csv --time time --id machine --label anomaly",
    "pynomaly init data/machines.csv --explain heat",
    "pynomaly init --example",
)
def init(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]", help="A table: file, folder of files, or a pattern like 'logs/*.csv'."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the pipeline; by default the file's.")] = None,
    time: Annotated[
        list[str] | None, typer.Option(help="Time column; given more than once: columns to join.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Label column: 1 anomaly, 0 normal, or words.")] = None,
    id: Annotated[str | None, typer.Option(help="Column that names the entity.")] = None,
    time_format: Annotated[
        str | None, typer.Option(help="How times are written, like '%d.%m.%Y %H:%M'.")
    ] = None,
    epoch: Annotated[
        str | None, typer.Option(help="Unit of times that are numbers: s, ms, us, ns, excel.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Zone of times without an offset.")] = None,
    source: Annotated[str | None, typer.Option(help="Kind of file, if its ending does not tell.")] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a workbook.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the text, like cp1252.")] = None,
    separator: Annotated[str | None, typer.Option(help="Separator of the columns, or blanks.")] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal mark: . or ,")] = None,
    thousands: Annotated[str | None, typer.Option(help="Mark between thousands.")] = None,
    skip_rows: Annotated[int | None, typer.Option(help="Lines before the header.")] = None,
    header: Annotated[
        bool | None, typer.Option("--header/--no-header", help="Whether a line holds the names.")
    ] = None,
    missing: Annotated[
        list[str] | None, typer.Option(help="A cell that means missing; may be given more than once.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any other setting under data, like 'counters=[kwh]'."
        ),
    ] = None,
    explain: Annotated[
        str, typer.Option("--explain", metavar="COLUMN", help="Say more of one column; nothing is written.")
    ] = "",
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask about each doubtful decision, on a terminal.")
    ] = False,
    example: Annotated[
        bool,
        typer.Option("--example", help="Write an example instead: a bundled fleet, every setting."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing configuration.")] = False,
    as_json: Json = False,
) -> None:
    """Look at a table, say what each column is and why, and write configs/NAME.yaml for it.

    --example writes one that needs no table.
    """
    from flows.display.intake import show_column, show_draft, show_example
    from flows.intake import explain_column, parse_settings, write_draft, write_example

    if example == (data is not None):
        raise ConfigError("`pynomaly init` takes either DATA, a table to look at, or --example, and not both")
    if data is None:
        print_result(write_example(force=force), as_json, show_example)
        return
    given: dict[str, Any] = {
        "time": time[0] if time and len(time) == 1 else time,
        "label": label,
        "id": id,
        "time_format": time_format,
        "epoch": epoch,
        "timezone": timezone,
        "source": source,
        "sheet": sheet,
        "encoding": encoding,
        "separator": "\t" if separator in ("tab", "\\t") else separator,
        "decimal": decimal,
        "thousands": thousands,
        "skip_rows": skip_rows,
        "header": header,
        "missing_values": missing or None,
    }
    hints = {key: value for key, value in given.items() if value is not None} | parse_settings(settings or ())
    if explain:
        print_result(explain_column(data, explain, hints), as_json, show_column)
        return
    if ask:
        hints |= _ask_decisions(data, hints)
    print_result(write_draft(data, hints, name=name, force=force), as_json, show_draft)


def _ask_decisions(data: str, hints: dict[str, Any]) -> dict[str, Any]:
    """Ask on the terminal about each doubtful decision; an empty answer keeps what was decided."""
    from flows.intake import list_questions

    if not sys.stdin.isatty():
        raise ConfigError("--ask needs a terminal; give the settings as options (`pynomaly init --help`)")
    answers: dict[str, Any] = {}
    for question in list_questions(data, hints):
        typer.echo(f"{question['why']}")
        answer = typer.prompt(
            f"{question['setting']} ({', '.join(map(str, question['choices']))})",
            default=str(question["value"] or "none"), show_default=True,
        )  # fmt: skip
        if answer != str(question["value"] or "none"):
            answers[question["setting"]] = answer
    return answers


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
