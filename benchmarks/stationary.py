"""False verdicts a year on streams in which nothing changes, and which shifts are found.

    python -m benchmarks.stationary --years 3                 # half an hour on an idle core
    python -m benchmarks.stationary --correlation 48 --every 1 --reference 365 --shift 0 1 2
    python -m benchmarks.stationary --quick                   # ends in exit code 1 beyond its bound

A machine writes three numbers every ten minutes; each wanders (AR(1)) with a correlation of 0 (none), 6
hours, 2 days or 10 days. A reference is split, fitted and calibrated as a training does; then each day or
week is scored and judged as `monitor` does: drift of the data and of the scores, agreement with a refit
(weekly), bets against exchangeability. Judged are whole years, each of another machine with a reference of
its own.

*Verdicts a year* count windows called drift, by one check or another; *machines* those whose guarantee was
withdrawn at least once. *No verdict*: the share of windows in which the data, or the scores, were not judged,
because the reference is worth too few independent windows. *Found*: machines whose data or scores were called
moved (`drift`, or a column that warns) in any window of the year in which a shift, in deviations, lies on all
columns from its first day on, and the median day of the first such window.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.stats import chi2

from benchmarks.dependent_rows import draw_memory
from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.data.window import Window
from pynomaly.judging.drift.compare_window import compute_window_drift
from pynomaly.judging.drift.observation import Observation
from pynomaly.records.ledger import TrainedBaseline
from pynomaly.steps.monitoring.carried_bets import bet_on_window, select_bets
from pynomaly.steps.monitoring.carried_levels import collect_levels
from pynomaly.steps.monitoring.observe_rows import observe_rows
from pynomaly.steps.training.label_free_checks import probe_version
from pynomaly.steps.training.train_candidates import fit_bundle
from pynomaly.steps.training.training_rows import TrainingRows

START = pd.Timestamp("2026-01-05", tz="UTC")
ROWS_PER_DAY = 144
COLUMNS = ("flow", "load", "heat")
CORRELATIONS = (0.0, 6.0, 48.0, 240.0)  # hours
YEAR = 365


@dataclass(frozen=True)
class Machine:
    """A stream: hours of correlation, days of its reference, days of a window, shift, and its detector."""

    correlation: float
    reference: int = 56
    every: int = 1
    days: int = YEAR
    shift: float = 0.0
    season: float = 0.0
    detector: str = "gmm"
    seed: int = 0

    def draw(self) -> pd.DataFrame:
        rng = np.random.default_rng([self.seed, round(self.correlation)])
        rows = (self.reference + self.days) * ROWS_PER_DAY
        if self.correlation:
            values = draw_memory(rng, rows, self.correlation * ROWS_PER_DAY / 24, len(COLUMNS))
        else:
            values = rng.normal(size=(rows, len(COLUMNS)))
        hours = np.arange(rows) * 24 / ROWS_PER_DAY
        values += (self.season * (np.sin(2 * np.pi * hours / 24) - (hours // 24 % 7 >= 5)))[:, None]
        values[self.reference * ROWS_PER_DAY :] += self.shift
        frame = pd.DataFrame(values, columns=list(COLUMNS))
        frame.insert(0, "time", START + pd.to_timedelta(hours, unit="h"))
        return frame

    def pipeline(self) -> config.Pipeline:
        return config.Pipeline.model_validate(
            {
                "name": "stationary",
                "data": {"source": "csv", "path": "rows.csv", "time": "time"},
                "windows": {"reference": f"{self.reference}d", "monitor": f"{self.every}d"},
                "training": {"candidates": [self.detector]},
            }
        )


@dataclass
class Verdicts:
    """Counts over the windows of machines."""

    machines: int = 0
    windows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    first: list[float] = field(default_factory=list)

    def add(self, other: Verdicts) -> None:
        self.machines += other.machines
        self.windows += other.windows
        self.counts += other.counts
        self.first += other.first

    def count_a_year(self, what: str, every: int) -> float:
        return self.counts[what] / self.windows * YEAR / every


def judge_machine(machine: Machine) -> Verdicts:
    """Train on the reference of a machine, then judge each of its windows."""
    pipeline, frame = machine.pipeline(), machine.draw()
    contract = FrameContract.infer(frame, pipeline.data)
    size = machine.reference * ROWS_PER_DAY
    rows, _ = TrainingRows.split(pipeline, contract, frame[:size])
    bundle = fit_bundle(pipeline, rows, pipeline.training.candidates[0], {})
    baseline = TrainedBaseline(probe=probe_version(pipeline, bundle, rows.fit, rows.calibration).to_dict())
    verdicts, earlier, named = Verdicts(1), list[Observation](), list[float]()
    bets = np.empty(0)
    for number in range(machine.days // machine.every):
        start = START + pd.Timedelta(days=machine.reference + number * machine.every)
        window = Window(start.to_pydatetime(), (start + pd.Timedelta(days=machine.every)).to_pydatetime())
        at = size + number * machine.every * ROWS_PER_DAY
        part = frame[at : at + machine.every * ROWS_PER_DAY]
        scored = bundle.score(part)
        levels = collect_levels(earlier, window)
        drift = compute_window_drift(bundle.sketch, contract, part, pipeline.drift, scored["score"], levels)
        bets = select_bets(pipeline, bundle, part, scored["score"].to_numpy())
        judged, _ = observe_rows(pipeline, bundle, window, (part, scored), drift, earlier, baseline)
        earlier.append(replace(judged, bets=tuple(bets.tolist())))
        verdicts.windows += 1
        statuses = {"data": judged.data, "score": judged.score, "agreement": judged.agreement_status}
        for what, status in statuses.items():
            verdicts.counts[what] += status == "drift"
            verdicts.counts[f"{what} withheld"] += status == "insufficient_data"
        verdicts.counts["any"] += "drift" in statuses.values()
        if drift.drifted or "warning" in (judged.data, judged.score) or "drift" in statuses.values():
            verdicts.counts["named"] += 1
            named.append((number + 1.0) * machine.every)
    # The largest stake so far counts, so the last window has seen every withdrawal.
    alpha = pipeline.account.split_alpha()["exchangeability"]
    withdrawn = bet_on_window(pipeline, bundle, bets, earlier[:-1], alpha).state == "withdrawn"
    verdicts.counts["withdrawn"] = int(withdrawn)
    verdicts.first = named[:1]
    return verdicts


def judge_machines(machine: Machine, years: int) -> Verdicts:
    """Judge so many machines that differ by their seed, a year each."""
    verdicts = Verdicts()
    for number in range(years):
        verdicts.add(judge_machine(replace(machine, seed=machine.seed + number)))
    return verdicts


def describe_row(machine: Machine, verdicts: Verdicts) -> str:
    """Return one row of the table."""
    every = "day" if machine.every == 1 else f"{machine.every} days"
    rates = [f"{verdicts.count_a_year(what, machine.every):.2f}" for what in ("data", "score", "agreement")]
    named = f"{verdicts.count_a_year('named', machine.every):.2f}"
    high = (
        float(chi2.ppf(0.975, 2 * verdicts.counts["any"] + 2)) / 2 / verdicts.windows * YEAR / machine.every
    )
    worst = f"{verdicts.count_a_year('any', machine.every):.2f} ({high:.2f})"
    withheld = [f"{verdicts.counts[f'{what} withheld'] / verdicts.windows:.0%}" for what in ("data", "score")]
    found = f"{len(verdicts.first)} of {verdicts.machines}"
    if verdicts.first:
        found += f", day {np.median(verdicts.first):.0f}"
    cells = [
        f"{machine.correlation:g} h",
        f"{machine.reference} d",
        every,
        f"{machine.shift:g}",
        *rates,
        worst,
    ]
    cells += [named, f"{verdicts.counts['withdrawn']} of {verdicts.machines}", "/".join(withheld), found]
    return f"| {' | '.join(cells)} |"


HEADER = """\
| correlation | reference | a check each | shift | data | score | agreement | any (at most) | named \
| withdrawn | no verdict: data/score | found |
|---|---|---|---|---|---|---|---|---|---|---|---|"""

QUICK = (Machine(6.0, 56, 7, 91, seed=900), Machine(48.0, 56, 7, 182, seed=910))
QUICK_SHIFT = Machine(6.0, 112, 7, 49, shift=1.0, seed=920)
QUICK_BOUND = 1
"""Verdicts in 39 weekly checks; before, 46 of 208 such checks at a correlation of two days were false."""


def check_quickly() -> tuple[int, int]:
    """Return the false verdicts of a few machines with weekly checks, and whether a shift is found."""
    false = 0
    for machine in QUICK:
        verdicts = judge_machines(machine, 1)
        print(describe_row(machine, verdicts), flush=True)
        false += verdicts.counts["any"] + verdicts.counts["withdrawn"]
    shifted = judge_machines(QUICK_SHIFT, 1)
    print(describe_row(QUICK_SHIFT, shifted), flush=True)
    return false, len(shifted.first)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--correlation", type=float, nargs="*", default=list(CORRELATIONS), help="hours")
    parser.add_argument("--every", type=int, nargs="*", default=[1, 7], help="days of a window")
    parser.add_argument("--reference", type=int, nargs="*", default=[56, 365], help="days")
    parser.add_argument("--shift", type=float, nargs="*", default=[0.0], help="deviations of every column")
    parser.add_argument("--season", type=float, default=0.0, help="amplitude of a daily and weekly cycle")
    parser.add_argument("--years", type=int, default=3, help="machines a row, a year each")
    parser.add_argument("--detector", default="gmm")
    parser.add_argument("--seed", type=int, default=5000)
    parser.add_argument("--quick", action="store_true", help="a few machines, and a bound")
    options = parser.parse_args(arguments)
    print(HEADER)
    if options.quick:
        false, found = check_quickly()
        sys.exit(false > QUICK_BOUND or not found)
    grid = itertools.product(options.reference, options.correlation, options.every, options.shift)
    for reference, correlation, every, shift in grid:
        machine = Machine(
            correlation,
            reference,
            every,
            shift=shift,
            season=options.season,
            detector=options.detector,
            seed=options.seed,
        )
        print(describe_row(machine, judge_machines(machine, options.years)), flush=True)


if __name__ == "__main__":
    main()
