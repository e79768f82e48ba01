"""Command ``replay``: replays history under several retraining policies, in memory, without writing to it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import Config, Json, command, print_result
from pynomaly.config import load_pipeline

__all__ = ["replay"]


@command("pynomaly replay configs/quickstart.yaml --from 2026-01-19 --to 2026-02-02")
def replay(
    config: Config,
    start: Annotated[str, typer.Option("--from", help="Where to begin: a date, or a time with an offset.")],
    end: Annotated[str, typer.Option("--to", help="Where to end; whole monitoring windows count.")],
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", help="never, weekly, every:2h, drift, higher, ours; may be repeated."),
    ] = None,
    all_candidates: Annotated[
        bool, typer.Option("--all-candidates", help="Train every candidate, not the first alone.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Folder for replay.json and replay.png.")] = None,
    as_json: Json = False,
) -> None:
    """Replay history in memory under several retraining policies and compare them; no record is changed."""
    import json
    import sys

    from rich.console import Console

    from flows.display.replay import show_replay
    from pynomaly.errors import ConfigError
    from pynomaly.records.figures import draw_policies
    from pynomaly.records.telemetry import disable_telemetry
    from pynomaly.steps.operations.backfill import parse_past_range
    from pynomaly.steps.replay.replay import REPLAY_POLICIES
    from pynomaly.steps.replay.replay import replay as replay_policies

    disable_telemetry()
    pipeline = load_pipeline(config)
    first, last = parse_past_range(pipeline, f"{start}..{end}")
    if output is not None and output.exists() and not output.is_dir():
        raise ConfigError(f"--output {str(output)!r} is a file; a folder is needed")
    console = Console(stderr=True, highlight=False)
    with console.status("reading") if sys.stderr.isatty() else nullcontext() as status:

        def update_status(line: str) -> None:
            if status is not None:
                status.update(line)

        result = replay_policies(
            pipeline,
            first,
            last,
            policy or REPLAY_POLICIES,
            every_candidate=all_candidates,
            tell=update_status,
        )
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "replay.json").write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
        (output / "replay.png").write_bytes(draw_policies(result))
    print_result(result, as_json, show_replay)
