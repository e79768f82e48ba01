"""What the command line prints of ``pynomaly why`` and ``pynomaly reproduce``."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from flows.display.tables import build_table

__all__ = ["show_reproduction", "show_row_explanation"]


def show_row_explanation(result: dict[str, Any]) -> None:
    """Print the model, threshold and reasons behind the score of a row."""
    console = Console(highlight=False)
    row = result["row"]
    of = f" of {row['entity']}" if row["entity"] else ""
    at = f" at {row['time'][:16]} UTC" if row["time"] else ""
    verdict = "an alert" if row["is_anomaly"] else "no alert"
    console.print(f"row {row['number']}{of}{at}: {verdict}, {row['severity']}", markup=False)
    console.print(f"  score {row['score']:.4g}, p {row['p_value']:.3g} ({row['rarity']})", markup=False)
    for line in result["said"]:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if result["reasons"]:
        rows = [
            [item["column"], _format_cell(item["value"]), _format_cell(item["usual"]), f"{item['fall']:+.3g}"]
            for item in result["reasons"]
        ]
        console.print(build_table("what the score rests on", ("column", "value", "expected", "fall"), rows))


def show_reproduction(result: dict[str, Any]) -> None:
    """Print whether fitting a version again gave the same scores."""
    console = Console(highlight=False)
    console.print(f"v{result['version']}: {result['outcome']}", markup=False)
    for reason in result["reasons"]:
        console.print(f"  {reason}", markup=False, soft_wrap=True)


def _format_cell(value: float | str | None) -> str:
    return "missing" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
