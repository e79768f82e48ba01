"""Threads and compiled loops change how long scoring takes, never a bit of a score."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.detectors import DETECTORS, make
from pynomaly.detectors.compiled import LEAST_ROWS

# Enough rows for several blocks; the slow ones are held to the same by the contract suite on fewer.
QUICK = [name for name, entry in DETECTORS.items() if entry.cost == "linear"]


@pytest.mark.parametrize("name", QUICK)
def test_threads_change_no_bit(name: str) -> None:
    rng = np.random.default_rng(0)
    detector = make(name, seed=0).fit(rng.normal(size=(300, 4)))
    rows = rng.normal(size=(3 * detector.block_rows + 7, 4))
    assert (detector.score(rows, threads=1) == detector.score(rows, threads=3)).all()


def test_the_compiled_forest_gives_the_bits_of_the_other() -> None:
    rng = np.random.default_rng(1)
    forest = make("iforest", seed=0, n_estimators=37, max_samples=100).fit(rng.normal(size=(500, 6)))
    rows = rng.normal(scale=3, size=(LEAST_ROWS, 6))
    rows[0] = forest.state["threshold"].astype(float)[:6]  # exactly on a threshold
    alone = np.concatenate([forest.score(rows[at : at + 100]) for at in range(0, LEAST_ROWS, 100)])
    assert (forest.score(rows) == alone).all()


@pytest.mark.parametrize("name", ["ecod", "copod"])
def test_compiled_tails_give_the_bits_of_the_others(name: str) -> None:
    rng = np.random.default_rng(2)
    rows = np.round(rng.normal(size=(LEAST_ROWS, 3)), 1)  # ties, values on and between the fitted ones
    rows[0], rows[1] = 1e9, -1e9
    tails = make(name, seed=0).fit(np.round(rng.normal(size=(200, 3)), 2))
    alone = np.concatenate([tails.score(rows[at : at + 100]) for at in range(0, LEAST_ROWS, 100)])
    assert (tails.score(rows) == alone).all()
