"""The decision diff as Markdown: for MLflow, for Prefect's page, and for the terminal of the approver.

Takes ``Diff.to_dict()``, so that a diff read back from the ledger looks the same as when it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pynomaly.records.markdown import escape_markdown, format_bullets

__all__ = ["format_example_rows", "render_diff"]


def render_diff(diff: Mapping[str, Any]) -> str:
    """Return a Markdown page: what changes, and example rows with their reasons."""
    lines = [
        f"## {diff['champion']} -> {diff['challenger']} on {diff['window']}",
        "",
        format_bullets(diff["reasons"]),
    ]
    rows = format_example_rows(diff)
    if rows:
        columns = list(rows[0])
        lines += ["", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
        lines += [f"| {' | '.join(escape_markdown(row[name]) for name in columns)} |" for row in rows]
        lines += [
            "",
            "*because*: what the alerting model's score falls by when the column holds what the rest of its "
            "row has one expect.",
        ]
    return "\n".join(lines) + "\n"


def format_example_rows(diff: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return one table row of text per example."""
    return [
        {
            "alert": str(example["side"]),
            "where": ", ".join(str(value) for value in example["where"].values()) or f"row {example['row']}",
            f"p {diff['champion']}": f"{example['champion_p']:.2g}",
            f"p {diff['challenger']}": f"{example['challenger_p']:.2g}",
            "because": "; ".join(map(_format_cause, example["because"])) or "no single column",
        }
        for example in diff["examples"]
    ]


def _format_cause(part: Mapping[str, Any]) -> str:
    value, usual = _format_value(part["value"]), _format_value(part["usual"])
    return f"{part['column']} {value} (usual {usual}): {part['fall']:+.3g}"


def _format_value(value: float | str | None) -> str:
    if value is None:
        return "missing"
    return f"{value:.4g}" if isinstance(value, float | int) else str(value)
