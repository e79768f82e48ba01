"""Does the pipeline decide well? Whole lives of machines, replayed under several policies.

    python -m benchmarks.governance [--lives 20] [--seed 5000] [--only regime] [--quick] [--out FILE]

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

*AP*: mean average precision of the judged weeks, with a bootstrap interval over lives; *against the best*:
difference to the best other policy of the scenario, paired by life. *worse*: share of weeks in which it is
more than .1 below the best policy of that week. *idle*: promotions a year where nothing had changed (steady,
contaminated), or before the change or the bad weeks: none of them was needed. Nothing is chosen by the seeds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.calibration import render_table
from benchmarks.dependent_rows import draw_memory
from pynomaly.config import Pipeline, parse_pipeline
from pynomaly.steps.replay.replay import replay

START = pd.Timestamp("2026-01-05T00:00:00Z")
REFERENCE, WALK, CHANGE = 8, 26, 8  # weeks: of the reference, after it, and of these before the change
COLUMNS = ("a", "b", "c", "d")
POLICIES = ("never", "weekly", "drift", "higher", "ours")
MEMORY = 4.5  # hours
WORSE = 0.1
LEAST_LOSS = 0.05  # of average precision that counts
YEAR = 52.0


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


@dataclass
class PolicyLives:
    """The figures of a policy, one entry a life; `weekly` is average precision by week, NaN if not judged."""

    weekly: list[np.ndarray[Any, Any]] = field(default_factory=list)
    alerts: list[float] = field(default_factory=list)
    caught: list[float] = field(default_factory=list)
    trainings: list[int] = field(default_factory=list)
    promotions: list[int] = field(default_factory=list)
    idle: list[int] = field(default_factory=list)


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
        for start in np.flatnonzero(rng.random(hours) < 2 / 168):
            length, column = int(rng.integers(3, 13)), int(rng.integers(4))
            _add_incident(cells, truth, start, length, column, rng)
        if scenario.contaminated:
            for start in np.flatnonzero(rng.random(REFERENCE * 168) < scenario.contaminated / 6):
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


def live(scenario: Scenario, seed: int, results: dict[str, PolicyLives]) -> None:
    """Replay one life under every policy, and add its figures."""
    rng = np.random.default_rng([seed, SCENARIOS.index(scenario)])
    table = draw_life(scenario, rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "life.parquet"
        table.to_parquet(path, index=False)
        pipeline = make_pipeline(scenario, path)
        first = (START + pd.Timedelta(weeks=REFERENCE)).to_pydatetime()
        end = (START + pd.Timedelta(weeks=REFERENCE + WALK)).to_pydatetime()
        report = replay(pipeline, first, end, POLICIES, truth="truth")
    change = (START + pd.Timedelta(weeks=REFERENCE + scenario.still_weeks)).isoformat()
    for policy, figures in report["policies"].items():
        own = results[policy]
        weeks = [row["average_precision"] for row in figures["windows"]]
        own.weekly.append(np.array([np.nan if value is None else value for value in weeks], dtype=float))
        own.alerts.append(figures["alerts_per_day"] or 0.0)
        own.caught.append(figures["caught_share"] or 0.0)
        own.trainings.append(figures["trainings"])
        promoted = figures["promoted_at"][1:]
        own.promotions.append(len(promoted))
        own.idle.append(sum(moment <= change for moment in promoted))


def summarize(scenario: Scenario, results: dict[str, PolicyLives]) -> list[list[str]]:
    """Return a row a policy."""
    weekly = {policy: np.array(own.weekly) for policy, own in results.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a week that no policy could be judged in
        means = {policy: np.nanmean(values, axis=1) for policy, values in weekly.items()}
        best_of_week = np.nanmax(np.stack(list(weekly.values())), axis=0)
    rows = []
    for policy, own in results.items():
        others = {name: values for name, values in means.items() if name != policy}
        best = max(others, key=lambda name: float(others[name].mean()))
        judged = ~np.isnan(weekly[policy])
        worse = float((weekly[policy] < best_of_week - WORSE)[judged].mean())
        rows.append(
            [
                scenario.name,
                policy,
                _spell_mean(means[policy]),
                f"{_spell_mean(means[policy] - others[best])} ({best})",
                f"{100 * worse:.0f} %",
                f"{np.mean(own.alerts):.1f}",
                f"{100 * np.mean(own.caught):.0f} %",
                f"{np.mean(own.trainings) * YEAR / WALK:.1f}",
                f"{np.mean(own.promotions) * YEAR / WALK:.1f}",
                f"{np.mean(own.idle) * YEAR / scenario.still_weeks:.2f}",
            ]
        )
    return rows


def _spell_mean(values: np.ndarray[Any, Any]) -> str:
    """Return a mean over lives with its bootstrap interval."""
    rng = np.random.default_rng(1)
    drawn = rng.choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


HEADER = (
    "scenario", "policy", "AP", "against the best other", "worse", "alerts a day", "caught",
    "trainings a year", "promotions a year", "idle a year",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Print one table; with ``--quick`` fail if ours is worse than never, or promotes without need."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=20)
    parser.add_argument("--seed", type=int, default=5000)
    parser.add_argument("--only", default="", help="scenarios with commas between")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    names = QUICK if options.quick else tuple(filter(None, options.only.split(",")))
    lives = 2 if options.quick else options.lives
    table: list[list[str]] = []
    broken: list[str] = []
    for scenario in SCENARIOS:
        if names and scenario.name not in names:
            continue
        results = {policy: PolicyLives() for policy in POLICIES}
        began = time.perf_counter()
        for life in range(lives):
            live(scenario, options.seed + life, results)
        table += summarize(scenario, results)
        broken += find_broken_bounds(scenario, results)
        print(f"{scenario.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    text = render_table(HEADER, table)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    for line in broken:
        print(f"broken: {line}", file=sys.stderr)
    return 1 if broken and options.quick else 0


def find_broken_bounds(scenario: Scenario, results: dict[str, PolicyLives]) -> list[str]:
    """Return where ours ranks worse than never retraining, or promotes where nothing has changed."""
    ours, never = results["ours"], results["never"]
    lost = float(np.nanmean(never.weekly) - np.nanmean(ours.weekly))
    broken = [f"{scenario.name}: ours is {lost:.3f} below never"] if lost > LEAST_LOSS else []
    if sum(ours.idle):
        broken.append(f"{scenario.name}: {sum(ours.idle)} promotions in {len(ours.idle)} lives without need")
    return broken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
