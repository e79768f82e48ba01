"""Many small pipelines through one Prefect server, one MLflow server and one ledger.

    python -m benchmarks.fleet --pipelines 200 --workers 2 --database sqlite postgresql
    python -m benchmarks.fleet --pipelines 10 --how command

Each pipeline has a table of its own (four machines, one row an hour) and a champion of its own; then, for
each, ``score`` for a day and ``monitor`` for a week, as the flows that a deployment runs. ``--how flow`` has
`workers` processes that live on and take one flow run after the other; ``--how command`` starts the commands
``pynomaly score`` and ``pynomaly monitor`` as processes, `workers` at once. Latency is from the call to its
end. Growth is of the databases of all three, in megabytes for 1,000 runs, without the files of scores,
reports and models. PostgreSQL is a server of its own, started for the purpose.

Champions are not trained one by one: the first pipeline trains, and the others take its model over as a
person would, by an alias in MLflow. ``--profile`` prints where the time of each worker's flows goes.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

START = datetime(2026, 1, 5, tzinfo=UTC)
TRAINED = START + timedelta(days=14)
WORK = (("score", TRAINED + timedelta(days=1)), ("monitor", TRAINED + timedelta(days=7)))


def generate_table(seed: int) -> pd.DataFrame:
    """Four machines, three weeks, one row an hour."""
    rng = np.random.default_rng(seed)
    times = pd.date_range(START, periods=21 * 24, freq="h").repeat(4)
    load = rng.normal(size=len(times))
    return pd.DataFrame(
        {
            "time": times,
            "machine": np.tile(list("abcd"), len(times) // 4),
            "heat": 20 + 3 * load + rng.normal(size=len(times)),
            "power": 5 + 2 * load + rng.normal(scale=0.5, size=len(times)),
            "noise": rng.normal(size=len(times)),
        }
    )


def write_pipeline(folder: Path, number: int, ledger: str, mlflow: str) -> Path:
    name = f"fleet-{number:03d}"
    generate_table(number).to_parquet(folder / f"{name}.parquet", index=False)
    settings = {
        "name": name,
        "data": {"source": "parquet", "path": f"{name}.parquet", "time": "time", "id": "machine"},
        "windows": {"reference": "14d"},
        "training": {"candidates": ["hbos"]},
        "retraining": {"min_rows": 300},
        "records": {"ledger": ledger, "tracking": mlflow},
    }
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


def adopt_champion(first: Any, other: Any) -> None:
    """Give `other` the champion of `first`: its files as a version of its own, and the alias by hand."""
    from pynomaly.records.ledger import Ledger
    from pynomaly.records.registry import Registry
    from pynomaly.records.store import Store

    registry, store = Registry.open_for(first), Store(first.store_root)
    champion = registry.resolve_alias(first.name)
    folder, bundle = registry.fetch_bundle(champion), registry.load_bundle(champion)
    with registry.start_parent_run(other.name, "taken over") as run:
        pass
    tags = {name: value for name, value in champion.tags.items() if name != "pynomaly.settled"}
    ref = registry.register(
        other.name, run, folder, champion.sha256, example=bundle.golden, key=f"taken-{other.name}", tags=tags
    )
    store.write_reference(other.name, ref.sha256, store.read_reference(first.name, champion.sha256))
    with Ledger.open(first.ledger_url) as ledger:
        training = ledger.list_trainings(first.name)[0]
        ledger.put_training(
            f"taken-{other.name}",
            other.name,
            training.as_of,
            training.data_hash,
            1,
            "taken over",
            training.detail,
        )
    registry.set_alias(other.name, "champion", ref.version)


def run_worker(files: list[str], how: str, profile: bool) -> None:
    """Score and monitor each pipeline, one after the other; print a line of seconds for each run."""
    from pynomaly.config import load_pipeline

    pipelines = [load_pipeline(file) for file in files]

    def flows(number: int) -> None:
        from flows.monitoring import monitor
        from flows.scoring import score

        for name, at in WORK:
            began = time.perf_counter()
            {"score": score, "monitor": monitor}[name](config=files[number], as_of=at.isoformat())
            print(json.dumps([name, time.perf_counter() - began]), flush=True)

    def commands(number: int) -> None:
        for name, at in WORK:
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "flows.cli", name, files[number], "--as-of", at.isoformat(), "--json"],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            print(json.dumps([name, time.perf_counter() - began]), flush=True)

    if how == "flow":
        from flows.machine.environment import configure_environment

        configure_environment(pipelines[0].home)
    run = flows if how == "flow" else commands
    if not profile:
        for number in range(len(files)):
            run(number)
        return
    import cProfile
    import pstats

    run(0)  # imports
    profiler = cProfile.Profile()
    profiler.enable()
    for number in range(1, len(files)):
        run(number)
    profiler.disable()
    pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(120)


@contextmanager
def provide_databases(kind: str, home: Path) -> Iterator[dict[str, str]]:
    """Addresses of three databases: Prefect's, MLflow's and the ledger's."""
    if kind == "sqlite":
        files = {
            "prefect": home / "prefect" / "prefect.db",
            "mlflow": home / "mlflow" / "mlflow.db",
            "ledger": home / "ledger.db",
        }
        yield {name: f"sqlite:///{file}" for name, file in files.items()}
        return
    from tests.databases import create_database, run_postgres

    with run_postgres(home / "postgres") as server:
        yield {name: create_database(server) for name in ("prefect", "mlflow", "ledger")}


