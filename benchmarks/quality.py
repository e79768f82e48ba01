"""Measures how well detectors rank unlabelled anomalies, beside PyOD on the same splits.

    python benchmarks/quality.py --data DIR [--seeds 3] [--methods auto iforest ...] --out FILE

DIR holds tables as ``*.npz`` with ``X`` (n, d) and ``y`` (1 is an anomaly), as ADBench publishes them. For
each table and seed: a stratified 70/30 split, at most 10,000 rows to fit on and 20,000 to score. Labels
are read to score a ranking, never to fit; ``--train normals`` leaves known anomalies out of the rows fitted
on (a detector that cleans its own rows is told that there are none), and ``--train labelled`` lets them move
the scores besides, where there are at least 20 (ours alone).

Methods: any name of the catalogue, and the peers ``pyod-iforest``, ``pyod-detect`` (what
``ADEngine.detect`` returns) and ``pyod-consensus`` (the mean rank of the detectors that its ``investigate``
chose). A run that fails, or gives a score that is not finite, is counted and stands at chance: AUROC .5,
AP the share of anomalies. Compared are means over seeds, a table a pair (Wilcoxon, two-sided).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pynomaly.detectors import DETECTORS, make_detector
from pynomaly.detectors.methods.reranking import LEAST_POSITIVES
from pynomaly.model.fitting.known_anomalies import learn_reranking

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
PEERS = ("pyod-iforest", "pyod-detect", "pyod-consensus")
LOSS_MARGIN = 0.03
_FIT_ROWS, _SCORE_ROWS = 10_000, 20_000


@dataclass(frozen=True)
class TableSplit:
    """One table, split by one seed."""

    table: str
    seed: int
    fit: Array
    fit_labels: Labels
    score: Array
    truth: Labels


@dataclass(frozen=True)
class MethodRun:
    """One method on one split; `error` says why it stands at chance."""

    table: str
    seed: int
    method: str
    roc_auc: float
    average_precision: float
    seconds: float
    not_finite: int = 0
    error: str = ""


def make_splits(path: Path, seeds: int) -> Iterator[TableSplit]:
    """The same splits for every method."""
    from sklearn.model_selection import train_test_split

    with np.load(path, allow_pickle=False) as archive:
        X, y = archive["X"].astype(np.float64), archive["y"].ravel().astype(np.int64)
    for seed in range(seeds):
        fit, score, fit_labels, truth = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
        rng = np.random.default_rng(seed)
        fit_rows, score_rows = _cap_rows(rng, fit_labels, _FIT_ROWS), _cap_rows(rng, truth, _SCORE_ROWS)
        yield TableSplit(
            path.stem, seed, fit[fit_rows], fit_labels[fit_rows], score[score_rows], truth[score_rows]
        )


def _cap_rows(rng: np.random.Generator, labels: Labels, most: int) -> npt.NDArray[np.intp]:
    """At most that many places, each class in its share."""
    if len(labels) <= most:
        return np.arange(len(labels))
    chosen = []
    for label in (0, 1):
        places = np.flatnonzero(labels == label)
        chosen.append(rng.choice(places, max(1, round(most * len(places) / len(labels))), replace=False))
    return np.sort(np.concatenate(chosen))


def score_with_catalogue(name: str, split: TableSplit, train: str) -> Array:
    """A detector of ours; with `labelled`, what it was not fitted on teaches it, as in a training."""
    if train == "all":
        return make_detector(name, seed=split.seed).fit(split.fit).score(split.score)
    normal = split.fit[split.fit_labels == 0]
    anomalies = split.fit[split.fit_labels == 1]
    if train == "normals":
        parameters = {"cleaned": 0.0} if "cleaned" in DETECTORS[name].resolve().parameters else {}
        return make_detector(name, seed=split.seed, **parameters).fit(normal).score(split.score)
    if len(anomalies) < LEAST_POSITIVES:
        return make_detector(name, seed=split.seed).fit(normal).score(split.score)
    held_out = np.zeros(len(normal), dtype=bool)
    rng = np.random.default_rng(split.seed)
    held_out[rng.choice(len(normal), round(0.3 * len(normal)), replace=False)] = True
    detector = make_detector(name, seed=split.seed).fit(normal[~held_out])
    odd, usual, scores = (detector.score(rows) for rows in (anomalies, normal[held_out], split.score))
    reranking = learn_reranking(normal[held_out], usual, anomalies, odd, seed=split.seed).reranking
    return scores if reranking is None else reranking.score(split.score, scores)


def score_with_pyod_iforest(split: TableSplit) -> Array:
    """PyOD's IForest with its defaults."""
    from pyod.models.iforest import IForest

    return IForest(random_state=split.seed).fit(split.fit).decision_function(split.score)


def score_with_pyod_detect(split: TableSplit) -> Array:
    """The one detector that PyOD's ADEngine plans and runs."""
    from pyod.utils.ad_engine import ADEngine

    np.random.seed(split.seed)  # noqa: NPY002  # what its detectors draw from when they are given no seed
    return ADEngine().detect(split.fit, X_test=split.score)["scores_test"]


def score_with_pyod_consensus(split: TableSplit) -> Array:
    """Mean rank over the detectors that ADEngine's investigation ran, as its consensus of training rows."""
    from pyod.utils.ad_engine import ADEngine
    from scipy.stats import rankdata

    np.random.seed(split.seed)  # noqa: NPY002
    state = ADEngine().investigate(split.fit)
    run = [result["detector"] for result in state.results if result["status"] == "success"]
    return np.mean([rankdata(detector.decision_function(split.score)) for detector in run], axis=0)


_PEERS: dict[str, Callable[[TableSplit], Array]] = {
    "pyod-iforest": score_with_pyod_iforest,
    "pyod-detect": score_with_pyod_detect,
    "pyod-consensus": score_with_pyod_consensus,
}


