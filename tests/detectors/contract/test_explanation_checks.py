"""What each column carries of a score, against subsets written out, the vendors and single columns."""

from __future__ import annotations

import numpy as np
import pytest

from pynomaly.detectors import TABULAR, make_detector
from pynomaly.detectors.attributions import distance_terms, explain_by_occlusion, secant_slope
from pynomaly.detectors.numerics.exact import row_sum
from pynomaly.errors import ColumnError, DetectorError, NotFittedError
from tests import naive

RNG = np.random.default_rng(4)
FITTED = RNG.normal(size=(200, 4)) @ RNG.normal(size=(4, 4))
FRESH = np.concatenate([RNG.normal(size=(8, 4)) * 2, RNG.normal(size=(4, 4)) * 30])
USUAL = np.tile(np.median(FITTED, axis=0), (len(FRESH), 1))
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def average_path(rows: int) -> float:
    if rows <= 1:
        return 0.0
    return 1.0 if rows == 2 else 2 * (np.log(rows - 1) + np.euler_gamma) - 2 * (rows - 1) / rows


@pytest.mark.slow
@pytest.mark.parametrize("params", [{}, {"max_samples": 16}, {"max_features": 0.5}])
@pytest.mark.parametrize("repeated", [False, True])
def test_a_forests_parts_are_the_shapley_values_of_its_depth(params: dict, repeated: bool) -> None:
    from pyod.models.iforest import IForest

    rows = np.round(FITTED) if repeated else FITTED  # leaves of many equal rows
    ours = make_detector("iforest", seed=3, n_estimators=7, **params).fit(rows)
    settings = {"max_samples": 200, **params}
    peer = IForest(n_estimators=7, random_state=3, **settings).fit(rows).detector_
    trees = list(zip(peer.estimators_, peer.estimators_features_, strict=True))
    whole = average_path(peer.max_samples_) * len(trees)
    parts = ours.explain(FRESH, USUAL)
    for place, row in enumerate(FRESH.astype(np.float32).tolist()):

        def depth(known: frozenset[int], row: list[float] = row) -> float:
            return sum(
                naive.mean_depth_with_known(each.tree_, list(columns), row, known, average_path)
                for each, columns in trees
            )

        deeper = np.array(naive.shapley_values(depth, 4))
        base, score = 2 ** (-depth(frozenset()) / whole), 2 ** (-depth(frozenset(range(4))) / whole)
        np.testing.assert_allclose(parts.base[place], base, **CLOSE)
        np.testing.assert_allclose(parts.amounts[place], deeper * (score - base) / deeper.sum(), rtol=1e-6)


@pytest.mark.parametrize("name", ["mahalanobis", "mcd", "pca"])
def test_quadratic_distances_divide_into_shapley_values_from_the_centre(name: str) -> None:
    detector = make_detector(name, seed=1).fit(FITTED)
    state = detector.state
    centre = state["mean"] + (state["centre"] * state["scale"] if "centre" in state else 0.0)
    parts = detector.explain(FRESH, USUAL)
    for place, row in enumerate(FRESH):

        def distance(known: frozenset[int], row: np.ndarray = row) -> float:
            masked = np.where([column in known for column in range(4)], row, centre)
            return float(detector.score(masked[None])[0])

        np.testing.assert_allclose(
            parts.amounts[place], naive.shapley_values(distance, 4), rtol=1e-7, atol=1e-7
        )


def test_tails_and_histograms_divide_as_they_are_summed() -> None:
    for name in ("ecod", "copod", "hbos", "rare"):
        detector = make_detector(name).fit(FITTED)
        parts = detector.explain(FRESH, USUAL)
        for column in range(4):  # columns do not know of each other: hiding one shows its term
            hidden = FRESH.copy()
            hidden[:, column] = USUAL[:, column]
            fall = detector.score(FRESH) - detector.score(hidden)
            np.testing.assert_allclose(parts.amounts[:, column], fall, **CLOSE)
        np.testing.assert_allclose(parts.base, detector.score(USUAL), **CLOSE)


def test_neighbours_divide_the_distance() -> None:
    for method in ("largest", "mean", "median"):
        detector = make_detector("knn", n_neighbors=4, method=method).fit(FITTED)
        parts = detector.explain(FRESH, USUAL)
        for place, row in enumerate(FRESH):
            near = naive.find_nearest_rows(FITTED.tolist(), row.tolist(), 4)
            chosen = {"largest": near[3:], "mean": near, "median": near[1:3]}[method]
            wanted = np.mean([(row - FITTED[at]) ** 2 / far for far, at in chosen], axis=0)
            np.testing.assert_allclose(parts.amounts[place], wanted, **CLOSE)
        assert not parts.base.any()


