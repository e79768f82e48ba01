"""Do verdicts on windows hold: is "major" said of worse models alone, is a guarantee withdrawn for a change?

    python -m benchmarks.monitoring                  # every row of the table: about ten minutes
    python -m benchmarks.monitoring --part performance --draws 100 --seed 7

A model's scores are binormal with a known AUROC; the judged rows and a window are drawn anew each time,
single rows or incidents of 20 rows that share a disturbance. `false`: the model is what it was, and only the
share of anomalies moved. `found`: its AUROC fell from .95 to .85. `at most`: the upper end of the 95 %
interval of the rate (Clopper-Pearson). `one number` is the check of the first edition: the window's average
precision against the number at training.

Guarantee: streams of dependent scores, 26 weekly windows, shifted or not; `alone` is the test of each window
by itself on all its rows, as in the first edition.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.signal import lfilter

from benchmarks.draws import Floats, class_distance
from pynomaly import config
from pynomaly.judging.comparison.evaluation import compute_metrics
from pynomaly.judging.comparison.evidence import Evidence
from pynomaly.judging.drift.exchangeability import judge_exchangeability, select_spaced_rows
from pynomaly.judging.drift.observation import observe_window
from pynomaly.judging.drift.performance import JudgedScores, compare_performance, estimate_optimism
from pynomaly.model.dependence.dependence import to_seconds
from pynomaly.model.dependence.measure import measure_dependence
from pynomaly.steps.monitoring.carried_bets import MAX_BETS, carry_bets

SETTINGS = config.Degradation()
METRIC = "average_precision"
BAD = ("major", "critical")
ALPHA = config.Drift().alpha


@dataclass(frozen=True)
class PerformanceWorld:
    """Rows and share of anomalies of the judged rows and of a window; rows of an incident; candidates."""

    name: str
    judged: tuple[int, float]
    window: tuple[int, float]
    incident: int = 1
    candidates: int = 1


WORLDS = (
    PerformanceWorld("5 % to 2 %", (2000, 0.05), (3000, 0.02)),
    PerformanceWorld("2 % to 5 %", (3000, 0.02), (2000, 0.05)),
    PerformanceWorld("5 % to 5 %", (2000, 0.05), (2000, 0.05)),
    PerformanceWorld("5 % to 2 %, incidents", (6000, 0.05), (8000, 0.02), incident=20),
    PerformanceWorld("2 % to 5 %, incidents", (8000, 0.02), (6000, 0.05), incident=20),
    PerformanceWorld("5 % to 2 %, best of 8", (1000, 0.05), (3000, 0.02), candidates=8),
)


def draw_rows(
    rng: np.random.Generator, size: tuple[int, float], incident: int, auroc: float
) -> tuple[Evidence, Floats]:
    """Labelled rows and the scores of a model of this AUROC."""
    units = size[0] // incident
    is_anomaly = np.repeat(rng.random(units) < size[1], incident)
    scores = rng.normal(size=units * incident)
    if incident > 1:  # a share of the variance is common to the rows of a block
        scores = np.sqrt(0.8) * scores + np.sqrt(0.2) * np.repeat(rng.normal(size=units), incident)
    blocks = np.repeat(np.arange(units), incident)
    return Evidence(is_anomaly.astype(np.int64), blocks), scores + is_anomaly * class_distance(auroc)


def judge_draw(seed: int, world: PerformanceWorld, auroc: float, *, one_number: bool) -> str | None:
    """Level of the performance check in one drawn window; None with too few anomalies to judge."""
    rng = np.random.default_rng(seed)
    judged, first = draw_rows(rng, world.judged, world.incident, 0.95)
    scores = {"0": first}
    for number in range(1, world.candidates):  # as good as the first, with errors of their own
        own = draw_scores(rng, judged, 0.95)
        scores[str(number)] = own
    winner = max(scores, key=lambda name: judged.rank(scores[name]).value(METRIC))
    window, now = draw_rows(rng, world.window, world.incident, auroc)
    if min(judged.positives, window.positives) < SETTINGS.min_positives:
        return None
    if one_number:
        before = judged.rank(scores[winner]).value(METRIC)
        measured = compute_metrics(window, now, resamples=400, seed=seed).average_precision
        assert measured is not None
        value, high = measured.value, measured.high
    else:
        optimism = estimate_optimism(judged, scores, METRIC, seed)
        kept = JudgedScores.keep(judged, scores[winner], optimism, seed)
        assert kept is not None
        change = compare_performance(kept, window, now, METRIC, seed=seed)
        assert change is not None
        before, value, high = change.baseline, change.value, change.high
    observation = observe_window(
        "w",
        window.rows,
        None,
        None,
        None,
        SETTINGS,
        performance=value,
        performance_high=high,
        baseline=before,
        positives=window.positives,
    )
    return observation.performance_status


def draw_scores(rng: np.random.Generator, evidence: Evidence, auroc: float) -> Floats:
    """Scores of another model on the same rows."""
    return np.asarray(rng.normal(size=evidence.rows) + evidence.truth * class_distance(auroc))


def count_bad(
    world: PerformanceWorld, auroc: float, draws: int, seed: int, *, one_number: bool = False
) -> tuple[int, int]:
    """Windows said to be "major" or "critical", and windows judged."""
    levels = [judge_draw(seed + number, world, auroc, one_number=one_number) for number in range(draws)]
    judged = [level for level in levels if level is not None]
    return sum(level in BAD for level in judged), len(judged)


def upper_bound(hits: int, of: int) -> float:
    """Upper end of the two-sided 95 % interval of a rate."""
    return 1.0 if hits == of else float(stats.beta.ppf(0.975, hits + 1, of - hits))


def withdraw_guarantee(
    seed: int, hours: float, entities: int, shift: float, weeks: int = 26
) -> tuple[bool, int]:
    """Whether carried bets withdraw the guarantee of a stream, and how many windows did so by themselves.

    Scores are AR(1) with this correlation time, a row an hour; eight weeks are held out, then comes `shift`
    in deviations.
    """
    rng, week, reference = np.random.default_rng(seed), 7 * 24, 8 * 7 * 24
    rows = reference + weeks * week
    keep = np.exp(-1 / hours)
    noise = rng.normal(size=(rows + 2000, entities)) * np.sqrt(1 - keep**2)
    values = lfilter([1.0], [1.0, -keep], noise, axis=0)[2000:]
    values[reference:] += shift
    times = pd.Series(pd.date_range("2026-01-05", periods=rows, freq="h", tz="UTC"))
    codes = np.tile(np.arange(entities), rows)
    all_times, scores = times.repeat(entities).reset_index(drop=True), values.ravel()
    held_out = scores[: reference * entities]
    dependence = measure_dependence(held_out, all_times[: held_out.size], codes[: held_out.size])
    windows: list[Floats] = []
    alone, withdrawn = 0, False
    for number in range(weeks):
        part = slice((reference + number * week) * entities, (reference + (number + 1) * week) * entities)
        bets, own = scores[part], codes[part] * (not dependence.is_shared)
        alone += judge_exchangeability(held_out, rng.permutation(bets), alpha=ALPHA).state == "withdrawn"
        if dependence.is_dependent:
            bets = bets[select_spaced_rows(to_seconds(all_times[part]), own, dependence.upper)]
        windows.append(rng.permutation(bets)[:MAX_BETS])
        withdrawn |= carry_bets(held_out, windows, dependence, ALPHA, 42).state == "withdrawn"
    return withdrawn, alone


def print_performance(draws: int, seed: int) -> None:
    print("| world | false, one number | false | at most | found, one number | found |")
    print("|---|---|---|---|---|---|")
    for world in WORLDS:
        cells = []
        for auroc in (0.95, 0.85):
            for one_number in (True, False):
                hits, of = count_bad(world, auroc, draws, seed, one_number=one_number)
                cells.append(f"{hits / of:.3f}")
                if auroc == 0.95 and not one_number:
                    cells.append(f"{upper_bound(hits, of):.3f}")
        print(f"| {world.name} | {' | '.join(cells)} |", flush=True)


def print_guarantees(draws: int, seed: int) -> None:
    print("| correlation | entities | shift | windows withdrawn alone, of 26 | streams withdrawn | at most |")
    print("|---|---|---|---|---|---|")
    for hours, entities in ((6, 1), (48, 1), (6, 8), (48, 8)):
        for shift in (0.0, 0.25, 0.5, 1.0):
            streams = [withdraw_guarantee(seed + n, hours, entities, shift) for n in range(draws)]
            hits, alone = sum(item[0] for item in streams), np.mean([item[1] for item in streams])
            bound = upper_bound(hits, draws)
            print(
                f"| {hours} h | {entities} | {shift} | {alone:.1f} | {hits} of {draws} | {bound:.3f} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=("performance", "guarantee"))
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--seed", type=int, default=90_000)
    options = parser.parse_args()
    if options.part != "guarantee":
        print_performance(options.draws, options.seed)
    if options.part != "performance":
        print_guarantees(max(1, options.draws // 8), options.seed)


if __name__ == "__main__":
    main()
