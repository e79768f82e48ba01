"""What the command line prints about sinks: what was delivered, what waits, and why."""

from __future__ import annotations

from typing import Any

from flows.display.tables import build_table, make_console

__all__ = ["show_delivery", "show_delivery_plan"]


def show_delivery(result: dict[str, Any]) -> None:
    """Print what each sink received now, and what waits."""
    console = make_console()
    waiting = {(item["sink"], item["what"]): item for item in result["sinks"]}
    columns = ("sink", "of", "rows", "due", "dead")
    rows = [
        [item["sink"], item["what"], item["rows"], *_count_waiting(waiting[item["sink"], item["what"]])]
        for item in result["channels"]
    ]
    console.print(build_table("delivered", columns, rows) if rows else "nothing was delivered")
    _print_errors(result["sinks"])


def show_delivery_plan(result: dict[str, Any]) -> None:
    """Print what would be delivered, and which sinks answer."""
    console = make_console()
    columns = ("sink", "kind", "of", "due", "dead")
    rows = [[item["sink"], item["kind"], item["what"], *_count_waiting(item)] for item in result["sinks"]]
    console.print(build_table("would be delivered", columns, rows) if rows else "there are no sinks")
    for sink, error in result["answers"].items():
        console.print(f"{sink}: {error or 'answers'}")
    _print_errors(result["sinks"])


def _count_waiting(item: dict[str, Any]) -> tuple[str, int]:
    return "from now on" if item["due"] is None else str(item["due"]), item["dead"]


def _print_errors(sinks: list[dict[str, Any]]) -> None:
    for item in sinks:
        if item["error"]:
            make_console().print(f"{item['sink']} waits with {item['what']}: {item['error']}")
