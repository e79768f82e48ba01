"""Threads and compiled loops change how long scoring takes, never a bit of a score."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.detectors import TABULAR, make_detector
from pynomaly.detectors.numerics import compiled

# Enough rows for several blocks; the slow ones are held to the same by the contract suite on fewer.
QUICK = [name for name, entry in TABULAR.items() if entry.cost == "linear"]
COMPILED = ["auto", "iforest", "hbos", "gmm", "ecod", "copod", "pca", "mcd", "mahalanobis", "knn", "lof"]


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Sets, by `ENOUGH`, which of two twins runs."""
    monkeypatch.setattr(compiled, "_work_counted", [0.0])
    return monkeypatch


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_threads_change_no_bit(name: str) -> None:
    rng = np.random.default_rng(0)
    detector = make_detector(name, seed=0).fit(rng.normal(size=(300, 4)))
    rows = rng.normal(size=(3 * detector.block_rows + 7, 4))
    assert (detector.score(rows, threads=1) == detector.score(rows, threads=3)).all()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 6, 23])
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_loops_give_the_bits_of_their_twins(
    name: str, width: int, loops: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(width)
    fitted = np.round(rng.normal(size=(300, width)) @ rng.normal(size=(width, width)), 2)
    detector = make_detector(name, seed=0).fit(fitted)
    rows = np.concatenate(
        [
            fitted,  # on edges, thresholds, ties
            np.round(rng.normal(scale=3, size=(500, width)), 2),
            rng.normal(scale=1e-3, size=(100, width)),
            np.full((1, width), 1e9), np.full((1, width), -1e9), np.full((1, width), 1e200),
            np.zeros((1, width)), np.full((1, width), -0.0), np.full((1, width), 1e-310),
        ]
    )  # fmt: skip
    for place in range(width):
        rows[700 + place, place] = 1e60
    loops.setattr(compiled, "WORK_BEFORE_COMPILING", np.inf)
    plain = detector.score(rows)
    alone = np.concatenate([detector.score(rows[at : at + 1]) for at in range(0, len(rows), 7)])
    loops.setattr(compiled, "WORK_BEFORE_COMPILING", -1.0)
    assert (detector.score(rows) == plain).all()
    assert (plain[::7] == alone).all()
    assert (detector.score(rows[::7]) == alone).all()
    assert (detector.score(rows[7:8]) == alone[1:2]).all()


def test_a_process_that_scores_little_loads_no_compiler(loops: pytest.MonkeyPatch) -> None:
    loops.setattr(compiled, "WORK_BEFORE_COMPILING", 100.0)
    assert [compiled.prefer_compiled(40.0) for _ in range(4)] == [False, False, True, True]
