"""What the command line prints about a judged window."""

from __future__ import annotations

from typing import Any

from flows.display.tables import build_table, make_console

__all__ = ["show_monitored_window"]


def show_monitored_window(result: dict[str, Any]) -> None:
    """Print the verdict on a window."""
    console = make_console()
    verdict, observation = result["degradation"], result["observation"]
    console.print(f"window {result['window']} under v{result['version']}")
    console.print(f"{verdict['state']}; action: {verdict['action']}")
    for reason in (*verdict["reasons"], *observation["reasons"]):
        console.print(f"  {reason}")
    columns = ("name", "status", "effect", "corrected")
    rows = [[column[name] for name in columns] for column in result["drift"]["columns"]]
    console.print(build_table(f"data: {result['drift']['status']}", columns, rows))
    console.print(result["drift"]["basis"])
    aspect_rows = [[item[name] for name in ("name", "status", "effect")] for item in result["aspects"]]
    console.print(build_table("the window at a glance", ("judged", "status", "effect"), aspect_rows))
    if result["report"]:
        console.print(f"report: {result['report']}")
    if result.get("page"):
        console.print(f"page: {result['page']}", soft_wrap=True)
