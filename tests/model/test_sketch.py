"""The sketch keeps what it says: exact where it can be, bounded where it cannot."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly.model.sketch import CategorySketch, NumericSketch, Sketch
from tests import naive

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


def sample(rows: int = 1000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=rows), "b": rng.integers(0, 5, rows).astype(float)})
    frame["c"] = pd.Series(rng.choice(["x", "y", "z"], rows), dtype=object)
    frame.loc[:9, "a"] = np.nan
    frame.loc[:4, "c"] = None
    return frame


def test_counts_rows_and_missing_cells() -> None:
    sketch = Sketch.of(sample(), scores=np.arange(1000.0))
    assert (sketch.rows, sketch.numeric["a"].n, sketch.numeric["a"].missing) == (1000, 990, 10)
    assert (sketch.categorical["c"].n, sketch.categorical["c"].missing) == (995, 5)
    assert sum(sketch.categorical["c"].counts.values()) == 995
    assert sketch.score is not None
    assert sketch.score.n == 1000


def test_survives_json_exactly_and_stays_small() -> None:
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(20_000, 12)), columns=list("abcdefghijkl"))
    sketch = Sketch.of(frame, scores=frame["a"])
    text = json.dumps(sketch.to_dict(), allow_nan=False)
    assert Sketch.from_dict(json.loads(text)) == sketch
    assert len(text) < 200_000


@given(st.lists(finite, min_size=1, max_size=200))
def test_few_values_give_the_exact_distribution(values: list[float]) -> None:
    sketch = NumericSketch.of(values)
    points = np.array(sorted({*values, *(value + 0.5 for value in values), -1e30, 1e30}))
    for strict in (False, True):
        low, high = sketch.bounds(points, strict=strict)
        expected = [naive.share_up_to(values, point, strict) for point in points]
        np.testing.assert_array_equal(low, expected)
        np.testing.assert_array_equal(high, expected)


@pytest.mark.parametrize("draw", ["normal", "lognormal", "poisson", "spiked"])
def test_many_values_are_bounded_within_one_part_in_256(draw: str) -> None:
    rng = np.random.default_rng(2)
    values = {
        "normal": lambda: rng.normal(size=5000),
        "lognormal": lambda: rng.lognormal(sigma=3, size=5000),
        "poisson": lambda: rng.poisson(2000, size=5000).astype(float),
        "spiked": lambda: np.where(rng.random(5000) < 0.6, 0.0, rng.normal(size=5000)),
    }[draw]()
    points = np.concatenate([values[:500], rng.normal(size=200)])
    sketch = NumericSketch.of(values)
    assert len(sketch.values) <= 257
    for strict in (False, True):
        low, high = sketch.bounds(points, strict=strict)
        expected = np.array([naive.share_up_to(values, point, strict) for point in points])
        assert ((low <= expected) & (expected <= high)).all()
        assert (high - low).max() <= 1 / 256


@settings(max_examples=50)
@given(st.lists(finite, min_size=1, max_size=400), st.floats(0, 1))
def test_quantile_is_a_value_with_that_share_at_or_below(values: list[float], q: float) -> None:
    sketch = NumericSketch.of(values)
    found = sketch.quantile(q)
    assert found in {value + 0.0 for value in values}
    assert naive.share_up_to(values, found, strict=False) >= q - 1e-12


@pytest.mark.parametrize("values", [[], [np.nan], [np.inf, -np.inf]])
def test_nothing_finite_is_a_sketch_of_nothing(values: list[float]) -> None:
    sketch = NumericSketch.of(values)
    assert (sketch.n, sketch.missing) == (0, len(values))
    assert math.isnan(sketch.mean)
    assert math.isnan(sketch.quantile(0.5))
    again = NumericSketch.from_dict(json.loads(json.dumps(sketch.to_dict(), allow_nan=False)))
    assert again.to_dict() == sketch.to_dict()


def test_huge_values_overflow_to_null_not_to_a_warning() -> None:
    content = NumericSketch.of([1e308, -1e308, 1e308, 1e308]).to_dict()
    assert content["std"] is None
    json.dumps(content, allow_nan=False)


def test_signed_zero_is_one_value() -> None:
    assert NumericSketch.of([-0.0, 0.0]).values == (0.0,)


def test_many_categories_keep_the_frequent_ones_and_count_the_rest() -> None:
    names = [f"c{i:03d}" for i in range(300) for _ in range(300 - i)]
    sketch = CategorySketch.of(pd.Series(names, dtype=object))
    assert len(sketch.counts) == 256
    assert sketch.counts["c000"] == 300
    assert "c299" not in sketch.counts
    assert sum(sketch.buckets()) == sketch.n == len(names)
    again = CategorySketch.from_dict(json.loads(json.dumps(sketch.to_dict())))
    assert again == sketch


def test_buckets_of_a_complete_sketch_are_those_of_a_cut_one() -> None:
    names = [f"c{i:03d}" for i in range(300)]
    halves = [CategorySketch.of(pd.Series(part, dtype=object)) for part in (names[:150], names[150:])]
    together = CategorySketch.of(pd.Series(names, dtype=object))
    assert halves[0].hashed == ()
    assert [sum(pair) for pair in zip(*(half.buckets() for half in halves), strict=True)] == list(
        together.hashed
    )


def test_row_order_does_not_matter_and_the_frame_is_not_changed() -> None:
    frame = sample()
    before = frame.copy()
    shuffled = frame.sample(frac=1, random_state=3)
    first, second = Sketch.of(frame).to_dict(), Sketch.of(shuffled).to_dict()
    for content in (first, second):  # a sum in another order differs in its last bit
        for column in content["numeric"].values():
            column["mean"], column["std"] = round(column["mean"], 9), round(column["std"], 9)
        moments = content.pop("moments")
        assert np.isfinite(moments["comoment"]).all()
    assert first == second
    pd.testing.assert_frame_equal(frame, before)
