"""The sketch keeps what it says: exact where it can be, bounded where it cannot."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly import config
from pynomaly.errors import ColumnError
from pynomaly.judging.drift.window_drift import compare_sketches
from pynomaly.model.sketch.sketch import CategorySketch, NumericSketch, Sketch
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
    quantile = sketch.quantile(q)
    assert quantile in {value + 0.0 for value in values}
    assert naive.share_up_to(values, quantile, strict=False) >= q - 1e-12


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


parts_of_floats = st.lists(st.lists(finite, max_size=60), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(parts_of_floats, st.randoms())
def test_merging_few_values_is_the_sketch_of_the_whole(parts: list[list[float]], random: Any) -> None:
    whole = NumericSketch.of([value for part in parts for value in part])
    sketches = [NumericSketch.of(part) for part in parts]
    random.shuffle(sketches)
    nested = NumericSketch.merge([NumericSketch.merge(sketches[:2]), *sketches[2:]])
    for merged in (NumericSketch.merge(sketches), nested):
        if len(whole.values) <= 257:
            assert (merged.values, merged.below, merged.through) == (
                whole.values,
                whole.below,
                whole.through,
            )
        assert (merged.n, merged.missing, merged.error) == (whole.n, whole.missing, 0)
        if whole.n:
            scale = max(1.0, max(abs(value) for value in whole.values))
            assert merged.mean == pytest.approx(whole.mean, abs=1e-9 * scale)
            assert merged.std == pytest.approx(whole.std, abs=1e-6 * scale)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(300, 3000), min_size=2, max_size=6),
    st.sampled_from(["normal", "lognormal", "spiked", "sorted"]),
    st.integers(0, 1000),
)
def test_merged_ranks_are_within_the_stated_error(sizes: list[int], draw: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=sum(sizes))
    if draw == "lognormal":
        values = np.exp(3 * values)
    elif draw == "spiked":
        values = np.where(rng.random(values.size) < 0.5, 0.0, values)
    elif draw == "sorted":  # parts that hardly overlap
        values = np.sort(values)
    parts = [NumericSketch.of(part) for part in np.split(values, np.cumsum(sizes)[:-1])]
    tree = NumericSketch.merge([NumericSketch.merge(parts[:2]), NumericSketch.merge(parts[2:])])
    for merged in (NumericSketch.merge(parts), NumericSketch.merge(parts[::-1]), tree):
        assert len(merged.values) <= 257
        assert merged.error <= merged.n * (2 if merged is tree else 1) / 256 + 2 * len(parts)
        assert (merged.values[0], merged.values[-1]) == (values.min(), values.max())
        points = np.concatenate([values[:25], rng.normal(size=15)])
        for strict in (False, True):
            low, high = merged.bounds(points, strict=strict)
            exact = [naive.share_up_to(values, point, strict) for point in points]
            assert (low <= exact).all()
            assert (exact <= high).all()


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from([f"k{i}" for i in range(400)]), max_size=80), min_size=1, max_size=5)
)
def test_merging_categories_is_the_sketch_of_the_whole(parts: list[list[str]]) -> None:
    series = [pd.Series(part, dtype=object) for part in parts]
    whole = CategorySketch.of(pd.concat(series))
    for order in (series, series[::-1]):
        merged = CategorySketch.merge([CategorySketch.of(part) for part in order])
        assert merged.to_dict() == whole.to_dict()


def test_buckets_stay_exact_where_names_are_cut() -> None:
    rng = np.random.default_rng(4)
    names = np.array([f"c{i}" for i in range(3000)], dtype=object)
    parts = [pd.Series(rng.choice(names, 4000), dtype=object) for _ in range(5)]
    merged = CategorySketch.merge([CategorySketch.of(part) for part in parts])
    assert len(merged.counts) == 256
    whole = CategorySketch.of(pd.concat(parts))
    assert merged.hashed == whole.hashed
    assert all(merged.counts[name] <= int((pd.concat(parts) == name).sum()) for name in merged.counts)


def batched(frame: pd.DataFrame, size: int) -> list[Any]:
    return [(frame.iloc[at : at + size], None, None) for at in range(0, len(frame), size)]


def test_batches_make_the_sketch_of_the_whole_within_its_error() -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(3, 2, size=(60_000, 2)), columns=["a", "b"])
    frame["b"] = 0.8 * frame["a"] + 0.3 * frame["b"]
    frame["c"] = pd.Series(rng.choice(["x", "y"], len(frame)), dtype=object)
    whole = Sketch.of(frame)
    streamed = Sketch.from_batches(batched(frame, 1000))  # 60 batches: two levels of merging
    assert streamed.rows == whole.rows
    assert streamed.categorical == whole.categorical
    assert 0 < streamed.numeric["a"].error <= len(frame) * 3 / 2048 + 100
    assert whole.moments is not None
    assert streamed.moments is not None
    np.testing.assert_allclose(streamed.moments.correlation(), whole.moments.correlation(), atol=2e-3)
    points = frame["a"].to_numpy()[:300]
    low, high = streamed.numeric["a"].bounds(points)
    exact = np.searchsorted(np.sort(frame["a"].to_numpy()), points, side="right") / len(frame)
    assert ((low <= exact) & (exact <= high)).all()


def test_moments_of_parts_with_one_scale_add_up_exactly() -> None:
    rng = np.random.default_rng(6)
    frame = pd.DataFrame(rng.normal(100, 5, size=(900, 3)), columns=["a", "b", "c"])
    frame.loc[:20, "b"] = np.nan
    first = Sketch.of(frame)
    parts = [Sketch.of(frame.iloc[at : at + 300], like=first) for at in (0, 300, 600)]
    for order in (parts, parts[::-1]):
        merged = Sketch.merge(order).moments
        assert merged is not None
        assert first.moments is not None
        np.testing.assert_allclose(merged.comoment, first.moments.comoment, rtol=1e-9, atol=1e-9)


def test_sketches_of_other_columns_are_not_merged() -> None:
    with pytest.raises(ColumnError, match="'b'"):
        Sketch.merge([Sketch.of(sample()[["a"]]), Sketch.of(sample()[["a", "b"]])])
    with pytest.raises(ColumnError, match="some have scores"):
        Sketch.merge([Sketch.of(sample(), np.zeros(1000)), Sketch.of(sample())])
    with pytest.raises(ColumnError, match="no batch"):
        Sketch.from_batches([])


def test_a_sketch_written_before_there_were_seasons_still_loads() -> None:
    content = Sketch.of(sample(), np.arange(1000.0)).to_dict()
    for name in ("hours", "moments", "baseline", "importance"):
        del content[name]
    for column in (*content["numeric"].values(), content["score"]):
        column.pop("error", None)
    old = Sketch.from_dict(json.loads(json.dumps(content)))
    assert (old.hours, old.moments, old.baseline, old.importance) == ((), None, None, {})
    assert compare_sketches(old, Sketch.of(sample()), config.Drift()).status == "ok"
