"""The measurement of the bake draws what it says, and its quick form holds the bounds of the page."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import bake

FLEET = bake.ROWS[3]


@pytest.mark.parametrize("rows", bake.ROWS[:4], ids=lambda rows: rows.name)
def test_rows_depend_as_long_as_they_say(rows: bake.Rows) -> None:
    frame = bake.draw_rows(rows, 400, np.random.default_rng(0))
    values = frame.loc[frame["machine"] == "m0", "a"].to_numpy()
    neighbours = np.corrcoef(values[1:], values[:-1])[0, 1]
    expected = np.exp(-rows.step / rows.hours) if rows.hours else 0.0
    assert neighbours == pytest.approx(expected, abs=0.02)
    assert values.std() == pytest.approx(1.0, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["same", "equal", "wider"])
def test_a_version_as_good_as_the_one_before_stays(kind: str) -> None:
    counts = bake.measure(FLEET, kind, "fdr", draws=5, seed=70_000)
    assert (counts.draws, counts.taken_back, counts.open) == (5, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flood", "blind"])
def test_a_bad_version_is_taken_back(kind: str) -> None:
    counts = bake.measure(FLEET, kind, "quantile", draws=3, seed=70_000)
    assert counts.taken_back == 3
    assert max(counts.windows) <= 10
