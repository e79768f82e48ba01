"""The numbers: each scorer of ours against the vendor whose fit it is, or its definition written slowly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, skew

from pynomaly.detectors import make
from pynomaly.detectors.exact import mean_and_scale
from pynomaly.errors import DetectorError
from tests import naive

RNG = np.random.default_rng(11)
FITTED = RNG.normal(size=(300, 4)) @ RNG.normal(size=(4, 4)) + RNG.exponential(size=(300, 4))
FRESH = np.concatenate([RNG.normal(size=(40, 4)) * 2, RNG.normal(size=(10, 4)) * 9])
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def standard(X: np.ndarray) -> np.ndarray:
    mean, scale = mean_and_scale(FITTED)
    return (X - mean) / scale


@pytest.mark.parametrize("max_features", [1.0, 0.5])
def test_iforest_walks_the_trees_as_scikit_learn_does(max_features: float) -> None:
    from pyod.models.iforest import IForest

    theirs = IForest(n_estimators=50, max_samples=256, max_features=max_features, random_state=5).fit(FITTED)
    ours = make("iforest", seed=5, n_estimators=50, max_features=max_features).fit(FITTED)
    np.testing.assert_allclose(ours.score(FRESH), -theirs.detector_.score_samples(FRESH), **CLOSE)
    # PyOD's own score is this one, moved by its contamination
    moved = theirs.decision_function(FRESH) - ours.score(FRESH)
    np.testing.assert_allclose(moved, moved[0], **CLOSE)


def test_iforest_sees_cells_as_float32_as_its_trees_do() -> None:
    from sklearn.ensemble import IsolationForest

    close = 1 + np.round(RNG.normal(size=(300, 2)), 1) * 1e-7  # ties once rounded
    theirs = IsolationForest(random_state=1, max_samples=256).fit(close)
    ours = make("iforest", seed=1).fit(close)
    np.testing.assert_allclose(ours.score(close[:50]), -theirs.score_samples(close[:50]), **CLOSE)


@pytest.mark.parametrize("n_bins", [5, 10, 37])
def test_hbos_is_pyods(n_bins: int) -> None:
    from pyod.models.hbos import HBOS

    theirs = HBOS(n_bins=n_bins).fit(FITTED)
    ours = make("hbos", n_bins=n_bins).fit(FITTED)
    edges = np.linspace(FITTED.min(axis=0), FITTED.max(axis=0), 41)  # on, inside and beside the bins
    outside = np.stack([FITTED.min(axis=0) - 0.3, FITTED.max(axis=0) + 0.3, FITTED.max(axis=0) + 99])
    for rows in (FRESH, edges, outside):
        np.testing.assert_allclose(ours.score(rows), theirs.decision_function(rows), **CLOSE)


@pytest.mark.parametrize("method", ["largest", "mean", "median"])
def test_knn_is_pyods_and_its_definition(method: str) -> None:
    from pyod.models.knn import KNN

    scores = make("knn", n_neighbors=7, method=method).fit(FITTED).score(FRESH)
    theirs = KNN(n_neighbors=7, method=method).fit(FITTED)
    np.testing.assert_allclose(scores, theirs.decision_function(FRESH), **CLOSE)
    combine = {"largest": max, "mean": np.mean, "median": np.median}[method]
    for row, score in zip(FRESH[:5], scores[:5], strict=True):
        near = naive.nearest(FITTED.tolist(), row.tolist(), 7)
        assert combine([distance for distance, _ in near]) == pytest.approx(score, rel=1e-12)


def test_lof_is_scikit_learns_and_its_definition() -> None:
    from sklearn.neighbors import LocalOutlierFactor

    scores = make("lof", n_neighbors=9).fit(FITTED).score(FRESH)
    theirs = LocalOutlierFactor(n_neighbors=9, novelty=True).fit(FITTED)
    np.testing.assert_allclose(scores, -theirs.score_samples(FRESH), **CLOSE)
    few = FITTED[:40]
    scores = make("lof", n_neighbors=5).fit(few).score(FRESH[:4])
    for row, score in zip(FRESH[:4], scores, strict=True):
        assert naive.lof_score(few.tolist(), row.tolist(), 5) == pytest.approx(score, rel=1e-9)


@pytest.mark.parametrize("name", ["ecod", "copod"])
def test_tails_are_their_definition(name: str) -> None:
    fitted = FITTED[:80].copy()
    fitted[:, 1] = np.round(fitted[:, 1])  # ties
    fitted[:, 2] = 4.0  # no skewness to speak of
    rows = np.concatenate([FRESH[:20], fitted[:5]])
    scores = make(name).fit(fitted).score(rows)
    slow = getattr(naive, f"{name}_score")
    np.testing.assert_allclose(scores, [slow(fitted.tolist(), row.tolist()) for row in rows], **CLOSE)


@pytest.mark.parametrize("name", ["ecod", "copod"])
def test_tails_give_what_pyod_gives_to_a_row_that_comes_alone(name: str) -> None:
    import importlib

    theirs = getattr(importlib.import_module(f"pyod.models.{name}"), name.upper())().fit(FITTED)
    ours = make(name).fit(FITTED)
    frozen = np.sign(skew(FITTED))
    same = [row for row in FRESH if (np.sign(skew(np.vstack([FITTED, row]))) == frozen).all()]
    assert len(same) > 30  # elsewhere the row itself turns PyOD's skewness round; ours is frozen
    alone = [theirs.decision_function(row[None])[0] for row in same]
    np.testing.assert_allclose(ours.score(np.array(same)), alone, **CLOSE)
    # and this is why PyOD's is not used
    together = theirs.decision_function(np.array(same))
    assert not np.allclose(together, alone, rtol=1e-6)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_gmm_is_pyods_and_a_sum_of_normal_densities(covariance_type: str) -> None:
    from pyod.models.gmm import GMM

    ours = make("gmm", seed=3, n_components=2, covariance_type=covariance_type).fit(FITTED).score(FRESH)
    theirs = GMM(n_components=2, covariance_type=covariance_type, random_state=3).fit(standard(FITTED))
    np.testing.assert_allclose(ours, theirs.decision_function(standard(FRESH)), **CLOSE)
    mixture = theirs.detector_
    spread = [np.diag(c) if c.ndim == 1 else c for c in mixture.covariances_]
    logs = [
        np.log(weight) + multivariate_normal(middle, covariance).logpdf(standard(FRESH))
        for weight, middle, covariance in zip(mixture.weights_, mixture.means_, spread, strict=True)
    ]
    np.testing.assert_allclose(ours, -np.logaddexp(*logs), rtol=1e-7)


def test_pca_is_scikit_learns_likelihood_without_its_constant() -> None:
    from sklearn.decomposition import PCA

    ours = make("pca", variance=0.8).fit(FITTED)
    theirs = PCA(n_components=0.8, svd_solver="full").fit(standard(FITTED))
    assert theirs.n_components_ < 4
    apart = ours.score(FRESH) + 2 * theirs.score_samples(standard(FRESH))
    np.testing.assert_allclose(apart, apart[0], rtol=1e-9)


def test_mcd_is_pyods() -> None:
    from pyod.models.mcd import MCD

    theirs = MCD(support_fraction=0.75, random_state=2).fit(standard(FITTED))
    ours = make("mcd", seed=2).fit(FITTED).score(FRESH)
    np.testing.assert_allclose(ours, theirs.decision_function(standard(FRESH)), **CLOSE)


def test_elliptic_is_scikit_learns_mahalanobis_distance() -> None:
    from sklearn.covariance import LedoitWolf

    theirs = LedoitWolf().fit(standard(FITTED)).mahalanobis(standard(FRESH))
    np.testing.assert_allclose(make("elliptic").fit(FITTED).score(FRESH), theirs, **CLOSE)


def test_ocsvm_is_scikit_learns() -> None:
    from sklearn.svm import OneClassSVM

    theirs = OneClassSVM(nu=0.2, gamma=2 / (4 * FITTED.var())).fit(FITTED)
    ours = make("ocsvm", nu=0.2, gamma=2.0).fit(FITTED).score(FRESH)
    np.testing.assert_allclose(ours, -theirs.decision_function(FRESH), **CLOSE)


def test_autoencoder_is_its_network_written_slowly() -> None:
    detector = make("autoencoder", epochs=2, hidden=[6, 3]).fit(FITTED)
    state = detector.state
    layers = [
        (state[f"weights{i}"].tolist(), state[f"bias{i}"].tolist()) for i in range(int(state["layers"]))
    ]
    assert [len(bias) for _, bias in layers] == [6, 2, 6, 4]  # the narrowest is half as wide as the row
    for row, score in zip(FRESH[:5], detector.score(FRESH[:5]), strict=True):
        wanted = ((row - state["mean"]) / state["scale"]).tolist()
        given = naive.network(layers, wanted)
        error = sum((a - b) ** 2 for a, b in zip(given, wanted, strict=True)) / 4
        assert score == pytest.approx(error, rel=1e-9)


def test_autoencoder_learns_and_training_leaves_no_trace_in_torch() -> None:
    import torch

    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    cause = RNG.normal(size=(600, 1))
    related = cause @ np.array([[1.0, -1.0, 0.5, 2.0]]) + 0.05 * RNG.normal(size=(600, 4))
    short, long = (make("autoencoder", epochs=epochs).fit(related) for epochs in (1, 60))
    assert long.score(related).mean() < 0.2 * short.score(related).mean()
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads


def test_autoencoder_trains_on_a_gpu_where_there_is_one_and_says_so_where_not() -> None:
    import torch

    detector = make("autoencoder", device="cuda", epochs=20)
    if not torch.cuda.is_available():
        with pytest.raises(DetectorError, match="finds no GPU here; allowed here: 'cpu'"):
            detector.fit(FITTED)
        return
    here = make("autoencoder", epochs=20).fit(FITTED).score(FRESH)
    np.testing.assert_allclose(detector.fit(FITTED).score(FRESH), here, rtol=0.05)


@pytest.mark.parametrize("name", ["gmm", "pca", "mcd", "elliptic", "autoencoder", "iforest"])
def test_units_do_not_matter(name: str) -> None:
    units = np.array([1.0, 1e-4, 1024.0, 1e6])
    plain = make(name).fit(FITTED).score(FRESH)
    other = make(name).fit(FITTED * units).score(FRESH * units)
    # the forest draws its cuts in float32, the network is trained in it
    tolerance = {"autoencoder": 0.5, "iforest": 0.05}.get(name, 1e-6)
    np.testing.assert_allclose(other, plain, rtol=tolerance)


@pytest.mark.parametrize("name", ["gmm", "pca", "mcd", "elliptic"])
def test_a_broken_relation_is_seen_though_each_value_is_usual(name: str) -> None:
    cause = RNG.normal(size=(500, 1))
    together = cause @ np.ones((1, 4)) + 0.1 * RNG.normal(size=(500, 4))
    broken = np.array([[1.0, -1.0, 1.0, 1.0]])
    detector = make(name).fit(together)
    assert detector.score(broken)[0] > detector.score(together).max()
