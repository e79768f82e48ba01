"""Measures how often a bake takes a promotion back: of versions as good as the one before, and of bad ones.

    python -m benchmarks.bake [--draws 100] [--seed 1000] [--out FILE]

Rows are autoregressive series of one machine or of a fleet, stationary but for what a row of the table says.
Both versions are fitted through the production path on references a week apart; each window is judged by the
functions of production, the registry and the latency left out, until the bake is over. *same*: the same
version twice; *equal*: two fits of one detector; *wider*: the same, and from the promotion on everything
varies by a quarter more; *flood*: the new version was fitted on rows that vary half as much; *blind*: it
says the same of every row. A share stands with its exact binomial interval (Clopper, Pearson, 95 %).
*windows*: mean number of windows until it was taken back, or had passed; *open*: still baking after a month.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from benchmarks.calibration import render_table
from benchmarks.shares import format_share
from pynomaly.config import Pipeline, parse_pipeline
from pynomaly.data.frame import FrameContract
from pynomaly.judging.account.block_bets import UnitBets
from pynomaly.judging.drift.bake_verdict import judge_bake
from pynomaly.judging.drift.paired_blocks import PairedBlocks
from pynomaly.model.bundle import Bundle
from pynomaly.model.window_alerts import expect_alerts_of
from pynomaly.records.ledger import TrainedBaseline
from pynomaly.steps.promotion.paired_versions import bet_on_versions, observe_version, pair_versions
from pynomaly.steps.training.splits import split_reference

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2026-01-05T00:00:00Z")
REFERENCE, LATER, MOST = 28, 7, 28  # days: of a reference, between two of them, and of windows
COLUMNS = ("a", "b", "c", "d")
KINDS = ("same", "equal", "wider", "flood", "blind")


@dataclass(frozen=True)
class Rows:
    """How rows come: entities, hours between two rows, autocorrelation time in hours, days of a window."""

    name: str
    entities: int
    step: float
    hours: float
    window: int = 1
    shared: bool = False


ROWS = (
    Rows("one machine, independent", 1, 1 / 6, 0.0),
    Rows("one machine, 6 h", 1, 1 / 6, 6.0),
    Rows("one machine, 2 d, weekly", 1, 0.5, 48.0, 7),
    Rows("fleet of 8, 6 h", 8, 1.0, 6.0),
    Rows("fleet of 8 in one hall, 6 h", 8, 1.0, 6.0, shared=True),
)


@dataclass
class BakeCounts:
    """Bakes of one kind, how many were taken back or still open, and the windows that each took."""

    draws: int = 0
    taken_back: int = 0
    open: int = 0
    windows: list[int] = field(default_factory=list)


def draw_rows(rows: Rows, days: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return a stationary frame of so many days, sorted by time."""
    steps = round(days * 24 / rows.step)
    keep = np.exp(-rows.step / rows.hours) if rows.hours else 0.0
    noise = rng.normal(size=(steps + 500, rows.entities, len(COLUMNS)))
    if rows.shared:
        noise = np.sqrt(0.5) * noise + np.sqrt(0.5) * rng.normal(size=(steps + 500, 1, len(COLUMNS)))
    values = lfilter([np.sqrt(1 - keep**2)], [1.0, -keep], noise, axis=0)[500:]
    frame = pd.DataFrame(values.reshape(-1, len(COLUMNS)), columns=list(COLUMNS))
    moments = START + pd.to_timedelta(np.repeat(np.arange(steps) * rows.step, rows.entities), unit="h")
    frame.insert(0, "time", moments)
    frame.insert(1, "machine", np.tile([f"m{number}" for number in range(rows.entities)], steps))
    return frame


def make_pipeline(policy: str) -> Pipeline:
    """Return the settings of every measurement."""
    content: dict[str, Any] = {
        "name": "machines",
        "data": {"source": "csv", "path": "rows.csv", "time": "time", "id": "machine"},
        "training": {"candidates": ["hbos"]},
        "alerts": {"policy": policy},
    }
    return parse_pipeline(content, origin=Path("machines.yaml"))


