"""Our drift verdict beside Evidently's defaults (`DataDriftPreset`), on the same generated rows.

    python -m benchmarks.drift --out FILE            # everything: half an hour on two idle cores
    python -m benchmarks.drift --part alarms --years 1

Alarms: a stream of 50 columns (40 numbers, 10 categories of 5, 20 and 100 values), 1,000 rows a day; eight
weeks are the reference, each later day is one check. `any`: a column is named (ours: warning or drift).
`verdict`: the tool's own word on the table (ours: drift; Evidently: half of the columns). Evidently sees some
days of the same stream, and its rate is scaled to a year. Speed: each figure from a process of its own, which
also says its peak memory; times are of sketching
both sides and comparing, generating left out; `window` is one side and the comparison.
"""

from __future__ import annotations

import os

os.environ["DO_NOT_TRACK"] = "1"

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.streams import CHANGES, REFERENCE_DAYS, STREAMS, RowStream, change_column, generate_batches
from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.judging.drift.compare_window import compute_window_drift
from pynomaly.judging.drift.window_drift import compare_sketches
from pynomaly.model.sketch.baseline import Baseline
from pynomaly.model.sketch.sketch import Sketch

SETTINGS = config.Drift()


class OurDrift:
    def __init__(self, reference: pd.DataFrame) -> None:
        rows, times = reference.drop(columns="time"), reference["time"]
        sketch = Sketch.of(rows, times=times)
        baseline = Baseline.of(
            rows,
            times,
            sketch.numeric,
            sketch.categorical,
            sketch.moments,
            length=pd.Timedelta(days=1),
            seasons=SETTINGS.seasons,
        )
        self.reference = sketch.with_reference(baseline)
        self.levels: list[Mapping[str, float]] = []
        self.contract = FrameContract.infer(
            reference, config.Data(source="csv", path="rows.csv", time="time")
        )

    def judge(self, day: pd.DataFrame) -> tuple[bool, bool, set[str]]:
        """Judge the day after those judged before: what moved by little adds up."""
        report = compute_window_drift(self.reference, self.contract, day, SETTINGS, earlier=self.levels)
        self.levels.append(report.levels)
        named = set(report.drifted) | ({"n01"} if report.joint and report.joint.drifted else set())
        return report.status in ("warning", "drift"), report.status == "drift", named


class EvidentlyDrift:
    def __init__(self, reference: pd.DataFrame) -> None:
        self.rows = reference.drop(columns="time")

    def judge(self, day: pd.DataFrame) -> tuple[bool, bool, set[str]]:
        flagged = find_evidently_columns(self.rows, day.drop(columns="time"))
        return bool(flagged), len(flagged) >= 0.5 * self.rows.shape[1], flagged


