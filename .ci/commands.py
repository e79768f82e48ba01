"""Makes the page of every command, from the application itself; called by ``make reference``."""

from __future__ import annotations

from typing import Any

import typer

from flows.cli import app
from flows.cli.app import EXAMPLES

__all__ = ["CODES", "page"]

CODES = {
    "reconcile": "0 also where parts failed: they are named under `failed`",
    "prune": "1: something was kept because it could not be removed",
    "drill": "1: the alarm did not arrive, or found too little",
    "notify": "1: with `--test`, a target did not accept the message",
    "reproduce": "1: the scores differ",
    "approve": "2: the gate refused, or nothing waits",
    "reject": "2: it is too late, or nothing waits",
    "history": "2: with `--verify`, the chain is broken",
    "doctor": "2: something is wrong; 0 with warnings",
    "ack": "2: it was resolved already",
}
"""Exit codes of single commands that the general table does not explain."""


def page() -> str:
    """Returns Markdown: the table of exit codes, then every command."""
    lines = [
        "# Command line",
        "",
        "Every command is `pynomaly COMMAND`; `pynomaly COMMAND --help` shows what is below. Results go to",
        "standard output, messages and progress to standard error. With `--json` the result is one JSON",
        "object on standard output, and nothing else is. `--env NAME` before the command, or `PYNOMALY_ENV`,",
        "chooses the overlays that count. With `--install-completion` in a command's place, the shell learns",
        "to complete commands and options, pipelines and detectors.",
        "",
        "## Exit codes",
        "",
        "| code | meaning |",
        "|---|---|",
        "| 0 | done |",
        "| 1 | done, and the answer is no: a drill that failed, scores that differ, a message nobody took |",
        "| 2 | not done: what was asked for is not possible, and one line says why; nothing was changed |",
        "| 3 | not done now: another process is at the same work; `--wait 10m` waits for it |",
        "| 130 | stopped by Ctrl-C |",
        "",
        "A training whose challenger is refused, and a training that was not due, are done: 0; where the",
        "first version is refused, so that there is no champion, the answer is no: 1.",
        "",
        "This page is written by `make reference`.",
    ]
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        lines += ["", f"## {name}", "", " ".join((command.help or "").split()), ""]
        lines += ["```bash", *EXAMPLES[name], "```"]
        if name in CODES:
            lines += ["", f"Exit code {CODES[name]}."]
        rows = [_format_parameter_row(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            lines += ["", "| | default | |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _format_parameter_row(parameter: Any) -> str:
    argument = not parameter.opts[0].startswith("-")
    name = parameter.metavar or parameter.name.upper() if argument else "`, `".join(parameter.opts)
    default = parameter.default
    if parameter.required:
        default_cell = "**required**"
    elif default in (None, "", False, ()) or callable(default):
        default_cell = ""
    else:
        default_cell = f"`{default}`"
    cells = (f"`{name}`", default_cell, " ".join((parameter.help or "").split()))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
