"""Time and peak memory of drawing a training's rows from a Parquet table of any size in one pass.

    python -m benchmarks.sampling --rows 1000000 5000000 --sample 100000

Generates a table of 20 columns for each size, then draws the sample in a process of its own, with the sketch
of all rows. Memory is the most that the process held; ``imported`` is what it held before it read a row.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.scale import BATCH, COLUMNS, generate


def child(file: Path, sample: int, how: str) -> dict[str, float | str]:
    from pynomaly.config import parse
    from pynomaly.data.window import Window
    from pynomaly.steps.reference import reference_rows

    pipeline = parse(
        {
            "name": "sampling",
            "data": {"source": "parquet", "path": str(file), "time": "time"},
            "training": {"candidates": ["iforest"], "read_rows": sample, "sampling": how},
            "runner": {"batch_rows": BATCH},
        },
        file.with_suffix(".yaml"),
    )
    window = Window(datetime(2026, 1, 5, tzinfo=UTC), datetime(2027, 1, 5, tzinfo=UTC))
    imported, began, worked = peak(), time.perf_counter(), time.process_time()
    found = reference_rows(pipeline, window, window.end)
    spent = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - worked}
    assert found.sample is not None
    facts = {"kept": found.sample.kept, "differs": max(found.sample.differs.values())}
    return spent | facts | {"chance": found.sample.chance, "imported_mb": imported, "peak_mb": peak()}


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 5_000_000])
    parser.add_argument("--sample", type=int, default=100_000)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(child(Path(asked.child[0]), asked.sample, asked.child[1])))
        return
    print(
        f"| rows x {COLUMNS} | sampling | kept | wall s | CPU s | imported MB | peak MB | differs | chance |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for rows in asked.rows:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "table.parquet"
            generate(file, rows)
            for how in ("reservoir", "time"):
                command = [sys.executable, "-m", "benchmarks.sampling", "--sample", str(asked.sample)]
                done = subprocess.run(
                    [*command, "--child", str(file), how], check=True, capture_output=True, text=True
                )
                fact = json.loads(done.stdout)
                print(
                    f"| {rows:,} | {how} | {fact['kept']:,} | {fact['seconds']:.1f} | "
                    f"{fact['cpu_seconds']:.1f} | {fact['imported_mb']:.0f} | {fact['peak_mb']:.0f} | "
                    f"{fact['differs']:.4f} | {fact['chance']:.4f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