def fit_version(pipeline: Pipeline, frame: pd.DataFrame, seed: int) -> tuple[Bundle, TrainedBaseline]:
    """Fit as a training does; returns the bundle, and what it expects."""
    training = pipeline.training.model_copy(update={"seed": seed})
    pipeline = pipeline.model_copy(update={"training": training})
    contract = FrameContract.infer(frame, pipeline.data)
    parts = split_reference(pipeline, contract, frame)
    fit, calibration, held_out = (
        part.reset_index(drop=True) for part in (parts.fit, parts.calibration, parts.held_out)
    )
    bundle = Bundle.fit(
        fit,
        calibration,
        pipeline,
        pipeline.training.candidates[0],
        contract,
        facts={},
        dependence=parts.dependence,
    )
    expected = expect_alerts_of(bundle, bundle.score(held_out))
    return bundle, TrainedBaseline(expected_alert_rate=expected.rate, expected_rate_high=expected.high)


def bake_once(rows: Rows, kind: str, policy: str, seed: int) -> tuple[str, int]:
    """Promote one version over another and watch it; returns how the bake ended, and its windows."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    pipeline = make_pipeline(policy)
    frame = draw_rows(rows, REFERENCE + LATER + MOST, rng)
    day = (frame["time"] - START) // DAY
    promoted = REFERENCE + LATER
    past, recent = (
        frame[(day >= first) & (day < first + REFERENCE)].reset_index(drop=True) for first in (0, LATER)
    )
    columns = list(COLUMNS)
    if kind == "flood":
        recent[columns] *= 0.5
    if kind == "wider":
        frame.loc[day >= promoted, columns] *= 1.25
    old = fit_version(pipeline, past, 1)
    new = old if kind == "same" else fit_version(pipeline, recent, 2)
    carried, passed, bets = PairedBlocks(), 0, UnitBets()
    for number in range(MOST // rows.window):
        first = promoted + number * rows.window
        window = frame[(day >= first) & (day < first + rows.window)].reset_index(drop=True)
        tables = [bundle.score(window) for bundle, _ in (new, old)]
        if kind == "blind":
            row = tables[0].iloc[0]
            tables[0] = tables[0].assign(**{name: row[name] for name in ("score", "p_value", "is_anomaly")})
        edges = (START + first * DAY, START + (first + rows.window) * DAY)
        results = [
            observe_version(pipeline, version, model[0], "window", window, table, model[1])
            for version, model, table in ((2, new, tables[0]), (1, old, tables[1]))
        ]
        carried += pair_versions(new[0], old[0], window, (tables[0], tables[1]), edges)
        rates = (results[0].expected_rate, results[1].expected_rate)
        bundles, pair = (new[0], old[0]), (tables[0], tables[1])
        bets = bet_on_versions(pipeline, bundles, window, pair, rates, bets)
        alpha = pipeline.account.split_alpha()["bake"]
        verdict = judge_bake(*results, carried, pipeline, alpha, bets.stake.largest)
        if verdict.outcome == "breach":
            return "breach", number + 1
        passed += verdict.outcome == "ok"
        if passed == pipeline.promotion.bake:
            return "ok", number + 1
    return "open", MOST // rows.window


def measure(rows: Rows, kind: str, policy: str, draws: int, seed: int) -> BakeCounts:
    """Bake so many promotions, each on rows of its own."""
    counts = BakeCounts()
    for draw in range(draws):
        outcome, windows = bake_once(rows, kind, policy, seed + draw)
        counts = replace(
            counts,
            draws=counts.draws + 1,
            taken_back=counts.taken_back + (outcome == "breach"),
            open=counts.open + (outcome == "open"),
            windows=[*counts.windows, windows],
        )
    return counts


def main() -> None:
    """Print a table; a row for each kind of rows and policy."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--policies", default="quantile,fdr")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    lines = []
    for rows in ROWS:
        for policy in asked.policies.split(","):
            for kind in asked.kinds.split(","):
                counts = measure(rows, kind, policy, asked.draws, asked.seed)
                share = format_share(counts.taken_back, counts.draws)
                mean = f"{np.mean(counts.windows):.1f}"
                lines.append([rows.name, policy, kind, share, mean, f"{counts.open} of {counts.draws}"])
                print(*lines[-1], sep=" | ", file=sys.stderr, flush=True)
    text = render_table(["rows", "policy", "versions", "taken back, %", "windows", "open"], lines)
    if asked.out:
        asked.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
