"""What the command line prints about a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flows.display.scoring import format_window_key
from flows.display.tables import build_table, make_console
from flows.display.terminal import escape_unprintable

__all__ = ["describe_closed", "show_imported_rows", "show_letters", "show_stream_run"]

MAX_WINDOWS = 10


def describe_closed(items: Sequence[Any]) -> str:
    """Returns one line for windows that were closed together."""
    rows = sum(item.rows for item in items)
    newest = format_window_key(items[-1].window)
    count = f"{len(items)} windows, the newest " if len(items) > 1 else ""
    return f"closed {count}{newest}, {rows} rows"


def show_stream_run(result: dict[str, Any]) -> None:
    """Print what a worker of a stream has done."""
    console = make_console()
    console.print(
        f"{result['messages']} messages: {result['rows']} rows, {result['scored']} scored, "
        f"{result['alerts']} of them alert"
    )
    if result["again"]:
        console.print(f"{result['again']} rows came again, and are kept once")
    if result["late"]:
        console.print(f"{result['late']} rows came after their window was closed, which is scored again")
    if result["letters"]:
        console.print(f"{result['letters']} dead letters; `pynomaly stream CONFIG --letters 20` shows them")
    for name, count in sorted(result["left_out"].items(), key=lambda item: -item[1])[:MAX_WINDOWS]:
        console.print(f"key {name!r} is no column of the stream, and was left out {count} times")
    windows = list(dict.fromkeys(result["windows"]))
    if windows:
        shown = ", ".join(format_window_key(key) for key in windows[-MAX_WINDOWS:])
        console.print(f"{len(windows)} windows closed; the newest: {shown}")
    waiting = sum(result["lag"].values())
    if waiting:
        console.print(f"{waiting} messages were not read yet")
    for text in dict.fromkeys(result["problems"]):
        console.print(f"problem: {text}")


def show_imported_rows(result: dict[str, Any]) -> None:
    """Print what was kept of a file."""
    console = make_console()
    console.print(f"{result['rows']} rows kept in {result['windows']} windows")
    if result["left_out"]:
        console.print(f"{result['left_out']} rows have no time that can be read, and were left out")
    if result["present"]:
        console.print(
            f"{len(result['present'])} windows had rows already and stay as they are; the first: "
            f"{format_window_key(result['present'][0])}"
        )


def show_letters(result: dict[str, Any]) -> None:
    """Print the newest dead letters."""
    console = make_console()
    if not result["letters"]:
        console.print(f"{result['pipeline']} has no dead letters")
        return
    rows = [[rule, count] for rule, count in sorted(result["counts"].items(), key=lambda item: -item[1])]
    console.print(build_table("dead letters", ("rule", "kept"), rows))
    for item in result["letters"]:
        where = f"{item['part']}:{item['offset']}" if item["part"] else "a message"
        console.print(f"{item['rule']}: {item['reason']}")
        text = escape_unprintable(item["message"][:60].replace("\n", " "))
        console.print(f"  {where}, {item['bytes']} bytes: {text}", markup=False)
