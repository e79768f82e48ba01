"""What is particular in `base`: limits, sampling, hints, and rows of any kind."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pynomaly.detectors import TABULAR, Detector, make_detector
from pynomaly.detectors.base import LIMIT
from pynomaly.detectors.numerics.exact import apply_affine, mean_and_scale, row_sum, squared_distances
from pynomaly.errors import ColumnError, DetectorError

ANY = st.floats(allow_nan=False, allow_infinity=False)
USUAL = st.floats(-1e6, 1e6)


@functools.cache
def fitted(name: str) -> Detector:
    return make_detector(name).fit(np.random.default_rng(2).normal(size=(200, 3)))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TABULAR))
@settings(max_examples=25, deadline=None)
@given(rows=arrays(np.float64, st.tuples(st.integers(1, 9), st.just(3)), elements=ANY))
def test_any_finite_row_has_a_finite_score_of_its_own(name: str, rows: np.ndarray) -> None:
    scores = fitted(name).score(rows)
    assert np.isfinite(scores).all()
    alone = [fitted(name).score(row[None])[0] for row in rows]
    np.testing.assert_array_equal(scores, alone)


@settings(max_examples=50, deadline=None)
@given(rows=arrays(np.float64, st.tuples(st.integers(1, 9), st.just(3)), elements=USUAL))
def test_fixed_order_arithmetic_is_the_usual_one(rows: np.ndarray) -> None:
    weights = np.array([[1.5, -2.0], [0.25, 3.0], [-1.0, 0.5]])
    points = np.array([[0.0, 1.0, 2.0], [5.0, -1.0, 0.5]])
    np.testing.assert_allclose(row_sum(rows), rows.sum(axis=1), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(apply_affine(rows, weights), rows @ weights, rtol=1e-12, atol=1e-8)
    far = ((rows[:, None, :] - points[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(squared_distances(rows, points), far, rtol=1e-12)


def test_a_row_sum_of_no_columns_is_zero() -> None:
    assert row_sum(np.empty((3, 0))).tolist() == [0, 0, 0]


def test_a_column_that_varies_by_rounding_alone_has_scale_one() -> None:
    _, scale = mean_and_scale(np.column_stack([np.full(7, 0.1), np.zeros(7), np.arange(7.0)]))
    assert scale.tolist() == [1, 1, 2]


def test_cells_beyond_the_limit_count_as_the_limit() -> None:
    detector = fitted("knn")
    beyond, at = detector.score(np.array([[1e300, 0, 0], [LIMIT, 0, 0]]))
    assert beyond == at


@pytest.mark.parametrize("place", [0, 57, 119])
@pytest.mark.parametrize("cell", [np.nan, np.inf, -np.inf])
def test_a_bad_cell_is_named_wherever_it_is(place: int, cell: float) -> None:
    rows = np.zeros((40, 3))
    rows.flat[place] = cell
    with pytest.raises(DetectorError, match=rf"column {place % 3}, row {place // 3} is {cell}"):
        fitted("hbos").score(rows)


def test_a_misspelt_column_is_answered_with_the_nearest() -> None:
    frame = pd.DataFrame({"pressure": [1.0, 2, 3], "flow": [1.0, 5, 2]})
    detector = make_detector("hbos").fit(frame)
    with pytest.raises(ColumnError, match=r"'pressure' is missing; did you mean 'presure'\?"):
        detector.score(frame.rename(columns={"pressure": "presure"}))


def test_whole_numbers_truth_values_and_nullable_columns_are_numbers() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3, 4], "b": [True, False, True, True]}).assign(c=[1.5, 2, 2, 3])
    nullable = frame.astype({"a": "Int64", "b": "boolean", "c": "Float64"})
    detector = make_detector("hbos").fit(frame)
    np.testing.assert_array_equal(detector.score(frame), detector.score(nullable))
    with pytest.raises(DetectorError, match="column 'a', row 2 is nan"):
        detector.score(nullable.assign(a=pd.array([1, 2, None, 4], dtype="Int64")))


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (np.zeros(3), ColumnError, "shape"),
        (np.zeros((2, 2, 2)), ColumnError, "shape"),
        (np.zeros((3, 0)), ColumnError, "no columns"),
        (np.array([["a", "b", "c"]]), DetectorError, "not numbers"),
        (np.zeros((2, 3), dtype=complex), DetectorError, "not numbers"),
        (np.array([[1, "x", 2]], dtype=object), DetectorError, "not numbers"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(rows: np.ndarray, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        fitted("hbos").score(rows)


def test_one_row_is_too_few_to_fit_on() -> None:
    with pytest.raises(DetectorError, match="at least 2"):
        make_detector("hbos").fit(np.zeros((1, 3)))


@pytest.mark.parametrize(("name", "rows"), [("knn", 4), ("lof", 20)])
def test_too_few_rows_for_the_neighbours_are_refused(name: str, rows: int) -> None:
    with pytest.raises(DetectorError, match="n_neighbors"):
        make_detector(name).fit(np.random.default_rng(0).normal(size=(rows, 2)))


def test_a_failed_fit_leaves_the_earlier_one() -> None:
    detector = make_detector("pca").fit(np.random.default_rng(0).normal(size=(50, 3)))
    before = detector.score(np.ones((1, 3)))
    with pytest.raises(DetectorError, match="no column varies"):
        detector.fit(np.ones((50, 2)))
    assert detector.score(np.ones((1, 3))) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TABULAR))
def test_rows_that_are_all_equal_give_a_clear_refusal_or_finite_scores(name: str) -> None:
    same = np.full((60, 3), 2.5)
    if name in ("pca", "mcd", "mahalanobis"):
        with pytest.raises(DetectorError, match=r"vary|varies|covariance"):
            make_detector(name).fit(same)
        return
    detector = make_detector(name).fit(same)
    assert np.isfinite(detector.score(np.array([[2.5, 2.5, 2.5], [9.0, 2.5, -1]]))).all()


def test_a_sample_keeps_its_order_and_follows_the_seed() -> None:
    rows = np.arange(600.0).reshape(200, 3)
    kept = []
    for seed in (1, 1, 2):
        detector = make_detector("knn", seed=seed)
        detector.max_rows = 50
        kept.append(detector.fit(rows).state["rows"])
        assert (detector.rows_offered, detector.rows_used) == (200, 50)
    np.testing.assert_array_equal(kept[0], kept[1])
    assert not np.array_equal(kept[0], kept[2])
    assert (np.diff(kept[0][:, 0]) > 0).all()


def test_the_state_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        fitted("hbos").state["edges"][0] = 0


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True, None])
def test_a_seed_out_of_range_is_refused(seed: object) -> None:
    with pytest.raises(DetectorError, match="seed"):
        make_detector("hbos", seed=seed)  # type: ignore[arg-type]
