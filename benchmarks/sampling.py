"""Time and peak memory of drawing a training's rows from a table of any size in one pass.

    python -m benchmarks.sampling --rows 1000000 5000000 --sample 100000 --kinds parquet csv sql

Generates a table of 20 columns for each size, then draws the sample in a process of its own, with the sketch
of all rows. Memory is the most that the process held; ``imported`` is what it held before it read a row.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import sqlalchemy

from benchmarks.scale import BATCH, COLUMNS, generate_table


def run_child(file: Path, sample: int, how: str) -> dict[str, float | str]:
    from pynomaly.config import parse_pipeline
    from pynomaly.data.window import Window
    from pynomaly.steps.training.reference import read_reference

    pipeline = parse_pipeline(
        {
            "name": "sampling",
            "data": describe_source(file),
            "training": {"candidates": ["iforest"], "read_rows": sample, "sampling": how},
            "runner": {"batch_rows": BATCH},
        },
        file.with_suffix(".yaml"),
    )
    window = Window(datetime(2026, 1, 5, tzinfo=UTC), datetime(2027, 1, 5, tzinfo=UTC))
    imported, began, worked = peak_memory_mb(), time.perf_counter(), time.process_time()
    reference = read_reference(pipeline, window, window.end)
    spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - worked}
    assert reference.sample is not None
    facts = {"kept": reference.sample.sample_rows, "differs": max(reference.sample.differs.values())}
    return (
        spent
        | facts
        | {"chance": reference.sample.chance, "imported_mb": imported, "peak_mb": peak_memory_mb()}
    )


def describe_source(file: Path) -> dict[str, str]:
    if file.suffix != ".db":
        return {"source": file.suffix[1:], "path": str(file), "time": "time", "timezone": "UTC"}
    os.environ["SAMPLED_DB"] = f"sqlite:///{file}"
    query = "select * from rows where time >= :start and time < :end"
    return {"source": "sql", "connection": "SAMPLED_DB", "query": query, "time": "time"}


def convert_table(table: Path, kind: str) -> Path:
    """The same rows as text, or in a database of one file."""
    if kind == "parquet":
        return table
    file = table.with_suffix(".csv" if kind == "csv" else ".db")
    engine = sqlalchemy.create_engine(f"sqlite:///{file}") if kind == "sql" else None
    for number, batch in enumerate(pq.ParquetFile(table).iter_batches(100_000)):
        frame = batch.to_pandas()
        frame["time"] = frame["time"].dt.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
        if engine is None:
            frame.to_csv(file, index=False, header=not number, mode="a" if number else "w")
        else:
            frame.to_sql("rows", engine, index=False, if_exists="append")
    if engine is not None:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("create index at on rows (time)"))
        engine.dispose()
    return file


def peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--sample", type=int, default=100_000)
    parser.add_argument("--kinds", nargs="+", choices=("parquet", "csv", "sql"), default=["parquet"])
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(run_child(Path(options.child[0]), options.sample, options.child[1])))
        return
    head = "source | sampling | kept | wall s | CPU s | imported MB | peak MB | differs | chance |"
    print(f"| rows x {COLUMNS} | {head}")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder) / "table.parquet"
            generate_table(table, rows)
            for kind in options.kinds:
                file = convert_table(table, kind)
                for how in ("reservoir", "time"):
                    print(
                        format_line(rows, kind, how, measure_sampling(file, how, options.sample)), flush=True
                    )


def measure_sampling(file: Path, how: str, sample: int) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.sampling",
        "--sample",
        str(sample),
        "--child",
        str(file),
        how,
    ]
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, float] = json.loads(process.stdout)
    return figures


def format_line(rows: int, kind: str, how: str, fact: dict[str, float]) -> str:
    return (
        f"| {rows:,} | {kind} | {how} | {fact['kept']:,} | {fact['seconds']:.1f} | "
        f"{fact['cpu_seconds']:.1f} | {fact['imported_mb']:.0f} | {fact['peak_mb']:.0f} | "
        f"{fact['differs']:.4f} | {fact['chance']:.4f} |"
    )


if __name__ == "__main__":
    main()
