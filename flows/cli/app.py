"""What every command shares: the application, common options, running a flow and printing a result."""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from flows.display.terminal import escape_unprintable
from flows.display.waiting import track_progress
from pynomaly.config import ENVIRONMENT, Pipeline
from pynomaly.errors import ConfigError, LeaseHeldError, PynomalyError, WindowError

if TYPE_CHECKING:
    from pynomaly.console.client import ConsoleClient

__all__ = [
    "EXAMPLES",
    "AsOf",
    "Config",
    "Json",
    "Reason",
    "Wait",
    "app",
    "check_moments",
    "command",
    "find_console",
    "get_user_name",
    "main",
    "print_result",
    "run_flow",
    "silence_warnings",
]

app = typer.Typer(
    name="pynomaly",
    help="Train, compare, watch, retrain and roll back anomaly detectors that have no labels.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Config = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG",
        help="Pipeline YAML, like configs/quickstart.yaml.",
        autocompletion=lambda incomplete: _complete_pipeline_path(incomplete),
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]
AsOf = Annotated[
    str,
    typer.Option(
        "--as-of", help="Moment to stand for (ISO time with an offset), or 'latest': end of the data."
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the decision.")]
Wait = Annotated[
    str,
    typer.Option(
        help="How long to wait while another process is at it, like 10m; by default not at all: exit code 3."
    ),
]

HELD_CODE = 3
"""Exit code of a command that did nothing, because another process is at the same work."""


EXAMPLES: dict[str, tuple[str, ...]] = {}
"""The examples of each command, in the order of ``--help``: shown there, in the docs, and run by a test."""

Command = TypeVar("Command", bound=Callable[..., None])


def command(*examples: str) -> Callable[[Command], Command]:
    """Register the decorated function as a command of its name.

    Parameters
    ----------
    *examples : str
        Whole command lines, at most 78 characters, that ``--help`` shows as they stand. A test runs each of
        them, and fails for a command without any.
    """

    def register(function: Command) -> Command:
        EXAMPLES[function.__name__] = examples
        epilog = "\n\n".join(("Examples:", *examples)) if examples else None
        app.command(epilog=epilog)(function)
        return function

    return register


# Raised for a mistyped command, option or choice. Typer has its own copy of click and exports no base class.
_CLICK_ERROR: type[Any] = next(
    item for item in typer.BadParameter.__mro__ if item.__name__ == "ClickException"
)


@app.callback()
def apply_environment(
    env: Annotated[
        str, typer.Option("--env", metavar="NAME", help="Environment whose overlays count; or $PYNOMALY_ENV.")
    ] = "",
) -> None:
    """Train, compare, watch, retrain and roll back anomaly detectors that have no labels."""
    if env:
        os.environ[ENVIRONMENT] = env  # also for the flows and servers that are started from here


def _complete_pipeline_path(incomplete: str) -> list[str]:
    """Returns YAML files that complete `incomplete`, for the shell; those of ``configs/`` if it is empty."""
    from pathlib import Path

    start = incomplete or "configs/"
    folder = Path(start if start.endswith("/") else Path(start).parent)
    paths = [*folder.glob("*.yaml"), *(item for item in folder.glob("*/") if item.is_dir())]
    path_names = sorted(f"{item}/" if item.is_dir() else str(item) for item in paths)
    return [name for name in path_names if name.startswith(start)]


def main() -> None:
    """Entry point of the ``pynomaly`` command."""
    silence_warnings()
    try:
        code = app(standalone_mode=False)
    except PynomalyError as error:
        typer.echo(f"pynomaly: {escape_unprintable(str(error))}", err=True)
        sys.exit(HELD_CODE if isinstance(error, LeaseHeldError) else 2)
    except _CLICK_ERROR as error:
        if not (message := " ".join(error.format_message().split())):  # a group name alone: show its help
            error.show()
            sys.exit(2)
        context = getattr(error, "ctx", None)
        command_path = context.command_path if context else "pynomaly"
        full_stop = "" if message.endswith((".", "?")) else "."
        hint = f"`{command_path} --help` shows what there is."
        typer.echo(f"pynomaly: {escape_unprintable(message)}{full_stop} {hint}", err=True)
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("pynomaly: stopped", err=True)
        sys.exit(130)
    if isinstance(code, int):
        sys.exit(code)


def silence_warnings() -> None:
    """Keep Python's warnings, which speak to programmers, off the screen; -W and PYTHONWARNINGS show them."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"  # also in the processes that fit, score and serve


def check_moments(parameters: Mapping[str, Any]) -> None:
    """Refuse a mistyped moment before there is a run that it would fail.

    Raises
    ------
    ConfigError
        If ``as_of``, ``start`` or ``end`` is no moment with an offset (the message names the option), or
        only one end of a range is given.
    WindowError
        If the range is empty or reversed.
    """
    from pynomaly.data.window import Window, parse_moment

    for name in ("as_of", "start", "end"):
        text = str(parameters.get(name) or "")
        if not text or (name == "as_of" and text == "latest"):
            continue
        option = f"--{name.replace('_', '-')}"
        try:
            parse_moment(text)
        except WindowError as error:
            or_latest = ", or latest: the end of the data" if name == "as_of" else ""
            raise ConfigError(f"{option}: {error}{or_latest}") from error
    start, end = (str(parameters.get(name) or "") for name in ("start", "end"))
    if bool(start) != bool(end):
        raise ConfigError("give both --start and --end, or neither")
    if start:
        Window.parse(start, end)


def run_flow(
    module: str, name: str, pipeline: Pipeline, *, wait: str = "", **parameters: Any
) -> dict[str, Any]:
    """Run a flow in this process with its state under the pipeline's home; a terminal shows its steps.

    Parameters
    ----------
    wait : str
        How long to wait for another process that is at the same work, like ``"10m"``.

    Raises
    ------
    LeaseHeldError
        If another process is at it for longer than that.
    """
    from flows.machine.environment import configure_environment
    from flows.machine.temporary_server import pause_garbage_collection, run_temporary_server
    from pynomaly.steps.patient_lease import repeat_when_free

    check_moments(parameters)
    patience_s = _parse_wait(wait)
    configure_environment(pipeline.home)
    # The server first: progress on a terminal has a thread, and a process of several threads is not forked.
    with (
        run_temporary_server(pipeline.home) as server,
        track_progress(f"{pipeline.name}: {name}") as report_step,
    ):
        with pause_garbage_collection():
            flow: Callable[..., dict[str, Any]] = getattr(importlib.import_module(f"flows.{module}"), name)
            from pynomaly.records.registry.connection import import_mlflow
            from tasks.step import STEP_LISTENERS

            if server:
                import_mlflow()  # while the server starts: almost every flow asks it who is champion
        run = partial(flow, config=str(pipeline.origin), **parameters)

        def run_once() -> dict[str, Any]:
            result = server.run(run) if server else run()
            if result.get("held"):
                raise LeaseHeldError(result["decision"]["reasons"][0], result["held"])
            return result

        STEP_LISTENERS.append(report_step)
        try:
            return repeat_when_free(run_once, pipeline.ledger_url, patience_s)
        finally:
            STEP_LISTENERS.remove(report_step)


def _parse_wait(text: str) -> float:
    """Returns the seconds of an option ``--wait``; 0 if it is empty."""
    from pynomaly.config.spelling.units import parse_duration

    try:
        return parse_duration(text).total_seconds() if text else 0.0
    except ValueError as error:
        raise ConfigError(f"--wait: {error}") from error


def print_result(result: dict[str, Any], as_json: bool, show: Callable[[dict[str, Any]], None]) -> None:
    """Print a result as one JSON object, or as `show` lays it out."""
    if as_json:
        typer.echo(json.dumps(result, default=str, allow_nan=False))
    else:
        show(result)


def find_console(config: str) -> tuple[ConsoleClient, str] | None:
    """Returns the console of ``$PYNOMALY_URL`` and the pipeline's name; None where the records are here.

    CONFIG may then be a name, as no file is needed.
    """
    from pathlib import Path

    if not os.environ.get("PYNOMALY_URL"):
        return None
    from pynomaly.config import load_pipeline
    from pynomaly.console.client import ConsoleClient

    client = ConsoleClient.of_environment()
    if client is None:
        return None
    return client, load_pipeline(config).name if Path(config).is_file() else config


def get_user_name() -> str:
    """Returns the name of the current user; a container may run under a user id without a name."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
