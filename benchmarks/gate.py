"""Measures how often the gate errs, on pairs of models of which it is known which is better.

    python -m benchmarks.gate [--data DIR] [--draws 100] [--trainings 100] [--fits 5] [--quick]
                              [--only dependent] [--dependent 100] [--out FILE]

Four measurements, as Markdown. A share stands with its exact binomial interval (Clopper, Pearson, 95 %).

- *Dependent rows* (:mod:`benchmarks.dependent_rows`): histories through the path of a training.
- *Simulated pairs.* Scores of champion and challenger are binormal with a shared part (correlation .5 within
  a class), so their true AUROC is known. *false*: promotions at equal AUROC .80; *power*: promotions of a
  challenger of .85. On each rung: labels with 20, 50 and 200 anomalies, a random audited sample, injected
  anomalies of four kinds, and rows that depend on each other in blocks of ten, named as such and not.
- *Best of six.* Six candidates of the champion's quality, chosen and then judged on the same rows, as a
  training does; once with a baseline as good, once with a worse one (.70), so that five compete.
- *Tables* (every ``*.npz`` of DIR with ``X``, ``y`` and twice as many anomalies as are judged by): two fits
  of one detector on different normal rows and seeds. Two fits may differ in truth, so promotions are held
  against rows that judged nothing: *no gain* is a promotion of a challenger that is not better there, at the
  prevalence of the judged rows. *exchanged*: scores, as ranks, exchanged at random row by row, so that both
  are truly equal.

Beside ours, on the same draws: *higher* promotes on a higher metric, *tie or higher* as ZenML's e2e template
does, *threshold* on a value alone (AUROC of .7 or more), as a TFX Evaluator with a value threshold does.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.calibration import render_table
from benchmarks.dependent_rows import GATE_HEADER, measure_dependent_rows
from benchmarks.draws import BETTER, EQUAL, SETTINGS, WORSE, ScoreDraw, draw_model_scores
from benchmarks.shares import format_share
from pynomaly.config import Comparison
from pynomaly.detectors import make_detector
from pynomaly.judging.comparison.choice import choose_candidate
from pynomaly.judging.comparison.compare import compare_scores
from pynomaly.judging.comparison.evaluation import roc_auc
from pynomaly.judging.comparison.evidence import Evidence, Rung
from pynomaly.judging.comparison.injected.anomalies import InjectedAnomalies
from pynomaly.judging.comparison.ranking_metrics import Ranking

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FLOOR = 0.7  # AUROC that the value threshold asks for
GATES = ("ours", "higher", "tie or higher", "threshold")
DETECTORS = ("hbos", "iforest")
JUDGED_POSITIVES = 27


@dataclass
class PromotionCounts:
    """Promotions by gate, out of `draws`."""

    draws: int = 0
    promoted: dict[str, int] = field(default_factory=dict)

    def add(self, decisions: dict[str, bool]) -> None:
        self.draws += 1
        for name, yes in decisions.items():
            self.promoted[name] = self.promoted.get(name, 0) + yes

    def format_share_of(self, name: str) -> str:
        return format_share(self.promoted.get(name, 0), self.draws)


def judge_draw(draw: ScoreDraw, rung: Rung, settings: Comparison, seed: int) -> dict[str, bool]:
    """What each gate does with one draw."""
    injected = None if draw.kinds is None else InjectedAnomalies(draw.kinds, draw.kinds)
    evidence = Evidence(draw.truth, draw.blocks, rung, injected)
    ours = compare_scores(evidence, draw.champion, draw.challenger, settings, seed=seed)
    values = [
        Ranking(draw.truth, scores).value(settings.metric) for scores in (draw.champion, draw.challenger)
    ]
    return {
        "ours": ours.promotes,
        "higher": values[1] > values[0],
        "tie or higher": values[1] >= values[0],
        "threshold": roc_auc(draw.truth, draw.challenger) >= FLOOR,
    }


def simulate_pairs(
    settings: Comparison, draws: int, seed: int
) -> dict[str, tuple[PromotionCounts, PromotionCounts]]:
    """Promotions at equal quality and of a better challenger, by setting."""
    counts_by_setting = {}
    for at, (name, (rung, draw)) in enumerate(SETTINGS.items()):
        pair = PromotionCounts(), PromotionCounts()
        for counts, auroc in zip(pair, (EQUAL, BETTER), strict=True):
            rng = np.random.default_rng([seed, at, round(100 * auroc)])
            for number in range(draws):
                counts.add(judge_draw(draw(rng, auroc), rung, settings, number))
        counts_by_setting[name] = pair
    return counts_by_setting


def simulate_best_of_six(
    settings: Comparison, baseline: float, draws: int, seed: int, positives: int = 50
) -> PromotionCounts:
    """Choose among six, then judge against the champion on the same rows, as a training does."""
    rng = np.random.default_rng([seed, round(100 * baseline), positives])
    counts = PromotionCounts()
    for number in range(draws):
        truth = np.repeat([1, 0], [positives, 1000 - positives])
        champion, *candidates = draw_model_scores(rng, truth, (EQUAL, baseline, *[EQUAL] * 5))
        scores = {f"candidate {place}": candidate_scores for place, candidate_scores in enumerate(candidates)}
        evidence = Evidence(truth)
        choice = choose_candidate(evidence, scores, settings, baseline="candidate 0", seed=number)
        verdicts = [
            compare_scores(evidence, champion, scores[choice.winner], settings, seed=number, among=among)
            for among in (choice.among, 1)
        ]
        values = {
            name: Ranking(truth, candidate_scores).value(settings.metric)
            for name, candidate_scores in scores.items()
        }
        champion_value = Ranking(truth, champion).value(settings.metric)
        counts.add(
            {
                "ours": verdicts[0].promotes,
                "ours, not counting the six": verdicts[1].promotes,
                "best on higher": max(values.values()) > champion_value,
            }
        )
    return counts


def load_tables(folder: Path, positives: int) -> Iterator[tuple[str, Floats, Ints]]:
    """Tables with enough anomalies to judge by, and as many again that judge nothing."""
    for file in sorted(folder.glob("*.npz")):
        with np.load(file, allow_pickle=False) as arrays:
            rows, truth = arrays["X"].astype(np.float64), arrays["y"].ravel().astype(np.int64)
        if (truth == 1).sum() < 2 * positives or (truth == 0).sum() < 400:
            print(f"left out: {file.stem}, {(truth == 1).sum()} anomalies", file=sys.stderr)
            continue
        yield file.stem, rows, truth


def measure_table_pairs(
    rows: Floats, truth: Ints, detector: str, settings: Comparison, fits: int, seed: int
) -> tuple[PromotionCounts, PromotionCounts, PromotionCounts]:
    """Promotions between equal fits; those without a gain on other rows; those of exchanged scores."""
    between, vain, exchanged = PromotionCounts(), PromotionCounts(), PromotionCounts()
    for number in range(fits):
        rng = np.random.default_rng([seed, number])
        normal, odd = (rng.permutation(np.flatnonzero(truth == label)) for label in (0, 1))
        part = min(len(normal) // 4, 1500)
        fresh_normal = normal[3 * part : 3 * part + 3000]
        judging = np.concatenate([odd[:JUDGED_POSITIVES], normal[2 * part : 3 * part]])
        fresh = np.concatenate([odd[JUDGED_POSITIVES:], fresh_normal])
        models = [
            make_detector(detector, seed=2 * number + place).fit(
                rows[normal[place * part : (place + 1) * part]]
            )
            for place in range(2)
        ]
        champion, challenger = (model.score(rows[judging]) for model in models)
        promotions = judge_draw(
            ScoreDraw(truth[judging], champion, challenger), Rung.LABELS, settings, number
        )
        between.add(promotions)
        values = [
            _metric_at_prevalence(
                truth[fresh], model.score(rows[fresh]), JUDGED_POSITIVES / len(judging), settings
            )
            for model in models
        ]
        vain.add({name: yes and values[1] <= values[0] for name, yes in promotions.items()})
        ranks = [stats.rankdata(scores) for scores in (champion, challenger)]
        swapped = rng.random(len(judging)) < 0.5
        mixed = [np.where(swapped, ranks[1 - place], ranks[place]) for place in range(2)]
        exchanged.add(judge_draw(ScoreDraw(truth[judging], *mixed), Rung.LABELS, settings, number))
    return between, vain, exchanged


def _metric_at_prevalence(truth: Ints, scores: Floats, prevalence: float, settings: Comparison) -> float:
    """The metric with normal rows weighted so that anomalies are as frequent as among the judged rows."""
    positives = (truth == 1).sum()
    weight = positives * (1 - prevalence) / prevalence / (truth == 0).sum()
    weights = np.where(truth == 1, 1.0, weight)[:, None]
    return float(Ranking(truth, scores).compute(settings.metric, weights)[0])


def merge_counts(parts: list[PromotionCounts]) -> PromotionCounts:
    whole = PromotionCounts(sum(part.draws for part in parts))
    for part in parts:
        for name, hits in part.promoted.items():
            whole.promoted[name] = whole.promoted.get(name, 0) + hits
    return whole


def render_simulated_table(results: dict[str, tuple[PromotionCounts, PromotionCounts]]) -> str:
    header = ["evidence", "ours: false", "ours: power", *(f"{gate}: false / power" for gate in GATES[1:])]
    rows = [
        [
            name,
            *(counts.format_share_of("ours") for counts in pair),
            *(_format_shares(pair, gate) for gate in GATES[1:]),
        ]
        for name, pair in results.items()
    ]
    return render_table(header, rows)


def _format_shares(parts: tuple[PromotionCounts, ...], gate: str) -> str:
    return " / ".join(f"{100 * counts.promoted.get(gate, 0) / counts.draws:.0f}" for counts in parts)


def render_six_table(results: dict[str, PromotionCounts]) -> str:
    gates = ("ours", "ours, not counting the six", "best on higher")
    return render_table(
        ["baseline", *gates],
        [[name, *(counts.format_share_of(gate) for gate in gates)] for name, counts in results.items()],
    )


def render_tables_table(results: dict[str, tuple[PromotionCounts, ...]]) -> str:
    names = ("promoted", "no gain", "exchanged")
    header = ["detector", "draws", *(f"ours: {name}" for name in names)]
    header += [f"{gate}: {' / '.join(names)}" for gate in GATES[1:]]
    rows = [
        [
            name,
            str(counts_list[0].draws),
            *(counts.format_share_of("ours") for counts in counts_list),
            *(_format_shares(counts_list, gate) for gate in GATES[1:]),
        ]
        for name, counts_list in results.items()
    ]
    return render_table(header, rows)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of npz tables with X and y")
    parser.add_argument("--draws", type=int, default=100, help="pairs a setting")
    parser.add_argument("--trainings", type=int, default=100, help="choices among six a setting")
    parser.add_argument("--fits", type=int, default=5, help="pairs of fits a table")
    parser.add_argument("--dependent", type=int, default=100, help="histories of dependent rows a setting")
    parser.add_argument("--only", choices=("dependent",), help="the dependent rows alone")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="a few draws, for seconds instead of minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file to write the tables to, too")
    options = parser.parse_args(arguments)
    draws, trainings, fits = (10, 5, 1) if options.quick else (options.draws, options.trainings, options.fits)
    started = time.perf_counter()
    parts: list[str] = []
    histories = 4 if options.quick else options.dependent
    lines, _ = measure_dependent_rows(Comparison(resamples=options.resamples), histories, options.seed)
    _add_part(parts, "### Dependent rows, through the path of a training", render_table(GATE_HEADER, lines))
    if not options.only:
        _measure_pairs(parts, options, draws, trainings, fits)
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    if options.out:
        options.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _measure_pairs(
    parts: list[str], options: argparse.Namespace, draws: int, trainings: int, fits: int
) -> None:
    """Measure simulated pairs, the best of six, and the tables."""
    for metric in ("average_precision", "roc_auc"):
        settings = Comparison(metric=metric, resamples=options.resamples)
        counts_by_setting = simulate_pairs(settings, draws, options.seed)
        _add_part(
            parts, f"### Simulated pairs, decided on `{metric}`", render_simulated_table(counts_by_setting)
        )
    settings = Comparison(resamples=options.resamples)
    six = {
        f"{name}, {positives} anomalies": simulate_best_of_six(
            settings, level, trainings, options.seed, positives
        )
        for name, level in (("as good as the others", EQUAL), ("worse", WORSE))
        for positives in (20, 50)
    }
    _add_part(parts, "### Best of six equal candidates, against an equal champion", render_six_table(six))
    if options.data:
        tables = list(load_tables(options.data, JUDGED_POSITIVES))
        results: dict[str, tuple[PromotionCounts, ...]] = {}
        for detector in DETECTORS:
            each = [
                measure_table_pairs(*table[1:], detector, settings, fits, options.seed) for table in tables
            ]
            results[detector] = tuple(merge_counts(list(column)) for column in zip(*each, strict=True))
        heading = f"### Two fits of one detector, {len(tables)} tables, {JUDGED_POSITIVES} anomalies"
        _add_part(parts, heading, render_tables_table(results))


def _add_part(parts: list[str], *more: str) -> None:
    """Keep a part, and print it as soon as it is there."""
    parts += more
    print("\n\n".join(more), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
