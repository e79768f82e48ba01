"""What the command line prints of a training or a search: the candidates, the verdict, the decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flows.display.promotion import show_decision
from flows.display.tables import FittingTable, build_table, make_console

__all__ = ["build_candidate_table", "show_rehearsal", "show_search_result", "show_training_result"]


def show_training_result(result: dict[str, Any]) -> None:
    """Print the decision to train, the candidates, the verdict and the decision on the champion."""
    console = make_console()
    if not result["trained"]:
        console.print(f"not trained: {result['decision']['remedy']}")
        for reason in result["decision"]["reasons"]:
            console.print(f"  {reason}")
        return
    if result["registered"] is None:
        show_decision(result["decision"])
        return
    rows = result["choice"]["table"]
    if rows:
        console.print(build_candidate_table(rows))
    for reason in result["choice"]["reasons"]:
        console.print(f"  {reason}")
    registered = result["registered"]
    console.print(f"registered {registered['pipeline']} v{registered['version']} ({registered['detector']})")
    for note in registered["notes"]:
        console.print(f"  note: {note}")
    show_decision(result["decision"])


def show_rehearsal(result: dict[str, Any]) -> None:
    """Print what a recalibration would come to."""
    console = make_console()
    ruling = result.get("ruling")
    if ruling is None:
        show_training_result(result)
        return
    console.print(f"would {ruling['kind']}, if the gate passes: {ruling['outcome']}; nothing was written")
    console.print(
        f"  normal held-out rows that alert: {result['alert_rate_before']:.2%} now, "
        f"{result['alert_rate_after']:.2%} then, {result['promised']:.2%} promised "
        f"({result['rows']} rows set p-values)"
    )
    for reason in ruling["reasons"]:
        console.print(f"  {reason}")


def build_candidate_table(
    rows: Sequence[dict[str, Any]], title: str = "candidates on the same held-out rows"
) -> FittingTable:
    """Returns the candidates as a table of 80 columns; the reasons below it say why one was not compared."""
    columns = ("candidate", "value", "interval", "fit s", "score s", "MB", "front")
    keys = ("fit_seconds", "score_seconds", "megabytes")
    table_rows = [
        [
            row["candidate"],
            row["value"],
            "-" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}",
            *(row[key] for key in keys),
            "yes" if row["front"] else "",
        ]
        for row in rows
    ]
    return build_table(title, columns, table_rows)


def show_search_result(result: dict[str, Any]) -> None:
    """Print the trials of a search, then the training that followed."""
    search = result["search"]
    if search:
        columns = ("params", "detector", "value", "stability", "seconds", "reason")
        rows = [
            [", ".join(f"{k}={v}" for k, v in item["params"].items()), *(item[name] for name in columns[1:])]
            for item in search["trials"]
        ]
        make_console().print(build_table(f"trials on {search['rung']}, the default first", columns, rows))
    show_training_result(result)