@pytest.mark.slow
def test_an_autoencoders_parts_are_its_errors() -> None:
    detector = make_detector("autoencoder", epochs=2).fit(FITTED)
    parts = detector.explain(FRESH, USUAL)
    assert (parts.amounts >= 0).all()
    np.testing.assert_allclose(row_sum(parts.amounts), detector.score(FRESH), **CLOSE)


def test_occlusion_asks_the_detector_itself() -> None:
    detector = make_detector("lof").fit(FITTED)
    parts = detector.explain(FRESH, USUAL, np.array([0, 1, 1, 2]))
    assert not parts.additive
    hidden = FRESH.copy()
    hidden[:, [1, 2]] = USUAL[:, [1, 2]]
    np.testing.assert_allclose(
        parts.amounts[:, 1], detector.score(FRESH) - detector.score(hidden), rtol=1e-6, atol=1e-8
    )


def test_occlusion_keeps_to_its_budget_and_says_so() -> None:
    calls: list[int] = []

    def score(rows: np.ndarray) -> np.ndarray:
        calls.append(len(rows))
        return row_sum(rows)

    x = np.array([[5.0, 1.0, 0.0, -3.0]])
    parts = explain_by_occlusion(score, x, np.zeros((1, 4)), np.arange(4), most=2)
    assert parts.amounts.tolist() == [[5.0, 0.0, 0.0, -3.0]]
    assert (parts.left_out, calls) == (1, [3])  # the third column is as usual: nothing to try


def test_one_members_parts_are_those_of_the_largest() -> None:
    detector = make_detector("ensemble_max", members=["hbos", "knn"]).fit(FITTED)
    parts = detector.explain(FRESH, USUAL)
    alone = [make_detector(name, seed=0).fit(FITTED) for name in ("hbos", "knn")]
    spread, middle = detector.state["spread"], detector.state["middle"]
    scaled = np.stack([member.score(FRESH) for member in alone], axis=1)
    which = ((scaled - middle) / spread).argmax(axis=1)
    for place, member in enumerate(which):
        own = alone[member].explain(FRESH[[place]], USUAL[[place]])
        np.testing.assert_allclose(parts.amounts[place], own.amounts[0] / spread[member], **CLOSE)


@pytest.mark.slow
def test_an_ensemble_with_an_occluded_member_does_not_claim_to_sum() -> None:
    assert (
        not make_detector("ensemble_mean", members=["lof", "knn"]).fit(FITTED).explain(FRESH, USUAL).additive
    )
    assert make_detector("auto").fit(FITTED).explain(FRESH, USUAL).additive
    assert (
        not make_detector("auto", cleaned=0).fit(FITTED).explain(FRESH, USUAL).additive
    )  # density among samples


@pytest.mark.slow
@pytest.mark.parametrize("far", [1e12, -1e12, 1e-300])
def test_parts_stay_finite(far: float) -> None:
    for name in TABULAR:
        if TABULAR[name].family == "neural":
            continue
        parts = make_detector(name).fit(FITTED).explain(np.full((1, 4), far), USUAL[:1])
        assert np.isfinite(parts.amounts).all(), name


def test_explaining_refuses_what_scoring_does() -> None:
    with pytest.raises(NotFittedError):
        make_detector("knn").explain(FRESH, USUAL)
    detector = make_detector("knn").fit(FITTED)
    with pytest.raises(ColumnError, match=r"\(12, 4\) and is given \(12, 3\)"):
        detector.explain(FRESH, USUAL[:, :3])
    with pytest.raises(DetectorError, match="no rows"):
        detector.explain(FRESH[:0], USUAL[:0])
    with pytest.raises(DetectorError):
        detector.explain(np.full((1, 4), np.nan), USUAL[:1])


def test_slopes_and_shares() -> None:
    assert secant_slope(np.square, 1.0, 3.0) == pytest.approx(4.0)
    assert secant_slope(np.square, 2.0, 2.0) == pytest.approx(4.0)
    assert distance_terms(np.array([3.0, 4.0]), np.zeros(2)).tolist() == pytest.approx([9 / 5, 16 / 5])
    assert distance_terms(np.zeros(2), np.zeros(2)).tolist() == [0.0, 0.0]
