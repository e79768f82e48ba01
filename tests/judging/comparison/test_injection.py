"""Injected anomalies: pure, seeded, labelled exactly, and found by a detector worth its name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pynomaly.data.frame import FrameContract
from pynomaly.errors import DataError
from pynomaly.judging.comparison.evaluation import roc_auc
from pynomaly.judging.comparison.injection import ANOMALY_KINDS, inject_anomalies

CONTRACT = FrameContract(numeric=("a", "b", "count"), categorical=("c",), time=None, id=None, label=None)


def rows(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    frame = pd.DataFrame(
        {"a": a, "b": a + 0.1 * rng.normal(size=n), "count": rng.poisson(5, n).astype(float)},
        index=np.arange(n) * 3 + 7,
    )
    frame["c"] = pd.Series(rng.choice(["x", "y"], n), index=frame.index, dtype=object)
    frame.loc[rng.random(n) < 0.2, "b"] = np.nan
    frame.loc[rng.random(n) < 0.2, "c"] = None
    return frame


def changed_rows(before: pd.DataFrame, after: pd.DataFrame) -> np.ndarray:
    same = (before == after) | (before.isna() & after.isna())
    return (~same.all(axis=1)).to_numpy().astype(int)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(4, 60), st.floats(0.01, 0.49))
def test_labels_are_exactly_the_changed_rows(seed: int, n: int, share: float) -> None:
    frame = rows(n, seed)
    before = frame.copy()
    after, labels, injected = inject_anomalies(frame, CONTRACT, share, seed)
    kinds = injected.kinds
    pd.testing.assert_frame_equal(frame, before)
    np.testing.assert_array_equal(labels, changed_rows(frame, after))
    np.testing.assert_array_equal(labels == 1, kinds != "")
    assert labels.sum() == max(1, round(share * n))
    pd.testing.assert_frame_equal(after.isna(), frame.isna())
    assert after.index.equals(frame.index)
    assert list(after.dtypes) == list(frame.dtypes)
    assert (after["count"] == after["count"].round()).all()


def test_the_same_seed_gives_the_same_anomalies_and_another_others() -> None:
    frame = rows()
    first, second, other = (inject_anomalies(frame, CONTRACT, 0.1, seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert (first[1] != other[1]).any()


def test_all_kinds_appear_in_equal_parts() -> None:
    _, labels, injected = inject_anomalies(rows(), CONTRACT, 0.1, seed=3)
    kinds = injected.kinds
    assert labels.sum() == 40
    assert {kind: int((kinds == kind).sum()) for kind in ANOMALY_KINDS} == dict.fromkeys(ANOMALY_KINDS, 10)


def test_kinds_are_what_they_say() -> None:
    frame = rows(4000).dropna()
    after, _, injected = inject_anomalies(frame, CONTRACT, 0.2, seed=4)
    kinds = injected.kinds
    apart = (after["a"] - after["b"]).abs()
    assert apart[kinds == ""].max() < 1
    assert apart[kinds == "dependency"].median() > 0.5
    assert after["a"][kinds == "dependency"].isin(frame["a"]).all()
    assert after["a"][kinds == "cluster"].std() < 0.5
    assert (after["a"][kinds == "cluster"].mean() - frame["a"].median()) ** 2 > 4
    low, high = frame.min(numeric_only=True), frame.max(numeric_only=True)
    outside = ((after[low.index] < low) | (after[low.index] > high)).any(axis=1)
    assert outside[kinds == "global"].mean() > 0.9
    moved = (after["a"] - frame["a"]).abs()[kinds == "local"]
    assert moved[moved > 0].between(2, 5).all()


def test_larger_sizes_lie_further_out() -> None:
    frame = rows(3000).dropna()
    after, labels, injected = inject_anomalies(frame, CONTRACT, 0.2, 7, (0.5, 1.0, 2.0))
    assert set(injected.sizes[labels == 1]) == {"0.5", "1", "2"}
    assert set(injected.sizes[labels == 0]) == {""}
    moved = (after["a"] - frame["a"]).abs()
    for kind in ("local", "cluster"):
        counts = [((injected.kinds == kind) & (injected.sizes == size)).sum() for size in ("0.5", "1", "2")]
        assert max(counts) - min(counts) <= 1, kind
        away = moved if kind == "local" else (after["a"] - frame["a"].median()).abs()
        far = [away[(injected.kinds == kind) & (injected.sizes == size) & (moved > 0)].median()
               for size in ("0.5", "1", "2")]  # fmt: skip
        assert far[0] < far[1] < far[2], kind
    small = (injected.kinds == "dependency") & (injected.sizes == "0.5")
    kept = (after[["a", "b", "count", "c"]] == frame[["a", "b", "count", "c"]]).mean(axis=1)
    assert kept[small].mean() > kept[(injected.kinds == "dependency") & (injected.sizes == "1")].mean()


@pytest.mark.parametrize("kind", ANOMALY_KINDS)
def test_a_distance_to_the_neighbours_finds_every_kind(kind: str) -> None:
    frame = rows(1500).dropna()
    after, labels, injected = inject_anomalies(frame, CONTRACT, 0.1, seed=5)
    kinds = injected.kinds
    numbers = after[["a", "b"]].to_numpy()
    normal = numbers[labels == 0]
    distance = np.sort(np.linalg.norm(numbers[:, None] - normal[None], axis=2), axis=1)[:, 5]
    chosen = (kinds == kind) | (kinds == "")
    assert roc_auc(labels[chosen], distance[chosen]) > 0.75


@pytest.mark.parametrize("numeric", [0, 1])
def test_few_columns_are_enough(numeric: int) -> None:
    frame = rows(300)
    contract = FrameContract(
        numeric=("a",)[:numeric], categorical=("c",) if not numeric else (), time=None, id=None, label=None
    )
    frame = frame[[*contract.numeric, *contract.categorical]]
    after, labels, _ = inject_anomalies(frame, contract, 0.1, seed=6)
    np.testing.assert_array_equal(labels, changed_rows(frame, after))
    assert labels.sum() == 30


def test_categories_alone_with_holes() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.choice(["x", "y", "z"], 200) for name in "pq"}, dtype=object)
    frame.loc[rng.random(200) < 0.4, "p"] = None
    frame.loc[rng.random(200) < 0.4, "q"] = None
    contract = FrameContract(numeric=(), categorical=("p", "q"), time=None, id=None, label=None)
    after, labels, _ = inject_anomalies(frame, contract, 0.3, seed=1)
    np.testing.assert_array_equal(labels, changed_rows(frame, after))
    pd.testing.assert_frame_equal(after.isna(), frame.isna())


@pytest.mark.parametrize("values", [[], [1.0, 1.0, 1.0], [np.nan, np.nan]])
def test_nothing_that_varies_is_refused(values: list[float]) -> None:
    contract = FrameContract(numeric=("a",), categorical=(), time=None, id=None, label=None)
    with pytest.raises(DataError, match="'a'"):
        inject_anomalies(pd.DataFrame({"a": np.array(values, dtype=float)}), contract, 0.1, seed=0)


def test_rows_without_a_value_are_left_alone() -> None:
    frame = pd.DataFrame({"a": [np.nan] * 90 + list(np.arange(10.0))})
    contract = FrameContract(numeric=("a",), categorical=(), time=None, id=None, label=None)
    _, labels, _ = inject_anomalies(frame, contract, 0.4, seed=0)
    assert labels[:90].sum() == 0
    assert labels.sum() == 10


def test_an_anomaly_that_came_out_as_it_was_is_made_again_and_has_one_of_the_kinds() -> None:
    """Of two columns of two values each, a redrawn row is often the old one."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.integers(0, 2, 400).astype(float) for name in ("a", "b")})
    contract = FrameContract(numeric=("a", "b"), categorical=(), time=None, id=None, label=None)
    _, labels, injected = inject_anomalies(frame, contract, 0.4, seed=1)
    assert set(injected.kinds) == {*ANOMALY_KINDS, ""}
    assert labels.sum() == 160


def test_a_cluster_is_as_far_on_one_side_as_on_the_other() -> None:
    frame = rows(2000)
    spread = float(np.subtract(*np.quantile(frame["a"], [0.75, 0.25]))) / 1.349
    centres = []
    for seed in range(40):
        after, _, injected = inject_anomalies(frame, CONTRACT, 0.1, seed)
        centres.append((after["a"][injected.kinds == "cluster"].mean() - frame["a"].median()) / spread)
    away = np.abs(centres)
    assert away.min() > 2.9
    assert away.max() < 5.1
    assert 8 < sum(centre > 0 for centre in centres) < 32
