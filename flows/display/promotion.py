"""What the command line prints of decisions about the champion, and of promotions that wait."""

from __future__ import annotations

from typing import Any

from flows.display.tables import build_table, make_console

__all__ = ["show_decision", "show_pending_promotions", "show_policy_change"]


def show_decision(result: dict[str, Any]) -> None:
    """Print one decision with its reasons."""
    console = make_console()
    console.print(f"{result['kind']}: {result['subject']} ({result['outcome']})")
    for reason in result["reasons"]:
        console.print(f"  {reason}")


def show_policy_change(result: dict[str, Any]) -> None:
    """Print the decisions that applying an alert policy made."""
    show_decision(result["policy"])
    if result["decision"]:
        show_decision(result["decision"])


def show_pending_promotions(result: dict[str, Any]) -> None:
    """Print the promotions that wait for an answer, and what each would change."""
    from pynomaly.records.diff_page import format_example_rows

    console = make_console()
    if not result["pending"]:
        console.print(f"{result['pipeline']}: no promotion waits for an answer")
    for item in result["pending"]:
        show_decision(item)
        for line in item["standing"]:
            console.print(f"  {line}")
        if item["needed"] > 1:
            console.print(f"  {len(item['approvals'])} of {item['needed']} people have approved it")
            for line in item["approvals"]:
                console.print(f"    {line}")
        diff = item["evidence"]["diff"]
        if not diff:
            console.print(f"  what would change is not known: {item['evidence']['diff_error']}")
            continue
        console.print(f"what would change, {diff['champion']} -> {diff['challenger']} on {diff['window']}:")
        for line in diff["reasons"]:
            console.print(f"  {line}")
        rows = format_example_rows(diff)
        if rows:
            console.print(
                build_table("rows on which they disagree", list(rows[0]), [list(r.values()) for r in rows])
            )
    for item in result["ended"]:
        show_decision(item)