def measure_method(method: str, split: TableSplit, train: str) -> MethodRun:
    """Fit, score, and compare with the truth."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    peer_split = split
    if train != "all" and method in _PEERS:
        normal = split.fit_labels == 0
        peer_split = TableSplit(
            split.table, split.seed, split.fit[normal], split.fit_labels[normal], split.score, split.truth
        )
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scores = (
                _PEERS[method](peer_split) if method in _PEERS else score_with_catalogue(method, split, train)
            )
        scores = np.asarray(scores, dtype=np.float64)
    except Exception as error:  # a method that fails is a result of the benchmark, whoever's it is
        return _make_chance_run(method, split, started, 0, f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - started
    not_finite = int((~np.isfinite(scores)).sum())
    if not_finite:
        return _make_chance_run(method, split, started, not_finite, f"{not_finite} scores are not finite")
    return MethodRun(
        split.table,
        split.seed,
        method,
        float(roc_auc_score(split.truth, scores)),
        float(average_precision_score(split.truth, scores)),
        seconds,
    )


def _make_chance_run(
    method: str, split: TableSplit, started: float, not_finite: int, error: str
) -> MethodRun:
    share, seconds = float(split.truth.mean()), time.perf_counter() - started
    return MethodRun(split.table, split.seed, method, 0.5, share, seconds, not_finite, error)


def average_by_table(runs: list[MethodRun], method: str, metric: str) -> Array:
    """Means over seeds, tables in order of their names."""
    method_runs = [run for run in runs if run.method == method]
    tables = sorted({run.table for run in method_runs})
    return np.array(
        [np.mean([getattr(run, metric) for run in method_runs if run.table == name]) for name in tables]
    )


def compare_with_peer(runs: list[MethodRun], method: str, peer: str) -> dict[str, float]:
    """Gains of a method over a peer, their p-values, and the tables it lost."""
    from scipy.stats import wilcoxon

    figures: dict[str, float] = {}
    for metric in ("roc_auc", "average_precision"):
        gain = average_by_table(runs, method, metric) - average_by_table(runs, peer, metric)
        figures[f"{metric}_gain"] = float(gain.mean())
        figures[f"{metric}_p"] = float(wilcoxon(gain).pvalue) if gain.any() else 1.0
        figures[f"{metric}_lost"] = int((gain < -LOSS_MARGIN).sum())
    return figures


def summarize_methods(runs: list[MethodRun], methods: list[str]) -> dict[str, dict[str, object]]:
    """All figures of each method."""
    summaries: dict[str, dict[str, object]] = {}
    for method in methods:
        method_runs = [run for run in runs if run.method == method]
        summaries[method] = {
            "roc_auc": float(average_by_table(runs, method, "roc_auc").mean()),
            "average_precision": float(average_by_table(runs, method, "average_precision").mean()),
            "failures": sum(bool(run.error) for run in method_runs),
            "not_finite": sum(run.not_finite for run in method_runs),
            "seconds": sum(run.seconds for run in method_runs),
            "against": {
                peer: compare_with_peer(runs, method, peer)
                for peer in PEERS
                if peer in methods and method not in PEERS
            },
        }
    return summaries


def render_summary(summary: dict[str, dict[str, object]], tables: int) -> str:
    """The figures as two Markdown tables."""
    lines = ["| method | AUROC | AP | failures | not finite | seconds |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {method} | {row['roc_auc']:.3f} | {row['average_precision']:.3f} | {row['failures']} "
        f"| {row['not_finite']} | {row['seconds']:.0f} |"
        for method, row in summary.items()
    ]
    lines += [
        "",
        f"| method against peer | AUROC gain (p) | AP gain (p) | tables lost of {tables}: AUROC, AP |",
        "|---|---|---|---|",
    ]
    for method, row in summary.items():
        against = row["against"]
        assert isinstance(against, dict)
        lines += [
            f"| {method} against {peer} | {gain['roc_auc_gain']:+.3f} ({gain['roc_auc_p']:.3g}) "
            f"| {gain['average_precision_gain']:+.3f} ({gain['average_precision_p']:.3g}) "
            f"| {gain['roc_auc_lost']}, {gain['average_precision_lost']} |"
            for peer, gain in against.items()
        ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of *.npz with X and y")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for every run and the figures")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to this, less one")
    parser.add_argument("--methods", nargs="+", default=["auto", *PEERS], metavar="METHOD")
    parser.add_argument("--train", choices=("all", "normals", "labelled"), default="all")
    options = parser.parse_args(arguments)
    for method in options.methods:
        if method not in DETECTORS and method not in PEERS:
            parser.error(f"no method {method!r}; there are {', '.join((*DETECTORS, *PEERS))}")
    paths = sorted(options.data.glob("*.npz"))
    if not paths or options.seeds < 1:
        parser.error(f"{len(paths)} tables in {options.data} and {options.seeds} seeds; at least 1 of each")
    runs = []
    for path in paths:
        for split in make_splits(path, options.seeds):
            runs += [measure_method(method, split, options.train) for method in options.methods]
            print(
                f"{split.table} {split.seed}: "
                + ", ".join(
                    f"{run.method} {run.roc_auc:.3f}/{run.average_precision:.3f}"
                    for run in runs[-len(options.methods) :]
                ),
                file=sys.stderr,
                flush=True,
            )
    summaries = summarize_methods(runs, options.methods)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "tables": len(paths),
        "seeds": options.seeds,
        "train": options.train,
        "methods": summaries,
        "runs": [asdict(run) for run in runs],
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(render_summary(summaries, len(paths)))
    for run in runs:
        if run.error:
            print(f"failed: {run.method} on {run.table}, seed {run.seed}: {run.error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
