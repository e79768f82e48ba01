"""``pynomaly demo``: runs the life cycle of two pipelines step by step and prints tables of the results."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from flows.display.tables import build_table
from flows.display.training import build_candidate_table
from flows.examples import write_examples
from flows.machine.addresses import DATABASE_VARIABLE
from flows.machine.environment import configure_environment, find_running_servers
from pynomaly.config import ADDRESSES, ENVIRONMENT, load_pipeline
from pynomaly.records.ledger import Ledger

if TYPE_CHECKING:
    from flows.demo.live_past import LivePast

__all__ = ["run_demo"]


def run_demo(home: Path, *, live: bool = False) -> None:
    """Run the life cycle with its state under `home`, and print where to look afterwards.

    With `live`, rows come as messages and are scored at once (:mod:`flows.demo.live`).

    The demo writes to this machine only: environment variables that name a team's servers are removed first.
    """
    for name in (ENVIRONMENT, DATABASE_VARIABLE, *ADDRESSES):
        os.environ.pop(name, None)
    console = Console(highlight=False)
    began = time.perf_counter()
    home = home.resolve()
    configure_environment(home)
    console.print(f"state is kept under {home}")
    with ThreadPoolExecutor(1) as beside:
        past = beside.submit(_make_live_past, home) if live else None
        servers = find_running_servers(home)
        if servers is not None:
            _run_acts(home, console, past)
        else:
            from flows.machine.servers import run_prefect_server

            console.print("starting Prefect's server (the first time takes half a minute) ...")
            with run_prefect_server(home) as address:
                os.environ["PREFECT_API_URL"] = f"{address}/api"
                try:
                    _run_acts(home, console, past)
                finally:
                    os.environ.pop("PREFECT_API_URL", None)  # nobody answers there any more
    console.print(f"\ndone in {time.perf_counter() - began:.0f} s. Where to look:")
    console.print("  pynomaly up                                     Prefect's and MLflow's pages")
    if not live:
        console.print("  pynomaly history configs/quickstart.yaml        every decision with its reasons")
    console.print(f"  {home / 'store'}    scores, quarantine, drift reports")


def _make_live_past(home: Path) -> LivePast:
    from flows.demo.live_past import make_live_past

    return make_live_past(home)


def _run_acts(home: Path, console: Console, past: Future[LivePast] | None) -> None:
    if past is None:
        _run_both_pipelines(home, console)
    else:
        _run_live_pipeline(past.result(), console)


def _run_both_pipelines(home: Path, console: Console) -> None:
    """Run the steps of both pipelines, then print the tables."""
    from flows.demo.acts import DemoRecord, generate_fleet_steps, generate_table_steps

    story = DemoRecord()
    _run_steps(generate_fleet_steps(_prepare_unused_config(home, "quickstart"), story), console)
    _run_steps(generate_table_steps(_prepare_unused_config(home, "breast_cancer"), story), console)
    _print_summary(story, console)


def _run_live_pipeline(past: LivePast, console: Console) -> None:
    """Run the live demo, print its lines as they come, and sum up."""
    from flows.demo.live import LiveDemo

    config = past.config
    console.print(past.line, markup=False)
    story = LiveDemo(config, lambda line: console.print(line, markup=False)).run()
    rows = [
        [f"v{version}", count, story.alerting[version], f"{story.alerting[version] / count:.1%}"]
        for version, count in sorted(story.rows.items())
    ]
    console.print()
    console.print(build_table("rows scored as they came", ("version", "rows", "alerting", "share"), rows))
    console.print(f"{story.sent} rows sent, {len(set(story.windows))} windows closed, {story.opened} alerts")
    for text in dict.fromkeys(story.problems):
        console.print(f"problem: {text}", markup=False)
    console.print(f"\n  pynomaly status {config}")
    console.print(f"  pynomaly alerts {config}")
    console.print(f"  pynomaly history {config}")


def _prepare_unused_config(home: Path, name: str) -> Path:
    """Return ``configs/NAME.yaml``, written if absent, or a copy under a free name if this home knows it."""
    from flows.demo.live_past import find_unused_name

    pipeline = load_pipeline(write_examples(Path.cwd() / "configs", (name,))[0])
    with Ledger.open(pipeline.ledger_url) as ledger:
        used_names = {decision.pipeline for decision in ledger.list_decisions()}
    free_name = find_unused_name(pipeline, used_names)
    if free_name == pipeline.name:
        return pipeline.origin
    copy = home / "demo" / f"{free_name}.yaml"
    copy.parent.mkdir(parents=True, exist_ok=True)
    text = pipeline.origin.read_text().replace(f"\nname: {name}", f"\nname: {free_name}", 1)
    copy.write_text(text)
    return copy


def _run_steps(steps: Iterable[Any], console: Console) -> None:
    for step in steps:
        started_at = time.perf_counter()
        with console.status(step.title):
            result_line = step.run()
        console.print(f"[bold]{step.title}[/bold] ({time.perf_counter() - started_at:.1f} s)")
        console.print(f"  {result_line}", markup=False)


def _print_summary(story: Any, console: Console) -> None:
    for training in story.trained[:2]:
        rows = training["choice"]["table"]
        name = f"{training['registered']['pipeline']} v{training['registered']['version']}"
        console.print()
        console.print(build_candidate_table(rows, f"{name}: candidates"), crop=False)
        for reason in training["choice"]["reasons"]:
            console.print(f"  {reason}", markup=False)
    columns = ("window", "version", "state", "drift", "alert_rate", "performance", "action")
    console.print()
    console.print(
        build_table("weeks", columns, [[week[name] for name in columns] for week in story.weeks]), crop=False
    )
    console.print()
    decision_rows = [
        [item["kind"], item["subject"], item["outcome"], item["reasons"][0]] for item in story.decisions
    ]
    console.print(
        build_table("decisions", ("kind", "subject", "outcome", "because"), decision_rows), crop=False
    )
