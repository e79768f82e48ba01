"""What the command line prints about scored windows and files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flows.display.tables import build_table, make_console

__all__ = ["format_window_key", "show_file_scores", "show_scored_windows"]


def format_window_key(key: str) -> str:
    """Returns a window's key as readable UTC times, without times at midnight and without a repeated date."""
    try:
        start, end = (datetime.strptime(part, "%Y%m%dT%H%M%SZ") for part in key.split("--"))
    except ValueError:
        return key  # finer than a second, or not a window of time
    if start.time() == end.time() == datetime.min.time():
        return f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"
    return f"{start:%Y-%m-%d %H:%M} to {end:{'%H:%M' if start.date() == end.date() else '%m-%d %H:%M'}}"


def show_scored_windows(result: dict[str, Any]) -> None:
    """Print the partitions that were written or already there."""
    columns = ("window", "version", "rows", "alerts", "quarantined", "new")
    rows = [
        [format_window_key(item["window"]), *(item[name] for name in columns[1:])]
        for item in result["windows"]
    ]
    console = make_console()
    console.print(build_table("scored windows", ("window", "v", *columns[2:]), rows))
    warnings = dict.fromkeys(line for item in result["windows"] for line in item.get("warnings", ()))
    for line in warnings:
        console.print(f"warning: {line}")
    for line in (*result["empty"], result["left_out"]):
        if line:
            console.print(f"  {line}")


def show_file_scores(result: dict[str, Any]) -> None:
    """Print the result of scoring one file."""
    console = make_console()
    summary = f"{result['rows']} rows scored by v{result['version']}, {result['alerts']} alerts"
    console.print(f"{summary} -> {result['output']}")
    if result["touched"]:
        console.print(f"{result['touched']} rows had a missing value filled in, or a category never seen")
    if result["quarantined"]:
        console.print(f"{result['quarantined']} rows could not be scored -> {result['quarantine']}")
    for name, beside in result["renamed"].items():
        console.print(f"the input's column {name!r} is {beside!r} there, because the scores have a {name!r}")
    for warning in result["warnings"]:
        console.print(f"warning: {warning}")
