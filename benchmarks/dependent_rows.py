"""Measures gate and p-values on rows that depend on the rows before, through the path of a training.

    python -m benchmarks.dependent_rows [--draws 100] [--fits 10] [--seed 0] [--quick] [--out FILE]

Two tables. The first is part of ``benchmarks.gate``.

A history of rows with times, entities and labels is split, fitted, calibrated and judged as a training does
in memory: dependence is measured from the rows, evidence is labelled or injected, the verdict is that of the
gate. Only the scores of two models are drawn rather than fitted, so that it is known which is better: both
see the same rows with errors of their own, which last as long as the rows' memory and through each incident.

- *one machine*: a row every half hour for 120 days, memory of 6 hours, incidents of a day (labels);
- *seasonal*: the same with a daily season, incidents of 6 hours;
- *fleet*: eight machines with a row an hour, with shocks common to all or without, incidents of a day; or
  with errors of each model that last and are in part the same on all machines;
- *eleven days*: sixteen machines with so short a history, incidents of eight hours;
- *two-day memory*: one machine for a year, memory of 2 days, incidents of 2 days;
- *injected*: no labels, one machine; anomalies by the real injection.

*false*: promotions at equal quality; *power*: of a challenger that is better by one and a half standard
deviations on anomalies. A share stands with its exact 95 % interval, so its upper bound is in every row.
*refused*: equal pairs not compared, because incidents lie in too few independent blocks. Of *injected* a
fifth of the histories is drawn.

*p-values*: a detector is fitted and calibrated on 60 days of five columns with a memory of 6 hours (0: none),
a row every ten minutes, as a training does; the share of the 20,000 normal rows after them with a p-value of
at most .01 and .001, mean and standard error over histories.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

from benchmarks.calibration import render_table
from benchmarks.shares import format_share
from pynomaly import config
from pynomaly.data.frame import FrameContract
from pynomaly.judging.comparison.compare import Verdict, compare_scores
from pynomaly.judging.comparison.evidence import Rung
from pynomaly.steps.training.train_candidates import block_by_difference, fit_bundle
from pynomaly.steps.training.training_rows import TrainingRows

__all__ = ["DEPENDENT", "GATE_HEADER", "DependentRows", "Promotions", "measure_dependent_rows"]

Floats = NDArray[np.float64]

GATE_HEADER = ["rows", "ours: false", "ours: power", "refused"]
COLUMNS = ("flow", "load", "heat")
BETTER = 1.5  # deviations by which a better challenger scores anomalies higher


@dataclass(frozen=True)
class DependentRows:
    """What a history is drawn with; lengths in hours."""

    days: int = 120
    step: float = 0.5
    memory: float = 6.0
    season: float = 0.0
    entities: int = 1
    shock: float = 0.0
    incidents: int = 20
    length: float = 24.0
    labelled: bool = True
    common: float = 0.0

    def draw(self, rng: np.random.Generator) -> pd.DataFrame:
        """Return the rows of a history, in order of time."""
        rows = round(self.days * 24 / self.step)
        times = pd.date_range("2026-01-05", periods=rows, freq=pd.Timedelta(hours=self.step), tz="UTC")
        common = self.shock * draw_memory(rng, rows, self.memory / self.step, len(COLUMNS))
        wave = self.season * np.sin(2 * np.pi * np.arange(rows) * self.step / 24)[:, None]
        frames = []
        for number in range(self.entities):
            values = common + wave + draw_memory(rng, rows, self.memory / self.step, len(COLUMNS))
            frame = pd.DataFrame(values, columns=list(COLUMNS))
            frame.insert(0, "time", times.as_unit("us"))
            frame["machine"] = f"m{number}"
            frame["anomaly"] = self._draw_incidents(rng, rows) if self.labelled else np.nan
            frames.append(frame)
        return pd.concat(frames).sort_values("time", kind="stable", ignore_index=True)

    def _draw_incidents(self, rng: np.random.Generator, rows: int) -> Floats:
        length = max(1, round(self.length / self.step))
        labels = np.zeros(rows)
        for start in rng.choice(rows // length, max(1, self.incidents // self.entities), replace=False):
            labels[start * length : (start + 1) * length] = 1
        return labels

    def pipeline(self, settings: config.Comparison) -> config.Pipeline:
        """Return the settings of a pipeline for these rows."""
        roles = {"label": "anomaly"} if self.labelled else {"ignore": ["anomaly"]}
        if self.entities > 1:
            roles["id"] = "machine"
        else:
            roles["ignore"] = [*roles.get("ignore", ()), "machine"]
        data = {"source": "csv", "path": "rows.csv", "time": "time", **roles}
        training = {"candidates": ["hbos"], "holdout": 0.5}
        pipeline = config.Pipeline.model_validate({"name": "gate", "data": data, "training": training})
        return pipeline.model_copy(update={"comparison": settings})


DEPENDENT: Mapping[str, DependentRows] = {
    "one machine, day-long incidents": DependentRows(),
    "seasonal, incidents of 6 hours": DependentRows(season=2.0, length=6.0, incidents=30),
    "fleet of 8 with common shocks": DependentRows(step=1.0, entities=8, shock=1.0, incidents=40),
    "fleet of 8, each on its own": DependentRows(step=1.0, entities=8, incidents=40),
    "fleet of 8, errors common to all": DependentRows(step=1.0, entities=8, incidents=40, common=0.6),
    "fleet of 16, eleven days in all": DependentRows(
        days=11, step=1.0, entities=16, incidents=32, length=8.0
    ),
    "fleet of 16, eleven days, errors common": DependentRows(
        days=11, step=1.0, entities=16, incidents=32, length=8.0, common=0.6
    ),
    "two-day memory and incidents": DependentRows(days=365, step=2.0, memory=48.0, length=48.0, incidents=24),
    "injected, 6 hours of memory": DependentRows(labelled=False),
}


@dataclass
class Promotions:
    """Verdicts on pairs: how many promoted, and how many were refused for too few independent incidents."""

    draws: int = 0
    promoted: int = 0
    refused: int = 0

    def add(self, verdict: Verdict) -> None:
        self.draws += 1
        self.promoted += verdict.promotes
        self.refused += math.isnan(verdict.low)


def draw_memory(rng: np.random.Generator, rows: int, time: float, columns: int) -> Floats:
    """Values of variance 1, shape (rows, columns), whose autocorrelation falls to 1 / e in `time` rows."""
    memory = np.exp(-1 / time)
    start = min(5000, round(10 * time))
    noise = np.sqrt(1 - memory**2) * rng.normal(size=(rows + start, columns))
    return np.asarray(lfilter([1.0], [1.0, -memory], noise, axis=0)[start:])


def draw_pair(
    rng: np.random.Generator, settings: DependentRows, rows: TrainingRows, gain: float
) -> tuple[Floats, Floats]:
    """Scores of champion and challenger on the judged rows.

    Part of a score is common to both, how far the row lies from the middle; the rest is a model's own, and
    lasts: by the rows' memory, and through an incident as a whole. Scores of anomalies are higher by 2, and
    by `gain` more for the challenger.
    """
    frame, truth = rows.judged.frame, rows.judged.evidence.truth
    moments = frame["time"].astype("int64").to_numpy()
    entity = pd.factorize(frame["machine"])[0]
    grid, at = np.unique(moments, return_inverse=True)
    far = np.sqrt((frame[list(COLUMNS)].to_numpy() ** 2).sum(axis=1))
    member = number_incidents(rows, entity)
    scores = []
    for step in (0.0, gain):
        lasting = draw_memory(rng, len(grid), settings.memory / settings.step, int(entity.max()) + 1)
        incident = rng.normal(size=int(member.max()) + 1)[member] * (truth == 1)
        of_all = draw_memory(rng, len(grid), settings.memory / settings.step, 1)[at, 0]
        lasting_error = np.sqrt(1 - settings.common) * lasting[at, entity] + np.sqrt(settings.common) * of_all
        own = np.sqrt(0.5) * lasting_error + np.sqrt(0.5) * rng.normal(size=len(frame))
        scores.append(0.7 * far + own + incident + (2.0 + step) * truth)
    return scores[0], scores[1]


def number_incidents(rows: TrainingRows, entity: NDArray[np.intp]) -> NDArray[np.intp]:
    """The incident of each judged row: a run of anomalies of a machine, or what was injected together."""
    evidence = rows.judged.evidence
    if evidence.injected is not None:
        episodes = evidence.injected.episodes
        own = np.arange(evidence.rows)
        run = own if episodes is None else np.where(episodes >= 0, episodes, evidence.rows + own)
    else:
        run = np.zeros(evidence.rows, dtype=np.int64)
        for number in range(int(entity.max()) + 1):
            places = np.flatnonzero(entity == number)
            changes = np.diff(evidence.truth[places], prepend=0) != 0
            run[places] = np.cumsum(changes) + evidence.rows * number
    return np.unique(run, return_inverse=True)[1]


def judge_history(
    settings: DependentRows, comparison: config.Comparison, seed: int, gains: tuple[float, ...]
) -> list[Verdict]:
    """Split one history as a training does, and judge a pair for each gain."""
    rng = np.random.default_rng(seed)
    frame = settings.draw(rng)
    pipeline = settings.pipeline(comparison)
    contract = FrameContract.infer(frame, pipeline.data)
    rows, _ = TrainingRows.split(pipeline, contract, frame)
    evidence = rows.judged.evidence
    assert (evidence.rung is Rung.LABELS) == settings.labelled, "not the evidence that the row names"
    verdicts = []
    for gain in gains:
        pair = draw_pair(rng, settings, rows, gain)
        judged = block_by_difference(contract, rows.judged.frame, evidence, pair)
        verdicts.append(compare_scores(judged, *pair, comparison, seed=seed))
    return verdicts


def measure_dependent_rows(
    comparison: config.Comparison,
    draws: int,
    seed: int,
    settings: Mapping[str, DependentRows] = DEPENDENT,
) -> tuple[list[list[str]], dict[str, tuple[Promotions, Promotions]]]:
    """Promotions at equal quality and of a better challenger: the rows of a table, and the counts."""
    lines, counts = [], {}
    for at, (name, setting) in enumerate(settings.items()):
        pair = Promotions(), Promotions()
        for number in range(draws):
            verdicts = judge_history(
                setting, comparison, 100_003 * (seed + 1) + 1000 * at + number, (0.0, BETTER)
            )
            for promotions, verdict in zip(pair, verdicts, strict=True):
                promotions.add(verdict)
        counts[name] = pair
        lines.append(
            [
                name,
                *(format_share(promotions.promoted, promotions.draws) for promotions in pair),
                format_share(pair[0].refused, pair[0].draws),
            ]
        )
    return lines, counts


def measure_p_values(detector: str, memory: float, histories: int, seed: int) -> list[str]:
    """Rates of small p-values on new normal rows: a row of the table."""
    rates = []
    for number in range(histories):
        rng = np.random.default_rng([seed, number])
        rows, new = 60 * 144, 20_000
        total = rows + new
        values = draw_memory(rng, total, memory * 6, 5) if memory else rng.normal(size=(total, 5))
        frame = pd.DataFrame(values, columns=[f"x{column}" for column in range(5)])
        times = pd.date_range("2026-01-05", periods=total, freq="10min", tz="UTC", unit="us")
        frame.insert(0, "time", times)
        data = {"source": "csv", "path": "rows.csv", "time": "time"}
        content = {"name": "rates", "data": data, "training": {"candidates": [detector]}}
        pipeline = config.Pipeline.model_validate(content)
        contract = FrameContract.infer(frame, pipeline.data)
        split, _ = TrainingRows.split(pipeline, contract, frame[:rows])
        bundle = fit_bundle(pipeline, split, pipeline.training.candidates[0], {})
        p_values = bundle.score(frame[rows:])["p_value"].to_numpy()
        rates.append([(p_values <= level).mean() for level in (0.01, 0.001)])
    mean = np.mean(rates, axis=0)
    error = np.std(rates, axis=0, ddof=1 if histories > 1 else 0) / np.sqrt(histories)
    cells = [f"{value:.4f} ± {deviation:.4f}" for value, deviation in zip(mean, error, strict=True)]
    return [detector, f"{memory:g} hours", str(histories), *cells]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=100, help="histories a setting of the gate")
    parser.add_argument("--fits", type=int, default=10, help="histories a detector")
    parser.add_argument("--resamples", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few histories")
    parser.add_argument("--out", type=Path, help="file to write the tables to, too")
    options = parser.parse_args(arguments)
    draws, fits = (4, 1) if options.quick else (options.draws, options.fits)
    rates = [
        measure_p_values(detector, memory, fits, options.seed)
        for detector in ("knn", "iforest", "gmm")
        for memory in (6.0, 0.0)
    ]
    comparison = config.Comparison(resamples=options.resamples)
    lines, _ = measure_dependent_rows(comparison, draws, options.seed)
    text = "\n\n".join(
        [
            render_table(["detector", "memory", "histories", "p at most .01", "p at most .001"], rates),
            render_table(GATE_HEADER, lines),
        ]
    )
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
