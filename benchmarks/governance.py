"""Does the pipeline decide well? Whole lives of machines, replayed under several policies.

    python -m benchmarks.governance [--lives 20] [--seed 5000] [--only regime] [--out FILE --resume] [--quick]

Each life is half a year of one machine or of a fleet: an hourly row with a season, noise that depends on the
hours before, and incidents of hours, two a week. It is replayed through the production path
(:mod:`pynomaly.steps.replay.replay`) under every policy, on the same rows: *never* retrains; *weekly* and
*drift* promote each refit, *higher* what has a higher metric on the held-out rows, as templates of pipelines
do; *ours* is what the pipeline's own settings decide. What a life lives through:

- *steady*: nothing changes. *regime*: in week 8 the levels move for good. *drifting*: they move all the time.
- *late labels*: as regime, labels after 14 days. *no labels*: as regime, none. *fleet*: as regime, four
  machines with their own levels.
- *bad weeks*: for three weeks a sensor stands off, unlabelled: a refit learns that as normal.
- *contaminated*: one in twelve rows of the first reference is anomalous, unlabelled.

*AP*: mean average precision of the judged weeks; *against the best*: difference to the best other policy of
the scenario, paired by life. *Days worse*: days a year in weeks in which it is more than .1 below the best
policy of that week. *False*: promotions a year of a model that afterwards ranked more than .02 worse than
what it replaced would have on the same rows, or no better where nothing had changed yet. A replay bakes
nothing, so no promotion is rolled back: a false one is what a bake would have to find. Means over lives with
a bootstrap interval; false promotions with the exact one of their number (Poisson).

``--out`` keeps a line of JSON a life, and ``--resume`` goes on with those that are not in it; the table is of
all lives in the file (``--lives 0 --resume`` prints it alone).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.calibration import render_table
from benchmarks.dependent_rows import draw_memory
from benchmarks.lives import Life, PolicyLife, read_lives, write_life
from pynomaly.config import Pipeline, parse_pipeline
from pynomaly.steps.replay.replay import replay

START = pd.Timestamp("2026-01-05T00:00:00Z")
REFERENCE, WALK, CHANGE = 8, 26, 8  # weeks: of the reference, after it, and of these before the change
COLUMNS = ("a", "b", "c", "d")
POLICIES = ("never", "weekly", "drift", "higher", "ours")
MEMORY = 4.5  # hours
WORSE = 0.1
LEAST_LOSS = 0.05  # of average precision that counts
LEAST_GAIN = 0.05  # of average precision that ours makes of a change for good
DAYS, YEAR = 365.0, 52.0  # and weeks of a year


@dataclass(frozen=True)
class Scenario:
    """What a life lives through; `change` is the shift of the levels, in deviations."""

    name: str
    change: float = 0.0
    gradual: bool = False
    entities: int = 1
    labels: bool = True
    label_delay: str = "1d"
    bad_weeks: int = 0
    contaminated: float = 0.0

    @property
    def still_weeks(self) -> int:
        """Weeks from the first training on in which nothing has changed yet."""
        return CHANGE if self.change or self.bad_weeks else WALK


SCENARIOS = (
    Scenario("steady"),
    Scenario("regime", change=3.0),
    Scenario("drifting", change=3.0, gradual=True),
    Scenario("late labels", change=3.0, label_delay="14d"),
    Scenario("no labels", change=3.0, labels=False),
    Scenario("fleet", change=3.0, entities=4),
    Scenario("bad weeks", bad_weeks=3),
    Scenario("contaminated", contaminated=1 / 12),
)
QUICK = ("steady", "regime")
QUICK_POLICIES = ("never", "ours")


def draw_life(scenario: Scenario, rng: np.random.Generator) -> pd.DataFrame:
    """Return the table of a life; the column of labels knows only a part of the truth."""
    frames = []
    hours = (REFERENCE + WALK) * 168
    time_of_row = pd.date_range(START, periods=hours, freq="h")
    moved = np.zeros(hours)
    border = (REFERENCE + CHANGE) * 168
    moved[border:] = np.linspace(0, 1, hours - border) if scenario.gradual else 1.0
    for entity in range(scenario.entities):
        phase, direction = rng.uniform(0, 24, 4), rng.normal(size=4)
        mixing = rng.normal(size=(2, 4))
        cells = draw_memory(rng, hours, MEMORY, 2) @ mixing + 0.5 * rng.normal(size=(hours, 4))
        cells += np.sin(2 * np.pi * (np.arange(hours)[:, None] - phase) / 24)
        cells += scenario.change * moved[:, None] * direction / np.abs(direction).max() + 5.0 * entity
        truth, known = np.zeros(hours, dtype=np.int64), np.ones(hours, dtype=bool)
        for start in np.flatnonzero(rng.random(hours) < 2 / 168).tolist():
            length, column = int(rng.integers(3, 13)), int(rng.integers(4))
            _add_incident(cells, truth, start, length, column, rng)
        if scenario.contaminated:
            for start in np.flatnonzero(rng.random(REFERENCE * 168) < scenario.contaminated / 6).tolist():
                known[start : start + 6] = False
                _add_incident(cells, truth, start, 6, int(rng.integers(4)), rng)
        if scenario.bad_weeks:
            first = border + int(rng.integers(4, 8)) * 168
            span = slice(first, first + scenario.bad_weeks * 168)
            cells[span, 0] += 4.0
            truth[span], known[span] = 1, False
        labels = np.where(known & scenario.labels, truth, np.nan)
        table = pd.DataFrame(cells, columns=list(COLUMNS))
        frames.append(table.assign(time=time_of_row, machine=f"m{entity}", fault=labels, truth=truth))
    return pd.concat(frames, ignore_index=True)


def _add_incident(
    cells: np.ndarray[Any, Any], truth: np.ndarray[Any, Any], start: int, length: int, column: int, rng: Any
) -> None:
    cells[start : start + length, column] += rng.choice([-1, 1]) * rng.uniform(2.0, 5.0)
    truth[start : start + length] = 1


def make_pipeline(scenario: Scenario, table: Path) -> Pipeline:
    """Return the pipeline of a life: the defaults, weekly verdicts, one detector, for related columns.

    Known anomalies judge and teach nothing: that doubles the cost of a life, and changed no score here.
    """
    data = {
        "source": "parquet", "path": str(table), "time": "time", "id": "machine", "ignore": ["truth"],
        "label": "fault", "label_delay": scenario.label_delay,
    }  # fmt: skip
    content: dict[str, Any] = {
        "name": "life",
        "data": data,
        "features": {"calendar": True},
        "windows": {"score": "1d", "monitor": "7d", "reference": f"{REFERENCE * 7}d"},
        "training": {"candidates": ["mahalanobis"], "known_anomalies": "leave_out"},
    }
    if scenario.entities > 1:
        content["features"]["entities"] = "own"
    return parse_pipeline(content, origin=table)


def live(scenario: Scenario, seed: int, policies: Sequence[str] = POLICIES) -> Life:
    """Replay one life under each of `policies`."""
    rng = np.random.default_rng([seed, SCENARIOS.index(scenario)])
    table = draw_life(scenario, rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "life.parquet"
        table.to_parquet(path, index=False)
        pipeline = make_pipeline(scenario, path)
        first = (START + pd.Timedelta(weeks=REFERENCE)).to_pydatetime()
        end = (START + pd.Timedelta(weeks=REFERENCE + WALK)).to_pydatetime()
        report = replay(pipeline, first, end, policies, truth="truth")
    change = (START + pd.Timedelta(weeks=REFERENCE + scenario.still_weeks)).isoformat()
    return {policy: PolicyLife.of(figures, change) for policy, figures in report["policies"].items()}


def run_lives(
    scenarios: Sequence[Scenario], seeds: Iterable[int], path: Path | None, resume: bool
) -> dict[tuple[str, int], Life]:
    """Replay lives, every scenario of a seed before the next seed, and keep each as soon as it is over."""
    lives = read_lives(path) if path and resume and path.exists() else {}
    if path:
        whole = path.with_name(f"{path.name}.whole")  # without a line that a kill cut short
        whole.write_text("")
        for (name, seed), life in lives.items():
            write_life(whole, name, seed, life)
        whole.replace(path)
    for seed in seeds:
        for scenario in scenarios:
            if (scenario.name, seed) in lives:
                continue
            began = time.perf_counter()
            lives[scenario.name, seed] = live(scenario, seed)
            if path:
                write_life(path, scenario.name, seed, lives[scenario.name, seed])
            seconds = time.perf_counter() - began
            print(f"{scenario.name}, seed {seed}: {seconds:.0f} s", file=sys.stderr, flush=True)
    return lives


def summarize(scenario: Scenario, lives: Sequence[Life]) -> list[list[str]]:
    """Return a row a policy."""
    weekly = {
        policy: np.array([life[policy].weekly for life in lives], dtype=np.float64) for policy in lives[0]
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a week that no policy could be judged in
        means = {policy: np.nanmean(values, axis=1) for policy, values in weekly.items()}
        best_of_week = np.nanmax(np.stack(list(weekly.values())), axis=0)
    rows = []
    for policy in lives[0]:
        own = [life[policy] for life in lives]
        others = {name: values for name, values in means.items() if name != policy}
        best = max(others, key=lambda name: float(others[name].mean()))
        worse = np.nanmean(
            np.where(np.isnan(weekly[policy]), np.nan, weekly[policy] < best_of_week - WORSE), axis=1
        )
        a_year = YEAR / WALK
        rows.append(
            [
                scenario.name,
                policy,
                _spell_mean(means[policy], 3),
                f"{_spell_mean(means[policy] - others[best], 3)} ({best})",
                _spell_mean(DAYS * worse, 0),
                _spell_mean([life.alerts for life in own], 1),
                _spell_mean([100 * life.caught for life in own], 0),
                _spell_mean([a_year * life.trainings for life in own], 1),
                _spell_mean([a_year * life.promotions for life in own], 1),
                _spell_mean([a_year * life.recalibrations for life in own], 1),
                _spell_rate(sum(life.false for life in own), len(own) / a_year),
            ]
        )
    return rows


def _spell_mean(values: Any, digits: int) -> str:
    """Return a mean over lives with its bootstrap interval."""
    numbers, rng = np.asarray(values, dtype=np.float64), np.random.default_rng(1)
    drawn = rng.choice(numbers, (2000, len(numbers))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{numbers.mean():.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _spell_rate(count: int, years: float) -> str:
    """Return events a year with the exact interval of their number."""
    low, high = (
        stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0,
        stats.chi2.ppf(0.975, 2 * count + 2) / 2,
    )
    return f"{count / years:.2f} ({low / years:.2f} to {high / years:.2f})"


HEADER = (
    "scenario", "policy", "AP", "against the best other", "days worse a year", "alerts a day", "caught, %",
    "trainings a year", "promotions", "recalibrations", "false promotions a year",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Print one table; with ``--quick``, a life each of two scenarios, fail where a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=20)
    parser.add_argument("--seed", type=int, default=5000)
    parser.add_argument("--only", default="", help="scenarios with commas between")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--resume", action="store_true", help="go on with the lives that --out has not")
    options = parser.parse_args(arguments)
    if options.quick:
        return check_quickly(options.seed)
    names = tuple(filter(None, options.only.split(",")))
    scenarios = [scenario for scenario in SCENARIOS if not names or scenario.name in names]
    seeds = range(options.seed, options.seed + options.lives)
    lives = run_lives(scenarios, seeds, options.out, options.resume)
    table: list[list[str]] = []
    for scenario in SCENARIOS:
        own = [life for (name, _), life in lives.items() if name == scenario.name]
        if own:
            table += summarize(scenario, own)
            for line in find_broken_bounds(scenario, own):
                print(f"broken: {line}", file=sys.stderr)
            print(f"{scenario.name}: {len(own)} lives", file=sys.stderr)
    print(render_table(list(HEADER), table))
    return 0


def check_quickly(seed: int) -> int:
    """Replay one life of each quick scenario under the quick policies; 1 if a bound is broken, else 0."""
    broken = []
    for scenario in SCENARIOS:
        if scenario.name in QUICK:
            broken += find_broken_bounds(scenario, [live(scenario, seed, QUICK_POLICIES)])
    print("\n".join(broken) or "every bound holds")
    return int(bool(broken))


def find_broken_bounds(scenario: Scenario, lives: Sequence[Life]) -> list[str]:
    """Return where ours ranks worse than never retraining, misses a change, or promotes what is worse."""
    weekly = {
        policy: np.array([life[policy].weekly for life in lives], dtype=np.float64)
        for policy in ("never", "ours")
    }
    lost = float(np.nanmean(weekly["never"]) - np.nanmean(weekly["ours"]))
    broken = [f"{scenario.name}: ours is {lost:.3f} below never"] if lost > LEAST_LOSS else []
    if scenario.change and not scenario.gradual and scenario.label_delay == "1d" and -lost < LEAST_GAIN:
        broken.append(f"{scenario.name}: ours is {-lost:.3f} above never, {LEAST_GAIN:g} is expected")
    if false := sum(life["ours"].false for life in lives):
        broken.append(f"{scenario.name}: {false} false promotions in {len(lives)} lives")
    return broken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
