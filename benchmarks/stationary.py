"""False verdicts a year on streams in which nothing changes, and which shifts are found.

    python -m benchmarks.stationary                       # every row of the tables: about half an hour
    python -m benchmarks.stationary --correlation 48 --every 1 --years 4
    python -m benchmarks.stationary --quick               # seconds, with a bound that ends in exit code 1

A machine writes three numbers every ten minutes; each wanders (AR(1)) with a correlation of 0 (none), 6
hours, 2 days or 10 days. A reference is split, fitted and calibrated as a training does; then each day or
week is scored and judged as `monitor` does: drift of the data and of the scores, agreement with a refit,
bets against exchangeability. Judged are whole years of many machines, each with a reference of its own.
`verdict` counts windows called drift (of exchangeability: machines whose guarantee was withdrawn), `named`
those in which some column warned at least; a year has 365 daily or 52 weekly checks. Shifts, in deviations,
are of all columns from the first window on.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from benchmarks.dependent_rows import draw_memory
from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.data.window import Window
from pynomaly.judging.drift.compare_window import compute_window_drift
from pynomaly.judging.drift.observation import Observation
from pynomaly.records.ledger import TrainedBaseline
from pynomaly.steps.monitoring.carried_bets import bet_on_window, select_bets
from pynomaly.steps.monitoring.monitor_window import build_observation, check_without_labels
from pynomaly.steps.training.label_free_checks import probe_model
from pynomaly.steps.training.train_candidates import fit_bundle
from pynomaly.steps.training.training_rows import TrainingRows

START = pd.Timestamp("2026-01-05", tz="UTC")
ROWS_PER_DAY = 144
COLUMNS = ("flow", "load", "heat")
CORRELATIONS = (0.0, 6.0, 48.0, 240.0)  # hours
SHIFTS = (0.25, 0.5, 1.0, 2.0)
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
    """Counts over the windows of a machine."""

    windows: int = 0
    checks: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)

    def add(self, what: str) -> None:
        self.counts[what] += 1
        self.first.setdefault(what, self.windows)


def judge_machine(machine: Machine) -> Verdicts:
    """Train on the reference of a machine, then judge each of its windows."""
    pipeline, frame = machine.pipeline(), machine.draw()
    contract = FrameContract.infer(frame, pipeline.data)
    size = machine.reference * ROWS_PER_DAY
    rows, _ = TrainingRows.split(pipeline, contract, frame[:size])
    bundle = fit_bundle(pipeline, rows, pipeline.training.candidates[0], {})
    baseline = TrainedBaseline(probe=probe_model(pipeline, bundle, rows.calibration).to_dict())
    verdicts, earlier, carried = Verdicts(), list[Observation](), list[Mapping[str, float]]()
    for number in range(machine.days // machine.every):
        start = START + pd.Timedelta(days=machine.reference + number * machine.every)
        window = Window(start.to_pydatetime(), (start + pd.Timedelta(days=machine.every)).to_pydatetime())
        at = size + number * machine.every * ROWS_PER_DAY
        part = frame[at : at + machine.every * ROWS_PER_DAY]
        scored = bundle.score(part)
        drift = compute_window_drift(bundle.sketch, contract, part, pipeline.drift, scored["score"], carried)
        carried.append(drift.levels)
        bets = select_bets(pipeline, bundle, part, scored["score"].to_numpy())
        checked = check_without_labels(pipeline, bundle, window, part, earlier, baseline)
        seen = build_observation(pipeline, bundle, window.key, part, scored, drift, baseline, checked)
        earlier.append(replace(seen, bets=tuple(bets.tolist())))
        newest = bets
        verdicts.windows += 1
        verdicts.checks += seen.agreement_status != "not_due"
        for what, status in (
            ("data", seen.data),
            ("score", seen.score),
            ("agreement", seen.agreement_status),
        ):
            if status == "drift":
                verdicts.add(what)
            if status in ("insufficient_data", "not_computable"):
                verdicts.add(f"{what} withheld")
        if drift.drifted or (drift.joint and drift.joint.drifted):
            verdicts.add("named")
    # The largest stake so far counts, so the last window has seen every withdrawal.
    alpha = pipeline.account.find_alpha("exchangeability")
    if bet_on_window(pipeline, bundle, newest, earlier[:-1], alpha).state == "withdrawn":
        verdicts.add("exchangeability")
    return verdicts


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--correlation", type=float, nargs="*", default=list(CORRELATIONS))
    parser.add_argument("--every", type=int, nargs="*", default=[1, 7])
    parser.add_argument("--reference", type=int, default=56)
    parser.add_argument("--years", type=int, default=4)
    parser.add_argument("--shift", type=float, default=0.0)
    parser.add_argument("--season", type=float, default=0.0)
    parser.add_argument("--detector", default="gmm")
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    for c in o.correlation:
        for e in o.every:
            total = Counter()
            w = k = 0
            for y in range(o.years):
                v = judge_machine(
                    Machine(
                        c,
                        o.reference,
                        e,
                        shift=o.shift,
                        season=o.season,
                        detector=o.detector,
                        seed=o.seed + y,
                    )
                )
                total += v.counts
                w += v.windows
                k += v.checks
            print(c, e, o.shift, w, k, dict(total), flush=True)


if __name__ == "__main__":
    main()
