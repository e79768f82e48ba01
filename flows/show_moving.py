"""What ``pynomaly convert`` prints: what came over, what did not and why, what is left to do."""

from __future__ import annotations

from typing import Any

from flows.show import Plain, table

__all__ = ["converted"]


def converted(result: dict[str, Any]) -> None:
    """Files written, what was carried and what was left out, and the next command."""
    out = Plain(highlight=False)
    out.print(f"{result['product']}: wrote {', '.join((*result['files'], result['config']))}")
    carried = list(result["carried"].items())
    out.print(table("Carried over", ("setting", "from"), carried))
    if result["left_out"]:
        out.print(table("Not carried over", ("what", "why"), list(result["left_out"].items())))
    if not result["data"]:
        out.print(f"bring its rows to {result['settings']['data']['path']} (as seen from configs/)")
    if variable := result["settings"]["data"].get("connection"):
        out.print(f"set {variable} to the database's URL")
    out.print(f"next: pynomaly train {result['config']}")
