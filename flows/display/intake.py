"""What ``pynomaly convert`` prints: what was carried over, what was not and why, and the next step."""

from __future__ import annotations

from typing import Any

from flows.display.tables import build_table, make_console

__all__ = ["show_conversion"]


def show_conversion(result: dict[str, Any]) -> None:
    """Print the files written, the settings carried over or left out, and the next command."""
    console = make_console()
    console.print(f"{result['product']}: wrote {', '.join((*result['files'], result['config']))}")
    carried_rows = list(result["carried"].items())
    console.print(build_table("Carried over", ("setting", "from"), carried_rows))
    if result["left_out"]:
        console.print(build_table("Not carried over", ("what", "why"), list(result["left_out"].items())))
    if not result["data"]:
        console.print(f"bring its rows to {result['settings']['data']['path']} (as seen from configs/)")
    if variable := result["settings"]["data"].get("connection"):
        console.print(f"set {variable} to the database's URL")
    console.print(f"next: pynomaly train {result['config']}")
