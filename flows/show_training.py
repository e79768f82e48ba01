"""What the command line prints of a training or a search: the candidates, the verdict, what followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from flows.show import Plain, decision, table

__all__ = ["searched", "training"]


def training(result: dict[str, Any]) -> None:
    """The decision to train, the candidates, the verdict, what followed."""
    console = Plain(highlight=False)
    if not result["trained"]:
        console.print(f"not trained: {result['decision']['remedy']}")
        for reason in result["decision"]["reasons"]:
            console.print(f"  {reason}")
        return
    if result["registered"] is None:
        decision(result["decision"])
        return
    rows = result["choice"]["table"]
    if rows:
        console.print(_candidates(rows))
    for reason in result["choice"]["reasons"]:
        console.print(f"  {reason}")
    registered = result["registered"]
    console.print(f"registered {registered['pipeline']} v{registered['version']} ({registered['detector']})")
    for note in registered["notes"]:
        console.print(f"  note: {note}")
    decision(result["decision"])


def _candidates(rows: Sequence[dict[str, Any]]) -> Table:
    """The candidates within 80 columns; what kept one from being compared is in the reasons below."""
    columns = ("candidate", "value", "interval", "fit s", "score s", "MB", "front")
    keys = ("fit_seconds", "score_seconds", "megabytes")
    shown = [
        [
            row["candidate"],
            row["value"],
            "-" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}",
            *(row[key] for key in keys),
            "yes" if row["front"] else "",
        ]
        for row in rows
    ]
    return table("candidates on the same held-out rows", columns, shown)


def searched(result: dict[str, Any]) -> None:
    """The trials of a search, its answer, and what followed."""
    found = result["search"]
    if found:
        columns = ("params", "detector", "value", "stability", "seconds", "reason")
        rows = [
            [", ".join(f"{k}={v}" for k, v in item["params"].items()), *(item[name] for name in columns[1:])]
            for item in found["trials"]
        ]
        Plain(highlight=False).print(table(f"trials on {found['rung']}, the default first", columns, rows))
    training(result)
