"""Speed of our detectors beside PyOD's, in one process, one thread, in turn on the same rows.

    python -m benchmarks.speed --data cover.npz --generated --out speed.md

Prints one Markdown row a detector: fit seconds, batch rows a second, one row (median and 99th percentile),
peak memory beyond the batch, and file size; ours, PyOD's, and the ratio (above 1: ours is better). Each
batch figure is the median of `--repeats` runs taken alternately, so that a machine that slows down slows
both. `--threads 2` adds the rate with that many threads over the rate with one, on enough rows for .3 s.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported: one thread means one

import argparse
import importlib
import pickle
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pynomaly.detectors import DETECTORS, make_detector

# Ours, and PyOD's class of the same method with the same parameters; a detector without a peer runs alone.
PEERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "iforest": ("iforest", "IForest", {"random_state": 0}),
    "hbos": ("hbos", "HBOS", {}),
    "ecod": ("ecod", "ECOD", {}),
    "copod": ("copod", "COPOD", {}),
    "gmm": ("gmm", "GMM", {"n_components": 3, "random_state": 0}),
    "pca": ("pca", "PCA", {"random_state": 0}),
    "mcd": ("mcd", "MCD", {"random_state": 0}),
    "knn": ("knn", "KNN", {}),
    "lof": ("lof", "LOF", {}),
    "ocsvm": ("ocsvm", "OCSVM", {}),
    "inne": ("inne", "INNE", {"random_state": 0}),
    "loda": ("loda", "LODA", {}),
    "kde": ("kde", "KDE", {}),
    "cblof": ("cblof", "CBLOF", {"random_state": 0}),
}
COLUMNS = ("fit s", "rows/s", "one row ms p50", "one row ms p99", "extra MB", "file kB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, action="append", default=[], help="npz with X of shape (n, d)")
    parser.add_argument("--generated", action="store_true", help="also 100,000 x 100 generated rows")
    parser.add_argument("--detectors", nargs="*", default=[name for name in PEERS if name in DETECTORS])
    parser.add_argument("--fit-rows", type=int, default=10_000)
    parser.add_argument("--score-rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    tables = {path.stem: np.load(path, allow_pickle=True)["X"].astype(np.float64) for path in options.data}
    if options.generated:
        rng = np.random.default_rng(0)
        tables["generated"] = rng.normal(size=(100_000, 20)) @ rng.normal(size=(20, 100))
        tables["generated"] += rng.normal(scale=0.3, size=tables["generated"].shape)
    if not tables:
        parser.error("nothing to measure on: give --data FILE or --generated")
    lines = []
    for name, X in tables.items():
        lines += [f"\n### {name}: {X.shape[0]} x {X.shape[1]}, fitted on {min(options.fit_rows, len(X))}\n"]
        lines += ["| detector | " + " | ".join(f"{c}: ours, PyOD, ratio" for c in COLUMNS) + " | threads |"]
        lines += ["|---" * (len(COLUMNS) + 2) + "|"]
        for line in lines[-3:]:
            print(line, flush=True)
        for detector in options.detectors:
            lines.append(measure_detector(detector, X, options))
            print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


def measure_detector(name: str, X: np.ndarray, options: argparse.Namespace) -> str:
    """One detector's line of the table."""
    fit_rows, score_rows = X[: options.fit_rows], X[-options.score_rows :]
    fit_rows = (fit_rows - fit_rows.mean(0)) / np.where(fit_rows.std(0) > 0, fit_rows.std(0), 1)
    score_rows = (score_rows - X[: options.fit_rows].mean(0)) / np.where(X.std(0) > 0, X.std(0), 1)
    ours = make_detector(name, seed=0)
    pieces: dict[str, Any] = {"ours": (ours, lambda rows: ours.score(rows, threads=1))}
    if name in PEERS:
        module, kind, params = PEERS[name]
        peer = getattr(importlib.import_module(f"pyod.models.{module}"), kind)(**params)
        pieces["peer"] = (peer, peer.decision_function)
    results: dict[str, list[float]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for who, (model, _) in pieces.items():
            results[who] = [time_call(lambda model=model: model.fit(fit_rows))]
        # As many rows as the slower one scores in about two seconds.
        pilot = max(time_call(lambda score=score: score(score_rows[:1000])) for _, score in pieces.values())
        pilot = max(time_call(lambda score=score: score(score_rows[:1000])) for _, score in pieces.values())
        count = int(np.clip(2.0 / pilot * 1000, 1000, len(score_rows)))
        batch = np.ascontiguousarray(score_rows[:count])
        rates: dict[str, list[float]] = {who: [] for who in pieces}
        for score in (piece[1] for piece in pieces.values()):
            score(batch)
        for _ in range(options.repeats):
            for who, (_, score) in pieces.items():
                rates[who].append(count / time_call(lambda score=score: score(batch)))
        for who, (model, score) in pieces.items():
            single = [
                time_call(lambda at=at, score=score: score(batch[at : at + 1])) * 1e3 for at in range(300)
            ]
            memory = peak_memory_mb(lambda score=score: score(batch))
            figures = [
                float(np.median(rates[who])),
                *np.percentile(single, [50, 99]),
                memory,
                saved_size_kb(model),
            ]
            results[who] += [float(value) for value in figures]
    cells = []
    for place, column in enumerate(COLUMNS):
        own_value, peer_value = results["ours"][place], results.get("peer", [None] * len(COLUMNS))[place]
        ratio = (
            None
            if not peer_value or not own_value
            else (own_value / peer_value if column == "rows/s" else peer_value / own_value)
        )
        cell = f"{own_value:.3g}" + (f", {peer_value:.3g}, **{ratio:.2f}**" if ratio else "")
        cells.append(cell)
    return f"| {name} | " + " | ".join(cells) + f" | {measure_thread_gain(ours, batch, options)} |"


def measure_thread_gain(ours: Any, batch: np.ndarray, options: argparse.Namespace) -> str:
    """Rate with `--threads` over the rate with one, and whether the scores are the same bits."""
    if not options.threads:
        return "-"
    ratios = []
    short = 0.3 / time_call(lambda: ours.score(batch, threads=1))  # less work than that measures the pool
    most = 2e8 / batch.nbytes + 2 * ours.block_rows / len(batch)
    batch = np.tile(batch, (int(np.ceil(min(max(short, 1), most))), 1))
    for _ in range(options.repeats):
        alone = time_call(lambda: ours.score(batch, threads=1))
        ratios.append(alone / time_call(lambda: ours.score(batch, threads=options.threads)))
    same = bool((ours.score(batch, threads=1) == ours.score(batch, threads=options.threads)).all())
    return f"{np.median(ratios):.2f}x{'' if same else ' SCORES DIFFER'}"


def time_call(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def peak_memory_mb(call: Callable[[], Any]) -> float:
    """Megabytes allocated at the worst moment of the call."""
    tracemalloc.start()
    call()
    megabytes = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return megabytes


def saved_size_kb(model: Any) -> float:
    """Kilobytes on disk: our folder, or PyOD's pickle, which is how it is saved."""
    if hasattr(model, "save"):
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder))
            return sum(file.stat().st_size for file in Path(folder).rglob("*")) / 1e3
    return len(pickle.dumps(model)) / 1e3


if __name__ == "__main__":
    main()
