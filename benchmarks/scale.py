"""Rows a second and peak memory of scoring a Parquet table of any size, beside the bare detector.

    python -m benchmarks.scale --rows 1000000 10000000 --detectors iforest auto --out scale.json

Generates a table of 20 columns once for each size (row groups of 250,000), then, each in a process of its
own: the bare detector over the same rows in batches, with nothing read, checked or written; ``pynomaly``'s
file scoring with one process, and with two. Compiled loops are loaded before the clock starts, but for the
processes that scoring starts itself. With one process the share is of processor time, which a busy machine
distorts less than rows a second. Memory is the largest sum of resident memory over the process and
its children, looked at twenty times a second: pages that children share are counted in each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

COLUMNS, GROUP, BATCH = 20, 250_000, 100_000


KINDS = (("bare", 1), ("whole", 1), ("bare", 2), ("whole", 2), ("processes", 2))
"""The detector alone; all of it in one process; all of it in processes of one thread each; and the cores."""


def generate_rows(first: int, count: int) -> pd.DataFrame:
    rng = np.random.default_rng(first)
    latent = rng.normal(size=(count, 4))
    mixed = latent @ np.random.default_rng(7).normal(size=(4, COLUMNS)) + rng.normal(size=(count, COLUMNS))
    frame = pd.DataFrame(mixed, columns=[f"c{column:02d}" for column in range(COLUMNS)])
    frame.insert(
        0, "time", pd.date_range("2026-01-05", periods=first + 1, freq="s", tz="UTC")[-1]
        + pd.to_timedelta(np.arange(count), unit="s")
    )  # fmt: skip
    return frame


def generate_table(file: Path, rows: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for first in range(0, rows, GROUP):
        table = pa.Table.from_pandas(generate_rows(first, min(GROUP, rows - first)), preserve_index=False)
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table, row_group_size=GROUP)
    if writer:
        writer.close()


def fit_bundle(folder: Path, detector: str) -> str:
    """Fit one bundle; its hash."""
    from pynomaly.config import Candidate
    from pynomaly.data.frame import FrameContract
    from pynomaly.model.bundle import Bundle

    settings, frame = make_pipeline(folder, 1), generate_rows(0, 20_000)
    contract = FrameContract.infer(frame, settings.data)
    bundle = Bundle.fit(frame[:14_000], frame[14_000:], settings, Candidate(detector=detector), contract, {})
    return bundle.save(folder / detector)


def make_pipeline(folder: Path, workers: int) -> Any:
    from pynomaly.config import parse_pipeline

    settings = {
        "name": "scale",
        "data": {"source": "parquet", "path": "table.parquet", "time": "time"},
        "training": {"candidates": ["iforest"]},
        "runner": {"workers": workers, "batch_rows": BATCH},
    }
    return parse_pipeline(settings, folder / "scale.yaml")


def processor_seconds() -> float:
    """Processor seconds of this process and its children so far."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in used)


def time_bare_detector(folder: Path, detector: str, rows: int, threads: int) -> tuple[float, float]:
    """Seconds, by the clock and of processors, of the detector alone: numbers in memory, batch by batch."""
    from pynomaly.detectors import load_detector

    fitted = load_detector(folder / detector / "detector")
    batch = generate_rows(0, BATCH).drop(columns="time").to_numpy()
    fitted.score(batch, threads=threads)  # compiled loops are loaded once a process
    began, used = time.perf_counter(), processor_seconds()
    for first in range(0, rows, BATCH):
        fitted.score(batch[: min(BATCH, rows - first)], threads=threads)
    return time.perf_counter() - began, processor_seconds() - used


