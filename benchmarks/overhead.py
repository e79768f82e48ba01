"""Measures the cost of orchestration: a call as function, Prefect task and Dask task; and a whole training.

    python -m benchmarks.overhead --rows 1000000 --out FILE

*Calls*: a function that does nothing, in turn as itself, as a Prefect task of this project in a flow on a
thread, and as a part that :mod:`pynomaly.steps.runner` sends to two local Dask workers. *Training*: six
candidates on the same generated rows, (a) by the steps alone, which read, validate, fit, score and compare
and keep no record, and (b) by the flow ``train``, with its Prefect server, MLflow, the ledger and the gate's
clean process. Each in a process of its own and in turn; figures are processor seconds of the process and all
its children, and wall seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

CANDIDATES = ["iforest", "hbos", "ecod", "copod", "pca", "gmm"]
START = datetime(2026, 1, 5, tzinfo=UTC)
COLUMNS = 10


def write_pipeline(folder: Path, rows: int) -> Path:
    """A table of `rows` rows over two weeks, 1 % of them labelled anomalies, and its pipeline."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(rows, COLUMNS)), columns=[f"c{n}" for n in range(COLUMNS)])
    odd = rng.random(rows) < 0.01
    table.loc[odd, "c0"] += 6
    table.insert(
        0, "time", pd.Timestamp(START) + pd.to_timedelta(np.sort(rng.uniform(0, 14 * 86400, rows)), unit="s")
    )
    table["anomaly"] = odd.astype(int)
    table.to_parquet(folder / "table.parquet", index=False)
    settings = {
        "name": "overhead",
        "data": {"source": "parquet", "path": "table.parquet", "time": "time", "label": "anomaly"},
        "windows": {"reference": "14d"},
        "features": {"calendar": False},
        "training": {"candidates": CANDIDATES, "max_rows": rows, "known_anomalies": "leave_out"},
        "alerts": {"policy": "quantile"},
    }
    file = folder / "overhead.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


def train_bare(config: str) -> None:
    """The work of a training without a record of it."""
    from pynomaly.config import load_pipeline
    from pynomaly.data.window import Window
    from pynomaly.steps.training.compare_models import choose_winner
    from pynomaly.steps.training.fit_candidates import fit_candidate
    from pynomaly.steps.training.prepare import prepare_reference

    pipeline, end = load_pipeline(config), START + timedelta(days=14)
    prepared = prepare_reference(pipeline, Window(START, end), end, pipeline.training.candidates, "")
    fitted = [fit_candidate(pipeline, prepared, candidate, label) for label, candidate in prepared.labelled()]
    print(choose_winner(pipeline, prepared, fitted).winner)


def train_orchestrated(config: str) -> None:
    """The flow, as the command line runs it."""
    from flows.machine.environment import configure_environment
    from pynomaly.config import load_pipeline

    configure_environment(load_pipeline(config).home)
    from flows.training import train

    result = train(config=config, as_of=(START + timedelta(days=14)).isoformat())
    print(result["choice"]["winner"])


def measure_calls(count: int, folder: Path) -> list[tuple[str, float]]:
    """Milliseconds a call, each way."""
    from pynomaly.config import parse_pipeline
    from pynomaly.steps.runner import run_parts

    os.environ["PREFECT_HOME"] = str(folder / "prefect")
    os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "120"
    from prefect import flow

    from tasks.step import pipeline_task

    task = pipeline_task("nothing")(do_nothing)

    @flow(name="calls")
    def through_prefect() -> float:
        began = time.perf_counter()  # the start of the flow, and of its server, is not a call's
        for number in range(count):
            task(number)
        return time.perf_counter() - began

    settings: dict[str, Any] = {
        "name": "calls",
        "data": {"source": "bundled", "dataset": "fleet", "time": "timestamp"},
        "training": {"candidates": ["hbos"]},
        "runner": {"kind": "dask", "workers": 2},
    }
    pipeline = parse_pipeline(settings, folder / "calls.yaml")
    list(run_parts(pipeline, do_nothing, [(0,)] * 4))  # the workers' start is not a call's
    parts = [(number,) for number in range(count)]
    began = time.perf_counter()
    for part in parts:
        do_nothing(*part)
    alone = time.perf_counter()
    list(run_parts(pipeline, do_nothing, parts))
    seconds_spent = {"bare function": alone - began, "part sent to Dask": time.perf_counter() - alone}
    seconds_spent["Prefect task"] = through_prefect()
    return [(name, 1000 * seconds / count) for name, seconds in seconds_spent.items()]


def do_nothing(number: int) -> int:
    return number


def measure_training(what: str, config: Path, home: Path) -> dict[str, Any]:
    """Processor and wall seconds of one way, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.overhead", "--child", what, "--config", str(config)]
    process = subprocess.run(
        command, env={**os.environ, "PYNOMALY_HOME": str(home)}, capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise SystemExit(f"{what} failed: {process.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(process.stdout.strip().splitlines()[-1])
    return figures


def run_child(what: str, config: str) -> None:
    began = time.perf_counter()
    {"bare": train_bare, "orchestrated": train_orchestrated}[what](config)
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(
        json.dumps(
            {"wall": time.perf_counter() - began, "cpu": sum(item.ru_utime + item.ru_stime for item in spent)}
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", choices=["bare", "orchestrated"], help=argparse.SUPPRESS)
    parser.add_argument("--config", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_child(options.child, options.config)
        return
    lines = ["| a call | ms |", "|---|---|"]
    with tempfile.TemporaryDirectory() as scratch:
        lines += [f"| {name} | {spent:.3f} |" for name, spent in measure_calls(options.calls, Path(scratch))]
    rounds: dict[str, list[dict[str, Any]]] = {"bare": [], "orchestrated": []}
    with tempfile.TemporaryDirectory() as scratch:
        config = write_pipeline(Path(scratch), options.rows)
        for number in range(options.rounds):
            for what, runs in rounds.items():
                runs.append(measure_training(what, config, Path(scratch) / f"home-{what}-{number}"))
    lines += [
        "",
        f"| {len(CANDIDATES)} candidates, {options.rows:,} rows | processor s | wall s |",
        "|---|---|---|",
    ]
    middle = {
        what: {key: statistics.median(item[key] for item in runs) for key in ("cpu", "wall")}
        for what, runs in rounds.items()
    }
    lines += [f"| {what} | {row['cpu']:.1f} | {row['wall']:.1f} |" for what, row in middle.items()]
    more = [middle["orchestrated"][key] / middle["bare"][key] - 1 for key in ("cpu", "wall")]
    lines += [
        "",
        f"All of it adds {more[0]:.1%} of processor time, {more[1]:.1%} of wall time.",
    ]
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
