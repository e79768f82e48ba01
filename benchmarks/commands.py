"""Measures how long each command takes beside a bare script that does the same work without records.

    python -m benchmarks.commands --rounds 1 --out FILE

A table of 3,000 rows x 4 with a label is made in a temporary folder, `pynomaly init` drafts its pipeline,
and each command runs as a process of its own, as a person starts it, in a home that is new at the start.
Beside it runs a bare script in a process of its own: `init` and the scoring by pandas and scikit-learn,
`train` by the steps of the library that read, fit and compare, the rest by reading the table or the ledger.
Figures are processor seconds of the process and all that it started, also what outlives it, and wall seconds.
On a machine with other work, read the processor seconds.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

START = datetime(2026, 1, 5, tzinfo=UTC)
TRAINED = START + timedelta(days=23)
WINDOW = timedelta(hours=3)
ROWS, COLUMNS, WINDOWS = 3000, 4, 64
SET_CHILD_SUBREAPER = 36
"""Linux's ``PR_SET_CHILD_SUBREAPER``: processes that outlive their parent become ours, and are counted."""

COMMANDS: dict[str, list[str]] = {
    "init": ["init", "table.csv", "--time", "time", "--label", "anomaly", "--force"],
    "train": ["train", "configs/table.yaml", "--as-of", TRAINED.isoformat()],
    "train, refused": ["train", "configs/table.yaml", "--as-of", TRAINED.isoformat()],
    "score, 1 window": ["score", "configs/table.yaml", "--as-of", (TRAINED + WINDOW).isoformat()],
    f"score, {WINDOWS - 1} windows": [
        "score",
        "configs/table.yaml",
        "--as-of",
        (TRAINED + WINDOWS * WINDOW).isoformat(),
    ],
    "monitor": ["monitor", "configs/table.yaml", "--as-of", (TRAINED + timedelta(days=7)).isoformat()],
    "status": ["status", "configs/table.yaml"],
    "history": ["history", "configs/table.yaml"],
    "alerts": ["alerts", "configs/table.yaml"],
}
"""In the order in which they run; each meets what the ones before it left."""


