"""``pynomaly demo``: the whole life of two pipelines, shown step by step, and a table of what happened."""

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
    """The shipped pipelines: beside a checkout's code, or in the working folder of an installed package."""
    beside = Path(__file__).parents[1] / "configs"
    return beside if beside.is_dir() else Path.cwd() / "configs"


def run(home: Path) -> None:
    """Walk the life cycle, its state under `home`, and say where to look.

    Of this machine alone: a team's servers that the environment names are not what a demonstration writes to.
    """
    for name in (ENVIRONMENT, DATABASE, *ADDRESSES):
        os.environ.pop(name, None)
    console = Console(highlight=False)
    began = time.perf_counter()
    home = home.resolve()
    enter(home)
    console.print(f"state is kept under {home}")
    live = running(home)
    if live is not None:
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
    """Both pipelines, act by act."""
    from flows.lifecycle import Story, fleet_acts, table_acts

    story = Story()
    _play(fleet_acts(_fresh(home, "quickstart"), story), console)
    _play(table_acts(_fresh(home, "breast_cancer"), story), console)
    _summary(story, console)


def _fresh(home: Path, name: str) -> Path:
    """The shipped configuration; under another name where that pipeline has lived in this home before."""
    from flows.lifecycle import unused_name

    pipeline = load(_configs() / f"{name}.yaml")
    with Ledger.open(pipeline.ledger_url) as ledger:
        taken = {decision.pipeline for decision in ledger.decisions()}
    free = unused_name(pipeline, taken)
    if free == pipeline.name:
        return pipeline.origin
    copy = home / "demo" / f"{free}.yaml"
    copy.parent.mkdir(parents=True, exist_ok=True)
    text = pipeline.origin.read_text().replace(f"\nname: {name}", f"\nname: {free}", 1)
    copy.write_text(text)
    return copy


def _play(acts: Iterable[Any], console: Console) -> None:
    for act in acts:
        began = time.perf_counter()
        with console.status(act.title):
            said = act.run()
        console.print(f"[bold]{act.title}[/bold] ({time.perf_counter() - began:.1f} s)")
        console.print(f"  {said}", markup=False)


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
    decided = [
        [item["kind"], item["subject"], item["outcome"], item["reasons"][0]] for item in story.decisions
    ]
    console.print(table("decisions", ("kind", "subject", "outcome", "because"), decided))