def time_whole_scoring(
    folder: Path, detector: str, sha256: str, source: Path, workers: int
) -> tuple[float, float]:
    """Seconds, by the clock and of processors, from the file to the file of scores."""
    from pynomaly.detectors import load_detector
    from pynomaly.steps.scoring.join_parts import join_scored_parts
    from pynomaly.steps.scoring.large_tables import score_parts

    load_detector(folder / detector / "detector").score(
        generate_rows(0, BATCH).drop(columns="time").to_numpy()
    )
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        began, used = time.perf_counter(), processor_seconds()
        _, files = score_parts(
            make_pipeline(folder, workers), folder / detector, sha256, 1, str(source), Path(scratch) / "draft"
        )
        join_scored_parts(files, Path(scratch) / "scores.parquet")
        return time.perf_counter() - began, processor_seconds() - used if workers == 1 else float("nan")


def resident_bytes(pid: int) -> int:
    """Bytes in memory of a process and its children."""
    total = 0
    try:
        total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += resident_bytes(int(child))
    except (OSError, IndexError):
        pass  # it ended while we looked
    return total


def measure_process(arguments: list[str]) -> dict[str, float]:
    """Run one measurement as a process; its seconds and its peak memory in MB."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.scale", "--one", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    peak, stop = [0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            peak[0] = max(peak[0], resident_bytes(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    stop.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{arguments}: exit code {process.returncode}")
    seconds, used = map(float, output.split())
    return {"seconds": seconds, "cpu_seconds": used, "peak_mb": peak[0] / 2**20}


def run_one(kind: str, folder: str, detector: str, sha256: str, source: str, rows: str, workers: str) -> None:
    # Nothing of it, Arrow's threads included, may use a core that it is not said to use.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(workers)])
    if kind == "bare":
        os.environ["NUMBA_NUM_THREADS"] = workers
        print(*time_bare_detector(Path(folder), detector, int(rows), int(workers)))
    else:
        from pynomaly.detectors.base import THREADS_VARIABLE
        from pynomaly.steps.scoring import large_tables

        os.environ[THREADS_VARIABLE] = workers
        large_tables.MIN_ROWS_FOR_PROCESSES = 0 if kind == "processes" else sys.maxsize
        processes = int(workers) if kind == "processes" else 1
        print(*time_whole_scoring(Path(folder), detector, sha256, Path(source), processes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--detectors", nargs="+", default=["iforest", "auto"])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", nargs=7, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(*options.one)
        return
    results = []
    print(
        f"{'rows':>11}  {'detector':<9} {'what':<18} {'rows/s':>10} {'cpu s':>7} {'of bare':>8} "
        f"{'peak MB':>8}"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        hashes = {detector: fit_bundle(folder, detector) for detector in options.detectors}
        for rows in options.rows:
            source = folder / "table.parquet"
            generate_table(source, rows)
            for detector in options.detectors:
                rates: dict[str, float] = {}
                used: dict[str, float] = {}
                for kind, workers in KINDS:
                    arguments = [
                        kind, scratch, detector, hashes[detector], str(source), str(rows), str(workers)
                    ]  # fmt: skip
                    result = measure_process(arguments)
                    name = f"{kind}, {workers} core{'s' * (workers > 1)}"
                    rates[name] = rows / result["seconds"]
                    used[name] = result["cpu_seconds"]
                    alone = f"bare, {workers} core{'s' * (workers > 1)}"
                    # What processes of a pool use is not ours to read: theirs is the share of the rate.
                    share = rates[name] / rates[alone] if kind == "processes" else used[alone] / used[name]
                    results.append(
                        {"rows": rows, "detector": detector, "what": name, **result, "share": share}
                    )
                    print(
                        f"{rows:>11,}  {detector:<9} {name:<18} {rates[name]:>10,.0f} {used[name]:>7.2f} "
                        f"{share:>8.2f} {result['peak_mb']:>8,.0f}",
                        flush=True,
                    )
                for kind in ("bare", "whole", "processes"):
                    alone = "whole, 1 core" if kind == "processes" else f"{kind}, 1 core"
                    speedup = rates[f"{kind}, 2 cores"] / rates[alone]
                    print(f"{'':>11}  {detector:<9} {kind}: two cores over one: {speedup:.2f}")
            source.unlink()
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
