"""What ``pynomaly prune`` prints: how much is removed of each kind, and why the rest stays."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console

from flows.display.tables import build_table

__all__ = ["show_pruning"]


def show_pruning(result: dict[str, Any]) -> None:
    """Print what was or would be removed, by kind; ``--json`` lists every single thing."""
    console = Console(highlight=False)
    heading = "removed" if result["applied"] else "would be removed"
    rows = [[kind, item["count"], f"{item['bytes'] / 1e6:.2f}"] for kind, item in result["counts"].items()]
    console.print(
        build_table(heading, ("what", "how many", "MB"), rows) if rows else "nothing is past its retention"
    )
    for title, items in ((heading, result["removals"]), ("old, and stays", result["kept"])):
        reason_counts = Counter((item["kind"], item["reason"]) for item in items)
        for (kind, reason), count in sorted(reason_counts.items()):
            console.print(f"  {title}: {count} x {kind}: {reason}", markup=False)
    for line in result["skipped"]:
        console.print(f"  not removed: {line}", markup=False)
    if rows and not result["applied"]:
        console.print("nothing was touched; --apply removes it")
