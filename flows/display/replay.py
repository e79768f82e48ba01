"""What the command line prints about a replay."""

from __future__ import annotations

from typing import Any

from flows.display.tables import build_table, make_console

__all__ = ["show_replay"]


def show_replay(result: dict[str, Any]) -> None:
    """Print the results of a replay, a row per retraining policy."""
    console = make_console()
    columns = ("policy", "AP", "AUROC", "rows/day", "events/day", "caught", "trained", "promoted", "s")
    rows = []
    for name, figures in result["policies"].items():
        caught = f"{figures['caught']}/{figures['episodes']}" if figures["episodes"] else None
        per_day = [
            f"{figures[kind]:.1f}" if figures[kind] is not None else None
            for kind in ("alerts_per_day", "events_per_day")
        ]
        counts = (figures["trainings"], figures["promotions"], f"{figures['seconds']:.1f}")
        rows.append([name, figures["average_precision"], figures["roc_auc"], *per_day, caught, *counts])
    title = f"{result['pipeline']}, {result['start'][:10]} to {result['end'][:10]}"
    console.print(build_table(title, columns, rows))
    judged_windows = min(figures["judged_windows"] for figures in result["policies"].values())
    rest_note = "" if judged_windows == result["windows"] else "; in the others it is not computable"
    console.print(f"  AP and AUROC: means of {judged_windows} of {result['windows']} windows{rest_note}")
    for name, figures in result["policies"].items():
        if figures["recalibrations"]:
            moments = ", ".join(moment[:10] for moment in figures["recalibrated_at"])
            console.print(f"  {name}: p-values set again, beside the promotions: {moments}")
        if figures["failed"]:
            first_failure = next(
                item for item in figures["decisions"] if item["decision"] == "training failed"
            )
            failure_text = (
                f"{name}: {figures['failed']} trainings failed, the first at {first_failure['at'][:10]}"
            )
            console.print(f"  {failure_text}: {first_failure['reasons'][0]}")
    console.print("  a day: alerting rows, and the events that they make (rows of one entity, near in time)")
    console.print("  caught: episodes (runs of labelled rows of one entity) with an alert in them")
    for note in result["notes"]:
        console.print(f"  {note}")