def measure_database(address: str) -> int:
    """Bytes of a database."""
    if address.startswith("sqlite"):
        file = Path(address.removeprefix("sqlite:///"))
        with closing(sqlite3.connect(file, timeout=30)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return file.stat().st_size
    from sqlalchemy import create_engine, text

    engine = create_engine(address)
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def measure_fleet(pipelines: int, workers: int, kind: str, how: str, profile: bool) -> dict[str, Any]:
    """One fleet over one kind of database."""
    from flows.machine.environment import configure_environment
    from flows.machine.servers import run_mlflow_server, run_prefect_server

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch, ExitStack() as stack:
        folder = Path(scratch)
        home = folder / "home"
        os.environ["PYNOMALY_HOME"] = str(home)
        home.mkdir()
        addresses = stack.enter_context(provide_databases(kind, home))
        if kind == "postgresql":
            prefect_url = addresses["prefect"].replace("+psycopg", "+asyncpg")
            os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = prefect_url
        configure_environment(home)
        prefect = stack.enter_context(run_prefect_server(home))
        mlflow = stack.enter_context(run_mlflow_server(home, store=addresses["mlflow"]))
        os.environ["PREFECT_API_URL"] = f"{prefect}/api"
        files = [write_pipeline(folder, number, addresses["ledger"], mlflow) for number in range(pipelines)]

        from flows.training import train
        from pynomaly.config import load_pipeline

        train(config=str(files[0]), as_of=TRAINED.isoformat())
        for file in files[1:]:
            adopt_champion(load_pipeline(files[0]), load_pipeline(file))
        before = {name: measure_database(address) for name, address in addresses.items()}
        began = time.perf_counter()
        shares = [[str(file) for file in files[place::workers]] for place in range(workers)]
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.fleet", "--work", how, str(int(profile)), *share],
                stdout=subprocess.PIPE,
                text=True,
            )
            for share in shares
        ]
        outputs = [process.communicate()[0] for process in processes]
        seconds = time.perf_counter() - began
        if any(process.returncode for process in processes):
            raise SystemExit("a worker failed; its words are above")
        growth = {name: measure_database(address) - before[name] for name, address in addresses.items()}
        runs = [json.loads(line) for text in outputs for line in text.splitlines() if line.startswith("[")]
        assert len(runs) == 2 * pipelines, f"{len(runs)} runs of {2 * pipelines}"
        return summarize_runs(kind, how, workers, seconds, runs, growth)


def summarize_runs(
    kind: str, how: str, workers: int, seconds: float, runs: list[Any], growth: dict[str, int]
) -> dict[str, Any]:
    figures: dict[str, Any] = {"database": kind, "how": how, "workers": workers, "runs": len(runs)}
    figures["runs_a_minute"] = 60 * len(runs) / seconds
    for name, _ in WORK:
        durations = [value for work_, value in runs if work_ == name]
        figures[f"{name}_p50"], figures[f"{name}_p95"] = np.quantile(durations, [0.5, 0.95]).tolist()
    return figures | {f"{name}_mb_a_1000": 1000 * grown / len(runs) / 1e6 for name, grown in growth.items()}


def measure_in_process(asked: argparse.Namespace, kind: str, how: str) -> dict[str, Any]:
    """Measure in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        parameters = {"pipelines": asked.pipelines, "workers": asked.workers, "database": kind, "how": how}
        command = [sys.executable, "-m", "benchmarks.fleet", "--out", str(out)]
        command += [str(part) for name, value in parameters.items() for part in (f"--{name}", value)]
        subprocess.run([*command, *(["--profile"] if asked.profile else [])], check=True)
        return dict(json.loads(out.read_text())[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pipelines", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--database", nargs="+", default=["sqlite"], choices=["sqlite", "postgresql"])
    parser.add_argument("--how", nargs="+", default=["flow"], choices=["flow", "command"])
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        run_worker(options.work[2:], options.work[0], options.work[1] == "1")
        return
    results: list[dict[str, Any]] = []
    several = len(options.database) * len(options.how) > 1
    for kind in options.database:
        for how in options.how:
            if several:  # Prefect remembers the first server it was pointed at: a process for each
                results.append(measure_in_process(options, kind, how))
            else:
                results.append(measure_fleet(options.pipelines, options.workers, kind, how, options.profile))
            print(
                "  ".join(
                    f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in results[-1].items()
                )
            )
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
