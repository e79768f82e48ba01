"""What the past of edges adds: generated payments with fraud, ranked with and without ``data.graph``.

For each seed payments are generated, features of edges added as reading adds them, and detectors fitted
without labels on the first part of the time; schemes are among those rows, too. The later rows are ranked.
Average precision is that of the rows of one kind of scheme among them and the rows of no scheme. Beside it:
an isolation forest on degrees alone.

Seeds 0 to 9 were looked at while features were chosen; results are of seeds from 100 on.

Run: ``python -m benchmarks.relations [--quick] [--level hard] [--seeds 5] [--speed]``.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pynomaly.config import Data, Features, Graph
from pynomaly.data.frame import FrameContract
from pynomaly.data.payments import SCHEMES, PaymentLevel, generate_payments
from pynomaly.data.relations import add_relations
from pynomaly.data.streams.edge_history import EdgeHistory
from pynomaly.detectors import make_detector
from pynomaly.model.features import FeatureEncoder

Floats = NDArray[np.float64]

FIRST_SEED = 100
DETECTORS = ("iforest", "hbos", "gmm")
HISTORY_DAYS, FITTED_DAYS = 30, 75
SETTINGS = {"source": "csv", "path": "-", "time": "time", "label": "fraud", "ignore": ("scheme",)}
GRAPH = Graph(source="payer", target="payee", weight="amount")
DEGREES = GRAPH.model_copy(update={"features": ("degree",)})


def measure_precision(is_anomaly: NDArray[np.bool_], scores: Floats) -> float:
    """Return the average precision; equal scores count as one step."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(scores[order][1:] != scores[order][:-1], True)
    hits = np.cumsum(is_anomaly[order])
    precision = hits[last] / (np.flatnonzero(last) + 1)
    return float((np.diff(hits[last], prepend=0) * precision).sum() / max(1, hits[-1]))


def rank_rows(frame: pd.DataFrame, names: Sequence[str], detector: str, *, calendar: bool = True) -> Floats:
    """Return the scores of the rows after the fitted days, by a detector fitted on those before."""
    day = (frame["time"] - frame["time"].min()).dt.total_seconds().to_numpy() / 86_400
    data = Data.model_validate({**SETTINGS, "ignore": (), "columns": tuple(names)})
    contract = FrameContract.infer(frame, data)
    fitted = frame[(day >= HISTORY_DAYS) & (day < FITTED_DAYS)]
    later = frame[day >= FITTED_DAYS]
    settings = Features(calendar=calendar)
    encoder = FeatureEncoder.fit(contract.conform(fitted), fitted["time"], settings)
    X, Y = (encoder.transform(contract.conform(rows), rows["time"]) for rows in (fitted, later))
    scores: Floats = make_detector(detector, seed=0).fit(X).score(Y)
    return scores


