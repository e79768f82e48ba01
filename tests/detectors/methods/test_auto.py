"""The default's parts against their definitions, and what it promises beside a single detector."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from pynomaly.detectors import load_detector, make_detector
from pynomaly.detectors.methods.auto import _combine_views, _fit_score_scales
from pynomaly.detectors.methods.fast_members import (
    BinRarity,
    NormalTails,
    SampledDensity,
    SampledNeighbours,
    _compute_slopes,
    _map_to_normal_scores,
)

RNG = np.random.default_rng(21)
FITTED = np.stack([RNG.normal(size=500), RNG.exponential(size=500), RNG.integers(0, 4, size=500)], axis=1)
FRESH = np.concatenate([FITTED[:20] + 0.1, RNG.normal(size=(20, 3)) * 6])


def test_rarity_counts_the_rows_in_a_cells_bin() -> None:
    scores = BinRarity().fit(FITTED).score(FRESH)
    bins = int(np.clip(math.sqrt(len(FITTED)), 5, 30))
    for row, score in zip(FRESH, scores, strict=True):
        wanted = 0.0
        for cell, column in zip(row, FITTED.T, strict=True):
            edges = np.linspace(column.min(), column.max(), bins + 1)
            counts = np.histogram(column, edges)[0]
            inside = [low <= cell < high for low, high in pairwise(edges)]
            inside[-1] |= cell == edges[-1]
            rows_inside = sum(int(count) for count, here in zip(counts, inside, strict=True) if here)
            wanted -= math.log((rows_inside + 1) / (len(column) + bins))
        assert score == pytest.approx(wanted)


def test_sampled_neighbours_are_the_kth_nearest_of_each_sample() -> None:
    detector = SampledNeighbours(3, samples=2, sample_rows=40, n_neighbors=5).fit(FITTED)
    assert detector.state["rows"].shape == (2, 40, 3)
    scores = detector.score(FRESH)
    for row, score in zip(
        _map_to_normal_scores(FRESH, detector.state, _compute_slopes(detector.state)), scores, strict=True
    ):
        nearest = [sorted(math.dist(row, other) for other in sample)[4] for sample in detector.state["rows"]]
        assert score == pytest.approx(sum(nearest) / 2)


def test_normal_scores_do_not_depend_on_a_columns_unit_or_skew() -> None:
    detector, other = SampledNeighbours(1), SampledNeighbours(1)
    stretched = FITTED.copy()
    stretched[:, 1] = np.exp(stretched[:, 1])
    inside = FITTED[:50]
    first = detector.fit(FITTED).score(inside)
    second = other.fit(stretched).score(stretched[:50])
    np.testing.assert_allclose(first, second, atol=0.1)


def test_tails_are_the_mean_squared_normal_score() -> None:
    detector = NormalTails().fit(FITTED)
    wanted = [
        sum(float(cell) ** 2 for cell in row) / 3
        for row in _map_to_normal_scores(FRESH, detector.state, _compute_slopes(detector.state))
    ]
    np.testing.assert_allclose(detector.score(FRESH), wanted)


def test_sampled_density_is_the_local_outlier_factor_of_normal_scores() -> None:
    from sklearn.neighbors import LocalOutlierFactor

    detector = SampledDensity(3, sample_rows=200, n_neighbors=7).fit(FITTED)
    peer = LocalOutlierFactor(n_neighbors=7, novelty=True).fit(detector.state["rows"])
    wanted = np.log(
        -peer.score_samples(_map_to_normal_scores(FRESH, detector.state, _compute_slopes(detector.state)))
    )
    # ours adds a hundredth of a usual distance, so that equal rows are not infinitely dense
    np.testing.assert_allclose(detector.score(FRESH), wanted, atol=0.03)
    assert detector.score(FRESH)[20:].mean() > detector.score(FRESH)[:20].mean() + 0.3


@pytest.mark.parametrize("rows", [np.zeros((50, 2)), np.repeat(FITTED[:3], 40, axis=0), FITTED[:2]])
def test_density_among_equal_or_few_rows_is_finite(rows: np.ndarray) -> None:
    detector = SampledDensity().fit(rows)
    assert np.isfinite(detector.score(rows)).all()
    assert np.isfinite(detector.score(rows + 1e6)).all()


@pytest.mark.slow
def test_rows_known_to_be_normal_are_fitted_once(tmp_path) -> None:
    cautious, usual = make_detector("auto", cleaned=0).fit(FITTED), make_detector("auto").fit(FITTED)
    assert len(cautious.state["middle"]) == 5  # four members and the tails
    assert len(usual.state["middle"]) == 13
    scores = cautious.score(FRESH)
    assert scores[20:].mean() > scores[:20].max()
    np.testing.assert_array_equal(np.concatenate([cautious.score(row[None]) for row in FRESH]), scores)
    cautious.save(tmp_path)
    np.testing.assert_array_equal(load_detector(tmp_path).score(FRESH[::-1])[::-1], scores)


def test_the_tails_alone_decide_where_the_other_views_see_nothing() -> None:
    scores = RNG.normal(size=(400, 13))
    state = _fit_score_scales(scores)
    only, one_of_six = np.zeros((1, 13)), np.zeros((1, 13))
    only[0, 12], one_of_six[0, 0] = 8.0, 8.0  # a view of its own, and one member of a view of six
    ordinary = _combine_views(scores, state)
    assert _combine_views(only, state)[0] > ordinary.max()
    assert _combine_views(only, state)[0] > _combine_views(one_of_six, state)[0]


def test_one_member_alone_cannot_outvote_the_others() -> None:
    scores = RNG.normal(size=(400, 4))
    state = _fit_score_scales(scores)
    loud, agreed = np.zeros((1, 4)), np.full((1, 4), 30.0)
    loud[0, 2] = 1e12
    assert _combine_views(agreed, state)[0] > _combine_views(loud, state)[0]
    louder = loud * 10
    assert _combine_views(louder, state)[0] > _combine_views(loud, state)[0]  # no tie for being far


@pytest.mark.slow
def test_anomalies_among_its_own_rows_do_not_hide_themselves(tmp_path) -> None:
    rows = RNG.normal(size=(600, 4))
    rows[:60] = 4 + 0.3 * RNG.normal(size=(60, 4))  # one row in ten, close together
    fresh = np.concatenate([RNG.normal(size=(200, 4)), 4 + 0.3 * RNG.normal(size=(20, 4))])
    detector, trusting = make_detector("auto").fit(rows), make_detector("auto", cleaned=0).fit(rows)
    scores, hidden = detector.score(fresh), trusting.score(fresh)
    share, other = ((values[200:, None] > values[:200]).mean() for values in (scores, hidden))
    assert share > 0.97
    assert share >= other
    detector.save(tmp_path)
    np.testing.assert_array_equal(load_detector(tmp_path).score(fresh), scores)


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_a_handful_of_rows_is_fitted(rows: int) -> None:
    scores = make_detector("auto").fit(FITTED[:rows]).score(FRESH)
    assert np.isfinite(scores).all()