def find_evidently_columns(reference: pd.DataFrame, current: pd.DataFrame) -> set[str]:
    """Columns that Evidently's preset flags with everything at its default."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        texts = [name for name in reference if reference[name].dtype == object]
        numbers = [name for name in reference if name not in texts]
        definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
        sides = [Dataset.from_pandas(side, data_definition=definition) for side in (current, reference)]
        report = Report([DataDriftPreset()]).run(*sides).dict()
    flagged = set()
    for metric in report["metrics"]:
        settings = metric["config"]
        if "column" not in settings:
            continue
        # A p-value is bad when small, a distance when large; the name of the test says which it is.
        small = "p_value" in str(settings.get("method", metric["metric_name"])).lower()
        value, threshold = float(metric["value"]), float(settings["threshold"])
        if (value < threshold) if small else (value >= threshold):
            flagged.add(settings["column"])
    return flagged


def measure_alarms(
    streams: list[str], years: float, seeds: int, peer_windows: int, first: int = 0
) -> Iterator[str]:
    yield "| stream | tool | days checked | a year: any column | a year: verdict |"
    yield "|---|---|---|---|---|"
    for kind in streams:
        counts = {"ours": [0, 0, 0], "evidently": [0, 0, 0]}
        for seed in range(first, first + seeds):
            stream = RowStream(kind, seed)
            reference = stream.days(0, REFERENCE_DAYS)
            ours, evidently = OurDrift(reference), EvidentlyDrift(reference)
            days = round(365 * years)
            sampled = (
                set(np.linspace(0, days - 1, peer_windows, dtype=int).tolist()) if seed == first else set()
            )
            for number in range(days):
                day = stream.day(REFERENCE_DAYS + number)
                judges: list[tuple[str, Any]] = [("ours", ours)]
                judges += [("evidently", evidently)] if number in sampled else []
                for name, judge in judges:
                    some, verdict, _ = judge.judge(day)
                    for at, value in enumerate((1, some, verdict)):
                        counts[name][at] += int(value)
        for name, (checked, some, verdict) in counts.items():
            if checked:
                rates = [f"{365 * hits / checked:.1f} ({hits})" for hits in (some, verdict)]
                yield f"| {kind} | {name} | {checked} | {rates[0]} | {rates[1]} |"


def measure_power(streams: list[str], days: int, peer_windows: int) -> Iterator[str]:
    yield "| stream | change of one column | ours: days named | ours: first day | Evidently: days named |"
    yield "|---|---|---|---|---|"
    for kind in streams:
        stream = RowStream(kind, 100)
        reference = stream.days(0, REFERENCE_DAYS)
        ours, evidently = OurDrift(reference), EvidentlyDrift(reference)
        for what in CHANGES:
            column = "n01" if what == "broken relation" else "n10"
            hits, evidently_hits, failure = [], [], ""
            ours.levels.clear()
            for number in range(days):
                day = change_column(stream.day(REFERENCE_DAYS + number), what)
                hits.append(column in ours.judge(day)[2])
                if number < peer_windows and not failure:
                    try:
                        evidently_hits.append(column in evidently.judge(day)[2])
                    except Exception as error:
                        failure = f"fails: {type(error).__name__}"
            first = str(hits.index(True) + 1) if any(hits) else "never"
            evidently_cell = failure or (
                f"{sum(evidently_hits)} of {len(evidently_hits)}" if evidently_hits else "not run"
            )
            yield f"| {kind} | {what} | {sum(hits)} of {days} | {first} | {evidently_cell} |"


def measure_speed(sizes: list[int], most: int) -> Iterator[str]:
    yield "| rows a side | tool | processor s | of which the window | wall s | peak MB | MB at start |"
    yield "|---|---|---|---|---|---|---|"
    for rows in sizes:
        for tool in ("ours", "evidently"):
            if tool == "evidently" and rows > most:
                continue
            figures = run_child(tool, rows)
            if figures is None:
                yield f"| {rows:,} | {tool} | not finished | | | | |"
                continue
            window = f"{figures['window']:.2f}" if figures["window"] else "-"
            yield (
                f"| {rows:,} | {tool} | {figures['seconds']:.2f} | {window} | {figures['wall']:.1f} | "
                f"{figures['peak']:.0f} | {figures['start']:.0f} |"
            )


def run_child(tool: str, rows: int) -> dict[str, float] | None:
    """Measure in a process of its own: a peak of memory belongs to a whole process."""
    command = [sys.executable, "-m", "benchmarks.drift", "--child", tool, "--rows", str(rows)]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    seconds: dict[str, float] = json.loads(answer.stdout.strip().splitlines()[-1])
    return seconds


def measure_once(tool: str, rows: int) -> dict[str, float]:
    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    small = [pd.concat(generate_batches(200, seed, 0.0)) for seed in (1, 2)]
    if tool == "evidently":
        find_evidently_columns(*small)  # imports take seconds, and are not counted
        start = peak()
        sides = [pd.concat(generate_batches(rows, seed, 0.05), ignore_index=True) for seed in (1, 2)]
        began = _read_clocks()
        find_evidently_columns(*sides)
        wall, cpu = _read_clocks() - began
        return {"wall": wall, "seconds": cpu, "window": 0.0, "peak": peak(), "start": start}
    compare_sketches(*[Sketch.of(side) for side in small], SETTINGS)
    start, spent, sides = peak(), [], []
    for seed in (1, 2):
        clock = _Clock()
        sides.append(Sketch.from_batches(clock.stream(generate_batches(rows, seed, 0.05)), *sides[:1]))
        spent.append(clock.spent())
    began = _read_clocks()
    compare_sketches(*sides, SETTINGS)
    compared = _read_clocks() - began
    wall, cpu = spent[0] + spent[1] + compared
    return {
        "wall": wall,
        "seconds": cpu,
        "window": (spent[1] + compared)[1],
        "peak": peak(),
        "start": start,
    }


def _read_clocks() -> np.ndarray:
    """Wall and processor time: on a busy machine only the second is the tool's own."""
    return np.array([time.perf_counter(), time.process_time()])


class _Clock:
    """Time since it was made, less what generating rows took."""

    def __init__(self) -> None:
        self.began, self.waited = _read_clocks(), np.zeros(2)

    def stream(self, source: Iterator[pd.DataFrame]) -> Iterator[tuple[pd.DataFrame, None, None]]:
        while True:
            asked = _read_clocks()
            frame = next(source, None)
            self.waited += _read_clocks() - asked
            if frame is None:
                return
            yield frame, None, None

    def spent(self) -> np.ndarray:
        return _read_clocks() - self.began - self.waited


def measure_bundle_sizes() -> Iterator[str]:
    yield "| reference | compared with | sketch.json kB | of which baseline |"
    yield "|---|---|---|---|"
    for kind in ("independent", "seasonal"):
        reference = OurDrift(RowStream(kind, 0).days(0, REFERENCE_DAYS)).reference
        assert reference.baseline is not None
        level = next(iter(reference.baseline.columns.values())).level
        whole = len(json.dumps(reference.to_dict(), indent=1)) / 1e3
        part = len(json.dumps(reference.baseline.to_dict(), indent=1)) / 1e3
        yield f"| {kind}, 56,000 rows x 50 | {level} | {whole:.0f} | {part:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=["alarms", "power", "speed", "size"], action="append", default=[])
    parser.add_argument("--stream", nargs="*", choices=STREAMS, default=list(STREAMS))
    parser.add_argument("--years", type=float, default=1.0, help="of daily checks, for each seed")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--first-seed", type=int, default=0, help="other streams than those of earlier tables"
    )
    parser.add_argument("--evidently-days", type=int, default=6)
    parser.add_argument("--power-days", type=int, default=20)
    parser.add_argument("--evidently-power-days", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--evidently-rows", type=int, default=1_000_000, help="most rows it is given")
    parser.add_argument("--ten-million", action="store_true", help="ours alone, on 10 million rows too")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", choices=["ours", "evidently"], help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure_once(options.child, options.rows)))
        return
    parts = options.part or ["alarms", "power", "speed", "size"]
    sizes = [*options.sizes, *([10_000_000] if options.ten_million else [])]
    tables = {
        "alarms": lambda: measure_alarms(
            options.stream, options.years, options.seeds, options.evidently_days, options.first_seed
        ),
        "power": lambda: measure_power(options.stream, options.power_days, options.evidently_power_days),
        "speed": lambda: measure_speed(sizes, options.evidently_rows),
        "size": measure_bundle_sizes,
    }
    lines: list[str] = []
    for part in parts:
        lines += [f"\n### {part}\n"]
        print(lines[-1], flush=True)
        for line in tables[part]():
            lines.append(line)
            print(line, flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
