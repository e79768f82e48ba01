"""Measures what answers add: a detector before and after people labelled 1, 5 and 10 % of its rows.

    python -m benchmarks.feedback --adbench DIR --skab DIR [--seeds 2] [--detector iforest] --out FILE
    python -m benchmarks.feedback --nothing 100 [--seed 0] --out FILE

ADBench: tables as ``*.npz`` with ``X`` and ``y``, split 70/30 by seed. SKAB: the experiments of a folder,
each split in time, its first 60 % to learn from and the rest to judge by; from every column the median of
the experiment's first fifth is taken off. All rows are fitted first, whatever they are. Then the given share
of the rows to learn from is labelled: ``alerts`` labels those with the highest scores, as answers to alerts
do, ``random`` any, as an audit does. Confirmed anomalies leave the fit and teach
(:func:`pynomaly.model.fitting.known_anomalies.learn_reranking`, as a training does, with its own check on
folds); fewer than it needs teach nothing. Figures are AUROC and average precision of rows nobody labelled; an
unlabelled anomaly stays in the fit.

``--nothing N``: how often known anomalies that carry nothing are used, of N models each, with its exact 95 %
interval. *any rows*: 40 rows like all others were called anomalies; *incidents*: ten runs of four such rows,
alike within a run; *found already*: 40 rows that are odd by the detector's score alone, in no direction.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.calibration import render_table
from benchmarks.quality import TableSplit, make_splits
from benchmarks.shares import format_share
from pynomaly.detectors import make_detector
from pynomaly.model.fitting.known_anomalies import learn_reranking

NOTHING = ("any rows", "incidents", "found already")
SHARES = (0.01, 0.05, 0.10)
HOW = ("alerts", "random")


def load_skab_split(folder: Path, seed: int) -> TableSplit:
    """All experiments of a valve as one table: the first part of each to learn from, the rest to judge by."""
    fits, scores, fit_truth, truth = [], [], [], []
    for path in sorted(folder.glob("*.csv")):
        frame = pd.read_csv(path, sep=";")
        numbers = frame.drop(columns=["datetime", "anomaly", "changepoint"]).to_numpy(dtype=np.float64)
        numbers = numbers - np.median(numbers[: len(numbers) // 5], axis=0)
        labels = frame["anomaly"].to_numpy(dtype=np.int64)
        cut = round(0.6 * len(frame))
        fits.append(numbers[:cut])
        scores.append(numbers[cut:])
        fit_truth.append(labels[:cut])
        truth.append(labels[cut:])
    joined = [np.concatenate(parts) for parts in (fits, fit_truth, scores, truth)]
    return TableSplit(f"skab {folder.name}", seed, *joined)


def choose_labelled_rows(
    split: TableSplit, scores: npt.NDArray[np.float64], share: float, how: str
) -> npt.NDArray[np.bool_]:
    """Rows to learn from that people labelled."""
    count = round(share * len(scores))
    rng = np.random.default_rng(split.seed)
    order = np.argsort(-scores, kind="stable") if how == "alerts" else rng.permutation(len(scores))
    labelled = np.zeros(len(scores), dtype=bool)
    labelled[order[:count]] = True
    return labelled


def measure_feedback(split: TableSplit, name: str) -> Iterator[dict[str, Any]]:
    """Before any answer, then after each share of them, in each way."""
    first = make_detector(name, seed=split.seed).fit(split.fit)
    yield _compute_figures(split, first.score(split.score)) | {
        "share": 0.0,
        "how": "none",
        "known": 0,
        "used": False,
    }
    ranked = first.score(split.fit)
    for how in HOW:
        for share in SHARES:
            known = choose_labelled_rows(split, ranked, share, how) & (split.fit_labels == 1)
            unknown_rows = np.flatnonzero(~known)
            rng = np.random.default_rng(split.seed)
            held_out = np.zeros(len(unknown_rows), dtype=bool)
            held_out[rng.choice(len(unknown_rows), round(0.3 * len(unknown_rows)), replace=False)] = True
            fit, usual, odd = (
                split.fit[unknown_rows[~held_out]],
                split.fit[unknown_rows[held_out]],
                split.fit[known],
            )
            detector = make_detector(name, seed=split.seed).fit(fit)
            scores = detector.score(split.score)
            odd_scores = detector.score(odd) if len(odd) else np.empty(0)
            teaching = learn_reranking(usual, detector.score(usual), odd, odd_scores, seed=split.seed)
            if teaching.reranking is not None:
                scores = teaching.reranking.score(split.score, scores)
            facts = {"share": share, "how": how, "known": int(known.sum()), "used": teaching.facts["used"]}
            yield _compute_figures(split, scores) | facts


def teach_nothing(kind: str, seed: int) -> bool:
    """Whether known anomalies that carry nothing beyond the detector's score are used."""
    rng = np.random.default_rng([seed, NOTHING.index(kind)])
    rows, known = rng.normal(size=(600, 6)), rng.normal(size=(40, 6))
    blocks = np.arange(40)
    if kind == "incidents":
        blocks = blocks // 4
        known = (rng.normal(size=(10, 6))[blocks] + known) / np.sqrt(2)
    if kind == "found already":
        known *= (2.5 + rng.exponential(size=(40, 1))) / np.sqrt((known**2).mean(axis=1, keepdims=True))
    scores = [np.sqrt((part**2).sum(axis=1)) for part in (rows, known)]
    taught = learn_reranking(rows, scores[0], known, scores[1], blocks, seed=seed)
    return bool(taught.facts["used"])


