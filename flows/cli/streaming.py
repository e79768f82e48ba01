"""Command ``stream``: scores the messages of a broker as they come, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.app import Config, Json, command, print_result
from pynomaly.config import Pipeline, load_pipeline

__all__ = ["stream"]


@command(
    "pynomaly stream configs/live.yaml --import data/machines.csv",
    "pynomaly stream configs/live.yaml",
    "pynomaly stream configs/live.yaml --until-idle 5 --json",
    "pynomaly stream configs/live.yaml --letters 10",
)
def stream(
    config: Config,
    name: Annotated[str, typer.Option(help="Name of this worker; each that runs needs its own.")] = "",
    until_idle: Annotated[
        float, typer.Option(min=0, help="End when no message waits and none came for so many seconds.")
    ] = 0.0,
    history: Annotated[
        Path | None, typer.Option("--import", help="Keep the rows of this file as past windows, and end.")
    ] = None,
    letters: Annotated[
        int, typer.Option(min=0, max=1000, help="Show so many of the newest dead letters, and end.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Score the messages of a broker as they come, until Ctrl-C; windows close into the batch path."""
    from flows.display import streaming as display
    from pynomaly.records.telemetry import disable_telemetry

    disable_telemetry()
    pipeline = load_pipeline(config)
    if history is not None:
        from pynomaly.steps.streaming.past_rows import import_rows

        print_result(import_rows(pipeline, history).to_dict(), as_json, display.show_imported_rows)
    elif letters:
        from pynomaly.steps.streaming.dead_letters import describe_letters

        print_result(describe_letters(pipeline, letters), as_json, display.show_letters)
    else:
        result = asyncio.run(_work(pipeline, name, until_idle or None, quiet=as_json))
        print_result(result, as_json, display.show_stream_run)


async def _work(pipeline: Pipeline, name: str, until_idle: float | None, *, quiet: bool) -> dict[str, Any]:
    from flows.display.streaming import describe_closed
    from pynomaly.steps.streaming.run_stream import StreamRun

    def say(text: str) -> None:
        typer.echo(f"{pipeline.name}: {text}", err=True)

    run = StreamRun(
        pipeline,
        name,
        on_problem=say,
        on_closed=lambda items: None if quiet else say(describe_closed(items)),
    )
    loop = asyncio.get_running_loop()
    working = asyncio.ensure_future(run.run(until_idle_s=until_idle))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: asyncio.ensure_future(run.stop()))
    say(f"reads {pipeline.stream.topic} from {pipeline.stream.broker}; Ctrl-C ends it after its batch")
    progress = await working
    return {"pipeline": pipeline.name, **progress.to_dict()}
