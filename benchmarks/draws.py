"""Pairs of champion and challenger whose true quality is known, for measuring the gate.

Scores are binormal with a shared part, so that a model's AUROC is what it was drawn with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pynomaly.judging.comparison.compare import Rung

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EQUAL, BETTER, WORSE = 0.80, 0.85, 0.70  # true AUROC
SHARED = 0.5  # correlation of two models' scores within a class


@dataclass(frozen=True, eq=False)
class ScoreDraw:
    """Rows to judge by; champion's and challenger's scores; blocks and kinds where there are."""

    truth: Ints
    champion: Floats
    challenger: Floats
    blocks: Ints | None = None
    kinds: NDArray[np.object_] | None = None


def class_distance(auroc: float) -> float:
    """How many deviations apart two normal classes lie to have this AUROC."""
    return float(np.sqrt(2) * stats.norm.ppf(auroc))


def draw_independent(positives: int, rows: int) -> Callable[[np.random.Generator, float], ScoreDraw]:
    def draw(rng: np.random.Generator, auroc: float) -> ScoreDraw:
        truth = np.repeat([1, 0], [positives, rows - positives])
        return ScoreDraw(truth, *_draw_pair(rng, truth, auroc))

    return draw


def draw_audited(rows: int, prevalence: float) -> Callable[[np.random.Generator, float], ScoreDraw]:
    """A random sample of rows, labelled: how many anomalies are in it is chance."""

    def draw(rng: np.random.Generator, auroc: float) -> ScoreDraw:
        truth = (rng.random(rows) < prevalence).astype(np.int64)
        return ScoreDraw(truth, *_draw_pair(rng, truth, auroc))

    return draw


def draw_injected(each: int, rows: int) -> Callable[[np.random.Generator, float], ScoreDraw]:
    """Four kinds, some easier than others, equally so for both models."""

    def draw(rng: np.random.Generator, auroc: float) -> ScoreDraw:
        kinds = np.concatenate(
            [np.repeat(["global", "local", "dependency", "cluster"], each), np.repeat("", rows - 4 * each)]
        ).astype(object)
        truth = (kinds != "").astype(np.int64)
        ease = np.repeat([0.6, 0.2, -0.6, -0.2, 0.0], [each, each, each, each, rows - 4 * each])
        champion, challenger = _draw_pair(rng, truth, auroc)
        return ScoreDraw(truth, champion + ease, challenger + ease, kinds=kinds)

    return draw


def draw_dependent(
    blocks: int, named: bool, size: int = 10
) -> Callable[[np.random.Generator, float], ScoreDraw]:
    """Incidents of ten rows; two thirds of a model's own error are common to a block."""

    def draw(rng: np.random.Generator, auroc: float) -> ScoreDraw:
        number = np.repeat(np.arange(100), size)
        truth = np.isin(number, rng.choice(100, blocks, replace=False)).astype(np.int64)
        champion, challenger = _draw_pair(rng, truth, auroc, number)
        return ScoreDraw(truth, champion, challenger, number if named else None)

    return draw


def draw_model_scores(
    rng: np.random.Generator, truth: Ints, aurocs: Sequence[float], blocks: Ints | None = None
) -> list[Floats]:
    """Scores of one model each true AUROC, on the same rows; a part of every score is common to all."""
    shared = np.sqrt(SHARED) * rng.normal(size=truth.size)
    return [
        class_distance(auroc) * truth + shared + np.sqrt(1 - SHARED) * _draw_errors(rng, truth.size, blocks)
        for auroc in aurocs
    ]


def _draw_pair(
    rng: np.random.Generator, truth: Ints, auroc: float, blocks: Ints | None = None
) -> list[Floats]:
    """Champion of AUROC .80 and a challenger of `auroc`."""
    return draw_model_scores(rng, truth, (EQUAL, auroc), blocks)


def _draw_errors(rng: np.random.Generator, rows: int, blocks: Ints | None) -> Floats:
    if blocks is None:
        return rng.normal(size=rows)
    common = rng.normal(size=int(blocks.max()) + 1)[blocks]
    return np.sqrt(2 / 3) * common + np.sqrt(1 / 3) * rng.normal(size=rows)


SETTINGS: dict[str, tuple[Rung, Callable[[np.random.Generator, float], ScoreDraw]]] = {
    "labels, 20 anomalies in 1000": (Rung.LABELS, draw_independent(20, 1000)),
    "labels, 50 in 1000": (Rung.LABELS, draw_independent(50, 1000)),
    "labels, 200 in 2000": (Rung.LABELS, draw_independent(200, 2000)),
    "audited, 600 rows, 5 %": (Rung.AUDITED, draw_audited(600, 0.05)),
    "injected, 4 x 15 in 1000": (Rung.INJECTED, draw_injected(15, 1000)),
    "blocks of 10, 6 anomalous of 100": (Rung.LABELS, draw_dependent(6, named=True)),
    "blocks of 10, 20 anomalous of 100": (Rung.LABELS, draw_dependent(20, named=True)),
    "the same 20, blocks not named": (Rung.LABELS, draw_dependent(20, named=False)),
}