def write_table(folder: Path) -> None:
    """Write `ROWS` rows, one every 15 minutes, 2 % of them labelled anomalies."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(ROWS, COLUMNS)), columns=list("abcd"))
    odd = rng.random(ROWS) < 0.02
    table.loc[odd, "a"] += 6
    table.insert(0, "time", pd.Timestamp(START) + pd.to_timedelta(np.arange(ROWS) * 15, unit="min"))
    table["anomaly"] = odd.astype(int)
    table.to_csv(folder / "table.csv", index=False)


def shorten_windows(folder: Path) -> None:
    """Set the score window of the drafted pipeline, so that 64 of them lie after the training."""
    file = folder / "configs" / "table.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('score: "1d"', f'score: "{WINDOW.seconds // 3600}h"'), encoding="utf-8")


def draft_bare() -> None:
    table = pd.read_csv("table.csv", parse_dates=["time"])
    print(table.describe(include="all"), table.nunique())


def train_bare() -> None:
    """The steps of a training that read, validate, fit, score and compare."""
    from pynomaly.config import load_pipeline
    from pynomaly.data.window import Window
    from pynomaly.steps.training.compare_models import choose_winner
    from pynomaly.steps.training.fit_candidates import fit_candidate
    from pynomaly.steps.training.prepare import prepare_reference

    pipeline = load_pipeline("configs/table.yaml")
    prepared = prepare_reference(
        pipeline, Window(START, TRAINED), TRAINED, pipeline.training.candidates, "bare"
    )
    fitted = [fit_candidate(pipeline, prepared, candidate, label) for label, candidate in prepared.labelled()]
    print(choose_winner(pipeline, prepared, fitted).winner)


def read_bare() -> None:
    """What a refused training reads: the rows and their hash."""
    table = pd.read_csv("table.csv", parse_dates=["time"])
    print(pd.util.hash_pandas_object(table).sum())


def score_bare() -> None:
    """Fit a forest and write the scores of all windows: a script keeps no model."""
    from sklearn.ensemble import IsolationForest

    table = pd.read_csv("table.csv", parse_dates=["time"])
    numbers = table[list("abcd")]
    forest = IsolationForest(random_state=0).fit(numbers[table["time"] < TRAINED])
    newer = table[table["time"] >= TRAINED]
    newer.assign(score=-forest.score_samples(newer[list("abcd")])).to_parquet("scores.parquet")


def monitor_bare() -> None:
    from scipy.stats import ks_2samp

    table = pd.read_csv("table.csv", parse_dates=["time"])
    before, after = table[table["time"] < TRAINED], table[table["time"] >= TRAINED]
    print({name: ks_2samp(before[name], after[name]).pvalue for name in "abcd"})


def select_bare() -> None:
    import sqlite3

    for file in Path(".pynomaly").glob("*.db"):
        with sqlite3.connect(file) as connection:
            print(connection.execute("select name from sqlite_master").fetchall())


BARE: dict[str, Callable[[], None]] = {
    "init": draft_bare,
    "train": train_bare,
    "train, refused": read_bare,
    "score, 1 window": score_bare,
    f"score, {WINDOWS - 1} windows": score_bare,
    "monitor": monitor_bare,
    "status": select_bare,
    "history": select_bare,
    "alerts": select_bare,
}


def measure_process(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Processor and wall seconds of ``python -m ARGUMENTS`` and of everything that it started.

    Raises
    ------
    SystemExit
        If it fails, with the end of what it printed.
    """
    root = str(Path(__file__).resolve().parent.parent)
    environment = {**os.environ, "PYTHONPATH": root, "PYNOMALY_HOME": str(folder / ".pynomaly")}
    log = folder / "log.txt"
    clock, before = time.perf_counter(), os.times()
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=folder, env=environment, stdout=sink, stderr=sink
        )
        status = process.wait()
    wall = time.perf_counter() - clock
    with suppress(ChildProcessError):  # raised when none is left
        while True:
            os.wait()
    after = os.times()
    if status:
        raise SystemExit(f"{arguments} failed: {log.read_text(errors='replace')[-2000:]}")
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, wall


def run_round(folder: Path, bare_too: bool) -> dict[str, list[tuple[float, float]]]:
    """The figures of each command, and of its bare script, in a new home."""
    write_table(folder)
    figures = {}
    for name, arguments in COMMANDS.items():
        spent = measure_process(["flows.cli", *arguments], folder)
        if name == "init":
            shorten_windows(folder)
        bare = [measure_process(["benchmarks.commands", "--child", name], folder)] if bare_too else []
        figures[name] = [spent, *bare]
        print(name, *(f"{item:.1f}" for pair in figures[name] for item in pair), flush=True)
    return figures


def format_figures(rounds: list[dict[str, list[tuple[float, float]]]]) -> list[str]:
    """A table of medians over the rounds."""
    lines = [
        "| command | processor s | wall s | bare: processor s | wall s | ratio of processor s |",
        "|---|---|---|---|---|---|",
    ]
    for name in COMMANDS:
        middle = [
            statistics.median(figures[name][place][part] for figures in rounds)
            for place in range(len(rounds[0][name]))
            for part in (0, 1)
        ]
        ratio = [f"{middle[0] / middle[2]:.1f}"] if len(middle) > 2 else []
        lines.append(f"| {' | '.join([name, *(f'{item:.1f}' for item in middle), *ratio])} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--no-bare", action="store_true", help="Only the commands, to compare two versions.")
    parser.add_argument("--child", choices=list(BARE), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        BARE[options.child]()
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as scratch:
            rounds.append(run_round(Path(scratch), not options.no_bare))
    lines = format_figures(rounds)
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