def compare(
    seed: int, level: PaymentLevel, detectors: Iterable[str], days: int, accounts: int
) -> pd.DataFrame:
    """Return the average precision of each kind of scheme by detector, without and with relations."""
    payments = generate_payments(days, accounts, seed=seed, level=level, schemes=accounts // 40)
    frame = add_relations(add_relations(payments, "time", GRAPH), "time", DEGREES)
    day = (frame["time"] - frame["time"].min()).dt.total_seconds().to_numpy() / 86_400
    later = frame[day >= FITTED_DAYS]
    degrees = list(DEGREES.names)
    row = ["amount", "channel"]
    runs = [(detector, "row", row) for detector in detectors]
    runs += [(detector, "relations", [*row, *GRAPH.names]) for detector in detectors]
    runs += [("iforest", "degree alone", degrees)]
    lines = []
    for detector, features, names in runs:
        scores = rank_rows(frame, names, detector, calendar=features != "degree alone")
        for kind in SCHEMES:
            chosen = later["scheme"].isin([kind, ""]).to_numpy()
            truth = (later["scheme"] == kind).to_numpy()[chosen]
            lines.append(
                (seed, kind, detector, features, measure_precision(truth, scores[chosen]), truth.mean())
            )
    return pd.DataFrame(lines, columns=["seed", "scheme", "detector", "features", "ap", "share"])


def print_comparison(results: pd.DataFrame) -> None:
    """Print the mean over seeds: a line for each kind of scheme and detector, and how often it is twice."""
    table = results.pivot_table(
        index=["scheme", "detector"], columns="features", values="ap", aggfunc="mean", sort=False
    )
    table["times"] = table["relations"] / table["row"]
    print(table.round(3).to_string())
    best = results.groupby(["seed", "scheme", "features"], sort=False)["ap"].max().reset_index()
    best = best.pivot_table(index=["seed", "scheme"], columns="features", values="ap", sort=False)
    print("\nbest detector of each seed:")
    print(best.groupby("scheme", sort=False).mean().round(3).to_string())
    rings = best.loc[best.index.get_level_values("scheme").isin(["ring", "mule"])]
    twice = (rings["relations"] >= 2 * rings["row"]).mean()
    print(f"rings and mules: at least twice the row's in {100 * twice:.0f} % of {len(rings)} (seed, scheme)")


def measure_speed(edges: int, entities: int) -> None:
    """Print edges a second of processor time, and the memory of the process at its peak."""
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.integers(0, 60 * 86_400, edges))
    ends = rng.integers(0, entities, (2, edges)).astype(str)
    moments = pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(seconds, unit="s")
    frame = pd.DataFrame(
        {
            "time": pd.Series(moments).dt.as_unit("us"),
            "payer": pd.Series(ends[0], dtype="str"),
            "payee": pd.Series(ends[1], dtype="str"),
            "amount": rng.lognormal(4, 1, edges).round(2),
        }
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.process_time()
    live = EdgeHistory(Data.model_validate(SETTINGS | {"graph": GRAPH}))
    first, batch = edges - min(edges, 200_000), 5_000
    live.remember(frame.iloc[:first])
    for start in range(first, edges, batch):
        part = frame.iloc[start : start + batch]
        live.describe(part)
        live.remember(part)
        if start == first:
            began = time.process_time()
    took = time.process_time() - began
    live_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"stream: {(edges - first - batch) / took:,.0f} edges/s in batches of {batch:,}, {live.edges:,} kept"
    )
    print(f"peak {live_mb:,.0f} MiB, of which {before:,.0f} before (the table itself and imports)")
    began = time.process_time()
    add_relations(frame, "time", GRAPH)
    took = time.process_time() - began
    whole_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"table: {edges / took:,.0f} edges/s ({edges:,} edges of {entities:,} entities), "
        f"peak {whole_mb:,.0f} MiB"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed, fewer accounts, two detectors")
    parser.add_argument("--level", choices=["easy", "medium", "hard"], default="medium")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    parser.add_argument("--detectors", default=",".join(DETECTORS))
    parser.add_argument("--speed", action="store_true", help="measure speed and memory instead")
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--entities", type=int, default=1_000_000)
    options = parser.parse_args()
    if options.speed:
        measure_speed(options.edges, options.entities)
        return
    detectors = options.detectors.split(",")
    seeds, accounts, days = range(options.first, options.first + options.seeds), 1000, 120
    if options.quick:
        detectors, seeds, accounts, days = (
            ["iforest", "hbos"],
            range(options.first, options.first + 1),
            400,
            100,
        )
    parts = [compare(seed, options.level, detectors, days, accounts) for seed in seeds]
    results = pd.concat(parts, ignore_index=True)
    print(f"level {options.level}, {len(parts)} seeds, {days} days, {accounts} accounts; share of each kind:")
    print(results.groupby("scheme", sort=False)["share"].mean().map("{:.2%}".format).to_string(), "\n")
    print_comparison(results)


if __name__ == "__main__":
    main()
