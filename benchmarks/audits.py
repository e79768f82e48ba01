"""Measures what an audit decides: how often it errs, how many answers it takes, what its intervals hold.

    python -m benchmarks.audits [--draws 200] [--answers 300] [--seed 0] [--only HOW] [--quick] [--out FILE]
    python -m benchmarks.audits --only precision --draws 350

Eight machines, a row an hour for 60 days, 2 % anomalous: single rows, or incidents of six hours in which a
model errs alike (two thirds of its own error are common to a machine's day). Scores of champion and
challenger are binormal with a shared part, so their true AUROC is known: .90 both, or .90 against .96. Each
alerts on its highest 2 %. Rows are drawn, named, weighted and judged by the functions of production.

*Decisions.* Answers come one by one in the order of the draw, and somebody looks after every fifth and stops
when it is decided. *false*: equal challengers promoted; *one look*: the same if the interval were that of a
single look; *power*: better ones promoted; *answers*: the median until a better one is decided, of those that
are; *forecast*: the first forecast of how many answers decide, over what it took, 10 % to 90 % of the draws.
Drawn at random from all rows, as an audit of the alerts, and to decide.

*Intervals.* Share of audits of 100 and 300 answers whose 95 % interval holds the truth: average precision
that of all rows that could come, precision and recall that of the rows that came.

*Precision.* What scores that predict the answers add to its interval (:mod:`benchmarks.alert_precision`).

A share stands with its exact binomial interval (Clopper, Pearson, 95 %).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmarks.alert_precision import find_broken_precisions, list_precisions
from benchmarks.calibration import render_table
from benchmarks.draws import draw_model_scores
from benchmarks.shares import format_share
from pynomaly.config import Comparison
from pynomaly.judging.alerts.audit import AuditStratum
from pynomaly.judging.alerts.audit_draw import AuditDraw, draw_audit_rows, draw_deciding_rows
from pynomaly.judging.alerts.audited import (
    CHALLENGER_ALERTS,
    AuditedRows,
    compare_by_audit,
    measure_audited_model,
)
from pynomaly.judging.comparison.evaluation import average_precision
from pynomaly.judging.comparison.intervals import bootstrap_interval
from pynomaly.judging.comparison.verdict import resample_candidates
from pynomaly.model.dependence.dependence import DAY, Dependence, place_sampled_incidents

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MACHINES, DAYS, SHARE = 8, 60, 0.02
EQUAL, BETTER = 0.90, 0.96
LOOK_EVERY = 5
SETTINGS = Comparison(resamples=400)
HOW = ("at random", "of the alerts", "to decide")
PRECISION_HEAD = [
    "scores predict",
    "answered",
    "exact, %",
    "shown, %",
    "width",
    "shown, times",
    "narrowed, %",
]
INCIDENTS = {"single rows": 1, "incidents of 6 hours": 6}


@dataclass(frozen=True, eq=False)
class World:
    """Rows of all machines in order of time, with what both models say of them."""

    times: pd.Series
    entities: Ints
    blocks: Ints
    truth: Ints
    scores: tuple[Floats, Floats]
    alerts: tuple[NDArray[np.bool_], NDArray[np.bool_]]


@dataclass
class Decisions:
    """What became of the audits of one kind."""

    draws: int = 0
    promoted: int = 0
    one_look: int = 0
    answers: list[int] = field(default_factory=list)
    forecasts: list[float] = field(default_factory=list)


def draw_world(rng: np.random.Generator, hours: int, challenger: float) -> World:
    """Return 60 days of eight machines; anomalies come in runs of so many hours."""
    steps = DAYS * 24
    rows = steps * MACHINES
    entities = np.tile(np.arange(MACHINES), steps)
    times = pd.Series(
        pd.Timestamp("2026-01-05", tz="UTC") + pd.to_timedelta(np.arange(rows) // MACHINES, "h")
    )
    starts = rng.random((steps, MACHINES)) < SHARE / hours
    odd = np.zeros((steps, MACHINES), dtype=bool)
    for later in range(hours):
        odd[later:] |= starts[: steps - later]
    truth = odd.ravel().astype(np.int64)
    dependence = Dependence(block=DAY) if hours > 1 else Dependence()
    blocks = dependence.number_blocks(times, entities)
    first, second = draw_model_scores(rng, truth, (EQUAL, challenger), blocks if hours > 1 else None)
    top = [scores >= np.quantile(scores, 1 - SHARE) for scores in (first, second)]
    return World(times, entities, blocks, truth, (first, second), (top[0], top[1]))


def draw_rows(world: World, how: str, rows: int, seed: int) -> AuditDraw:
    """Draw the rows to answer."""
    ranks = [(-scores).argsort().argsort() / len(scores) for scores in world.scores]
    if how == "to decide":
        return draw_deciding_rows(np.minimum(*ranks), *world.alerts, rows, seed)
    if how == "of the alerts":
        return draw_audit_rows(ranks[0], world.alerts[0], rows, seed)
    places = np.random.default_rng(seed).choice(len(world.truth), rows, replace=False)
    return AuditDraw((AuditStratum("quiet", len(world.truth), rows),), places, ("quiet",) * rows)


def answer_rows(world: World, draw: AuditDraw, answers: int) -> AuditedRows:
    """Return the drawn rows with so many answers, with blocks as an audit joins them."""
    places = draw.places
    truth = np.where(np.arange(len(places)) < answers, world.truth[places], -1)
    times = world.times.iloc[places].reset_index(drop=True)
    blocks = place_sampled_incidents(world.blocks[places], times, world.entities[places], truth, DAY)
    return AuditedRows(draw.strata, draw.names, truth, blocks)


def decide(world: World, how: str, answers: int, seed: int) -> Decisions:
    """Answer row by row, look after every fifth, and stop when it is decided."""
    draw = draw_rows(world, how, answers, seed)
    scores = (world.scores[0][draw.places], world.scores[1][draw.places])
    result, forecasts = Decisions(draws=1), {}
    stopped = False
    for count in range(4 * LOOK_EVERY, answers + 1, LOOK_EVERY):
        rows = answer_rows(world, draw, count)
        result.one_look = result.one_look or int(_promotes_at_one_look(rows, scores, seed))
        if stopped:
            if result.one_look:
                break
            continue
        comparison = compare_by_audit(rows, scores, SETTINGS, seed=seed)
        if comparison.more_answers == 0:
            stopped, result.promoted = True, int(comparison.verdict.promotes)
            result.answers.append(count)
            result.forecasts += [(asked + more) / count for asked, more in forecasts.items()][:1]
        elif comparison.more_answers is not None and not np.isnan(comparison.verdict.low):
            forecasts[count] = comparison.more_answers
    return result


def _promotes_at_one_look(rows: AuditedRows, scores: tuple[Floats, Floats], seed: int) -> bool:
    """Whether the interval of a single look would promote."""
    evidence, answered = rows.build_evidence(), rows.answered
    sample = resample_candidates(
        evidence, {str(side): scores[side][answered] for side in (0, 1)}, SETTINGS, seed
    )
    if sample.refusals or len(sample.drawn) < 2:
        return False
    gain = sample.value["1"] - sample.value["0"]
    low, _ = bootstrap_interval(gain, sample.drawn["1"] - sample.drawn["0"], evidence.units, 0.95)
    return low > 0 and gain >= SETTINGS.min_improvement


def measure_decisions(
    hours: int, how: str, challenger: float, draws: int, answers: int, seed: int
) -> Decisions:
    """Decide so many audits, each of a world of its own."""
    total = Decisions()
    for number in range(draws):
        world = draw_world(
            np.random.default_rng([seed, hours, number, round(100 * challenger)]), hours, challenger
        )
        one = decide(world, how, answers, number)
        total = Decisions(
            total.draws + 1,
            total.promoted + one.promoted,
            total.one_look + one.one_look,
            total.answers + one.answers,
            total.forecasts + one.forecasts,
        )
    return total


@cache
def true_precision(hours: int, auroc: float) -> float:
    """Average precision of all rows that could come: the mean of 100 worlds."""
    worlds = (draw_world(np.random.default_rng([99, number, hours]), hours, auroc) for number in range(100))
    return float(np.mean([average_precision(world.truth, world.scores[1]) for world in worlds]))


def measure_intervals(
    hours: int, how: str, answers: int, draws: int, seed: int
) -> dict[str, tuple[int, int]]:
    """How many audits of so many answers have an interval that holds the truth, and how many have one."""
    held = dict.fromkeys(("average precision", "precision", "recall"), (0, 0))
    side, alerting = (1, CHALLENGER_ALERTS) if how == "to decide" else (0, ("alerted",))
    for number in range(draws):
        world = draw_world(np.random.default_rng([seed + 1, hours, number]), hours, EQUAL)
        draw = draw_rows(world, how, answers, number)
        rows = answer_rows(world, draw, answers)
        model = measure_audited_model(rows, world.scores[side][draw.places], alerting, SETTINGS, number)
        caught = int((world.truth[world.alerts[side]] == 1).sum())
        truths = {
            "average precision": (model.average_precision, true_precision(hours, EQUAL)),
            "precision": (model.alerts.precision, caught / world.alerts[side].sum()),
            "recall": (model.alerts.recall, caught / world.truth.sum()),
        }
        for name, (interval, truth) in truths.items():
            if interval is not None:
                holds = interval.low - 1e-12 <= truth <= interval.high + 1e-12
                held[name] = held[name][0] + holds, held[name][1] + 1
    return held


def list_decisions(draws: int, answers: int, seed: int, how: tuple[str, ...] = HOW) -> Iterator[list[str]]:
    """The lines of the table of decisions."""
    for name, hours in INCIDENTS.items():
        for way in how:
            equal, better = (
                measure_decisions(hours, way, challenger, draws, answers, seed)
                for challenger in (EQUAL, BETTER)
            )
            spread = np.quantile(better.forecasts, [0.1, 0.9]) if better.forecasts else (np.nan, np.nan)
            yield [
                name,
                way,
                format_share(equal.promoted, equal.draws),
                format_share(equal.one_look, equal.draws),
                format_share(better.promoted, better.draws),
                f"{np.median(better.answers):.0f}" if better.answers else "–",
                f"{spread[0]:.1f} to {spread[1]:.1f}",
            ]


def list_intervals(draws: int, seed: int) -> Iterator[list[str]]:
    """The lines of the table of intervals."""
    for name, hours in INCIDENTS.items():
        for how in HOW[1:]:
            for answers in (100, 300):
                held = measure_intervals(hours, how, answers, draws, seed)
                yield [name, how, str(answers), *(format_share(*counts) for counts in held.values())]


def print_table(header: list[str], lines: Iterator[list[str]]) -> str:
    """Render a table, with each line on standard error as soon as it is there."""
    kept = []
    for line in lines:
        print(*line, sep=" | ", file=sys.stderr, flush=True)
        kept.append(line)
    return render_table(header, kept)


def main(arguments: list[str] | None = None) -> int:
    """Print both tables; with ``--quick`` the exit code is 1 where a bound is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--answers", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=(*HOW, "precision"), help="one table: decisions of rows drawn so")
    parser.add_argument("--quick", action="store_true", help="a few draws to decide, held to bounds")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    if options.quick:
        return check_bounds(options.seed + 500)
    if options.only == "precision":
        print(print_table(PRECISION_HEAD, list_precisions(options.draws, options.seed)))
        return 0
    head = ["anomalies", "drawn", "false, %", "one look, %", "power, %", "answers", "forecast"]
    how = (options.only,) if options.only else HOW
    text = print_table(head, list_decisions(options.draws, options.answers, options.seed, how))
    if options.only:
        print(text)
        return 0
    head = ["anomalies", "drawn", "answers", "average precision, %", "precision, %", "recall, %"]
    text += "\n" + print_table(head, list_intervals(options.draws, options.seed))
    text += "\n" + print_table(PRECISION_HEAD, list_precisions(options.draws, options.seed))
    if options.out:
        options.out.write_text(text)
    print(text)
    return 0


def check_bounds(seed: int, draws: int = 15) -> int:
    """Whether equal challengers are promoted, better ones are not, or precision is wrong; 1 if so."""
    equal, better = (
        measure_decisions(6, "to decide", challenger, draws, 200, seed) for challenger in (EQUAL, BETTER)
    )
    most = int(stats.binom.isf(0.04, draws, 0.05))  # more of them come less than once in 25 times
    broken = [f"{equal.promoted} of {draws} equal challengers promoted"] if equal.promoted > most else []
    if better.promoted < draws // 3:
        broken.append(f"only {better.promoted} of {draws} better challengers promoted")
    broken += find_broken_precisions(seed)
    print("; ".join(broken) or "bounds hold")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