def count_nothing(draws: int, seed: int) -> dict[str, int]:
    """How many of so many models use known anomalies that carry nothing, by kind."""
    return {
        kind: sum(teach_nothing(kind, seed * 100_000 + number) for number in range(draws)) for kind in NOTHING
    }


def _compute_figures(split: TableSplit, scores: npt.NDArray[np.float64]) -> dict[str, Any]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    return {
        "table": split.table,
        "seed": split.seed,
        "auroc": float(roc_auc_score(split.truth, scores)),
        "ap": float(average_precision_score(split.truth, scores)),
    }


def build_feedback_table(runs: list[dict[str, Any]]) -> pd.DataFrame:
    """Means over seeds, a row a table and a column a way: AUROC / AP, with * where answers taught."""
    frame = pd.DataFrame(runs)
    frame["way"] = frame["how"] + " " + (frame["share"] * 100).round().astype(int).astype(str) + " %"
    means = frame.groupby(["table", "way"])[["auroc", "ap", "used"]].mean()
    cells = {
        key: f"{row.auroc:.3f} / {row.ap:.3f}{'*' if row.used else ''}"
        for key, row in zip(means.index, means.itertuples(), strict=True)
    }
    ways = ["none 0 %", *(f"{how} {round(share * 100)} %" for how in HOW for share in SHARES)]
    rows = {table: [cells[table, way] for way in ways] for table in dict.fromkeys(frame["table"])}
    over = frame.groupby("way")[["auroc", "ap"]].mean()
    rows["mean"] = [f"{over.loc[way, 'auroc']:.3f} / {over.loc[way, 'ap']:.3f}" for way in ways]
    return pd.DataFrame.from_dict(rows, orient="index", columns=ways)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--adbench", type=Path)
    parser.add_argument("--skab", type=Path)
    parser.add_argument(
        "--tables", nargs="*", default=[], help="parts of the names of tables; all by default"
    )
    parser.add_argument("--detector", default="iforest")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--nothing", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    if options.nothing:
        used = count_nothing(options.nothing, options.seed)
        lines = [[kind, format_share(count, options.nothing)] for kind, count in used.items()]
        options.out.write_text(render_table(["known anomalies that carry nothing", "used, %"], lines))
        print(options.out.read_text())
        return 0
    runs: list[dict[str, Any]] = []
    for path in sorted(options.adbench.glob("*.npz")) if options.adbench else []:
        if not options.tables or any(part in path.stem for part in options.tables):
            for split in make_splits(path, options.seeds):
                runs += measure_feedback(split, options.detector)
    for folder in sorted(path for path in options.skab.iterdir() if path.is_dir()) if options.skab else []:
        for seed in range(options.seeds):
            runs += measure_feedback(load_skab_split(folder, seed), options.detector)
    options.out.write_text(json.dumps(runs, indent=1) + "\n")
    print(build_feedback_table(runs).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
