"""``pynomaly demo``: runs the life cycle of two pipelines step by step and prints tables of the results."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from flows.environment import enter, running
from flows.kept import DATABASE
from flows.show import table
from pynomaly.config import ADDRESSES, ENVIRONMENT, load
from pynomaly.records.ledger import Ledger

__all__ = ["run"]


def _configs() -> Path:
    """Returns the folder of the shipped pipelines: beside a checkout's code, else in the working folder."""
    checkout_folder = Path(__file__).parents[1] / "configs"
    return checkout_folder if checkout_folder.is_dir() else Path.cwd() / "configs"


def run(home: Path) -> None:
    """Run the life cycle with its state under `home`, and print where to look afterwards.

    The demo writes to this machine only: environment variables that name a team's servers are removed first.
    """
    for name in (ENVIRONMENT, DATABASE, *ADDRESSES):
        os.environ.pop(name, None)
    console = Console(highlight=False)
    began = time.perf_counter()
    home = home.resolve()
    enter(home)
    console.print(f"state is kept under {home}")
    servers = running(home)
    if servers is not None:
        _walk(home, console)
    else:
        from flows.servers import prefect_server

        console.print("starting Prefect's server (the first time takes half a minute) ...")
        with prefect_server(home) as address:
            os.environ["PREFECT_API_URL"] = f"{address}/api"
            _walk(home, console)
    console.print(f"\ndone in {time.perf_counter() - began:.0f} s. Where to look:")
    console.print("  pynomaly up                                     Prefect's and MLflow's pages")
    console.print("  pynomaly history configs/quickstart.yaml        every decision with its reasons")
    console.print(f"  {home / 'store'}    scores, quarantine, drift reports")


def _walk(home: Path, console: Console) -> None:
    """Run the steps of both pipelines, then print the tables."""
    from flows.lifecycle import Story, fleet_acts, table_acts

    story = Story()
    _play(fleet_acts(_fresh(home, "quickstart"), story), console)
    _play(table_acts(_fresh(home, "breast_cancer"), story), console)
    _summary(story, console)


def _fresh(home: Path, name: str) -> Path:
    """Returns the shipped configuration, or a copy under a free name if this home knows the pipeline."""
    from flows.lifecycle import unused_name

    pipeline = load(_configs() / f"{name}.yaml")
    with Ledger.open(pipeline.ledger_url) as ledger:
        used_names = {decision.pipeline for decision in ledger.decisions()}
    free_name = unused_name(pipeline, used_names)
    if free_name == pipeline.name:
        return pipeline.origin
    copy = home / "demo" / f"{free_name}.yaml"
    copy.parent.mkdir(parents=True, exist_ok=True)
    text = pipeline.origin.read_text().replace(f"\nname: {name}", f"\nname: {free_name}", 1)
    copy.write_text(text)
    return copy


def _play(steps: Iterable[Any], console: Console) -> None:
    for step in steps:
        started_at = time.perf_counter()
        with console.status(step.title):
            result_line = step.run()
        console.print(f"[bold]{step.title}[/bold] ({time.perf_counter() - started_at:.1f} s)")
        console.print(f"  {result_line}", markup=False)


def _summary(story: Any, console: Console) -> None:
    for training in story.trained[:2]:
        rows = training["choice"]["table"]
        name = f"{training['registered']['pipeline']} v{training['registered']['version']}"
        console.print()
        console.print(table(f"{name}: candidates", list(rows[0]), [list(row.values()) for row in rows]))
        for reason in training["choice"]["reasons"]:
            console.print(f"  {reason}", markup=False)
    columns = ("window", "version", "state", "drift", "alert_rate", "performance", "action")
    console.print()
    console.print(table("weeks", columns, [[week[name] for name in columns] for week in story.weeks]))
    console.print()
    decision_rows = [
        [item["kind"], item["subject"], item["outcome"], item["reasons"][0]] for item in story.decisions
    ]
    console.print(table("decisions", ("kind", "subject", "outcome", "because"), decision_rows))
