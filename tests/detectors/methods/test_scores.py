"""The numbers: each scorer of ours against the vendor whose fit it is, or its definition written slowly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal, skew

from pynomaly.detectors import make_detector
from pynomaly.detectors.numerics.exact import mean_and_scale
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

    peer = IForest(n_estimators=50, max_samples=256, max_features=max_features, random_state=5).fit(FITTED)
    ours = make_detector("iforest", seed=5, n_estimators=50, max_features=max_features).fit(FITTED)
    np.testing.assert_allclose(ours.score(FRESH), -peer.detector_.score_samples(FRESH), **CLOSE)
    # PyOD's own score is this one, moved by its contamination
    moved = peer.decision_function(FRESH) - ours.score(FRESH)
    np.testing.assert_allclose(moved, moved[0], **CLOSE)


def test_iforest_sees_cells_as_float32_as_its_trees_do() -> None:
    from sklearn.ensemble import IsolationForest

    close = 1 + np.round(RNG.normal(size=(300, 2)), 1) * 1e-7  # ties once rounded
    peer = IsolationForest(random_state=1, max_samples=256).fit(close)
    ours = make_detector("iforest", seed=1).fit(close)
    np.testing.assert_allclose(ours.score(close[:50]), -peer.score_samples(close[:50]), **CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("n_bins", [5, 10, 37])
def test_hbos_is_pyods(n_bins: int) -> None:
    from pyod.models.hbos import HBOS

    peer = HBOS(n_bins=n_bins).fit(FITTED)
    ours = make_detector("hbos", n_bins=n_bins).fit(FITTED)
    outside = np.stack([FITTED.min(axis=0) - 0.3, FITTED.max(axis=0) + 0.3, FITTED.max(axis=0) + 99])
    for rows in (FRESH, outside):
        np.testing.assert_allclose(ours.score(rows), peer.decision_function(rows), **CLOSE)


def test_hbos_finds_a_value_on_an_edge_where_it_was_counted() -> None:
    whole = np.repeat(np.arange(11.0), [500, 1, 80, 40, 20, 10, 5, 5, 5, 5, 1])[:, None]  # each on an edge
    same = np.full((50, 1), 3.0)
    scores = make_detector("hbos", n_bins=10).fit(whole).score(np.array([[0.0], [1.0], [2.0], [3.0]]))
    assert np.argsort(scores).tolist() == [0, 2, 3, 1]
    constant = make_detector("hbos").fit(same)
    assert constant.score(np.array([[9.0]]))[0] > constant.score(same[:1])[0]


@pytest.mark.parametrize("method", ["largest", "mean", "median"])
def test_knn_is_pyods_and_its_definition(method: str) -> None:
    from pyod.models.knn import KNN

    scores = make_detector("knn", n_neighbors=7, method=method).fit(FITTED).score(FRESH)
    peer = KNN(n_neighbors=7, method=method).fit(FITTED)
    np.testing.assert_allclose(scores, peer.decision_function(FRESH), **CLOSE)
    combine = {"largest": max, "mean": np.mean, "median": np.median}[method]
    for row, score in zip(FRESH[:5], scores[:5], strict=True):
        near = naive.find_nearest_rows(FITTED.tolist(), row.tolist(), 7)
        assert combine([distance for distance, _ in near]) == pytest.approx(score, rel=1e-12)


def test_lof_is_scikit_learns_and_its_definition() -> None:
    from sklearn.neighbors import LocalOutlierFactor

    scores = make_detector("lof", n_neighbors=9).fit(FITTED).score(FRESH)
    peer = LocalOutlierFactor(n_neighbors=9, novelty=True).fit(FITTED)
    np.testing.assert_allclose(scores, -peer.score_samples(FRESH), **CLOSE)
    few = FITTED[:40]
    scores = make_detector("lof", n_neighbors=5).fit(few).score(FRESH[:4])
    for row, score in zip(FRESH[:4], scores, strict=True):
        assert naive.lof_score(few.tolist(), row.tolist(), 5) == pytest.approx(score, rel=1e-9)


@pytest.mark.parametrize("name", ["ecod", "copod"])
def test_tails_are_their_definition(name: str) -> None:
    fitted = FITTED[:80].copy()
    fitted[:, 1] = np.round(fitted[:, 1])  # ties
    fitted[:, 2] = 4.0  # no skewness to speak of
    rows = np.concatenate([FRESH[:20], fitted[:5]])
    scores = make_detector(name).fit(fitted).score(rows)
    slow = getattr(naive, f"{name}_score")
    np.testing.assert_allclose(scores, [slow(fitted.tolist(), row.tolist()) for row in rows], **CLOSE)


@pytest.mark.parametrize("name", ["ecod", "copod"])
def test_tails_give_what_pyod_gives_to_a_row_that_comes_alone(name: str) -> None:
    import importlib

    peer = getattr(importlib.import_module(f"pyod.models.{name}"), name.upper())().fit(FITTED)
    ours = make_detector(name).fit(FITTED)
    frozen = np.sign(skew(FITTED))
    same = [row for row in FRESH if (np.sign(skew(np.vstack([FITTED, row]))) == frozen).all()]
    assert len(same) > 30  # elsewhere the row itself turns PyOD's skewness round; ours is frozen
    alone = [peer.decision_function(row[None])[0] for row in same]
    np.testing.assert_allclose(ours.score(np.array(same)), alone, **CLOSE)
    # and this is why PyOD's is not used
    together = peer.decision_function(np.array(same))
    assert not np.allclose(together, alone, rtol=1e-6)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_gmm_is_pyods_and_a_sum_of_normal_densities(covariance_type: str) -> None:
    from pyod.models.gmm import GMM

    ours = (
        make_detector("gmm", seed=3, n_components=2, covariance_type=covariance_type).fit(FITTED).score(FRESH)
    )
    peer = GMM(n_components=2, covariance_type=covariance_type, random_state=3).fit(standard(FITTED))
    np.testing.assert_allclose(ours, peer.decision_function(standard(FRESH)), **CLOSE)
    mixture = peer.detector_
    spread = [np.diag(c) if c.ndim == 1 else c for c in mixture.covariances_]
    logs = [
        np.log(weight) + multivariate_normal(middle, covariance).logpdf(standard(FRESH))
        for weight, middle, covariance in zip(mixture.weights_, mixture.means_, spread, strict=True)
    ]
    np.testing.assert_allclose(ours, -np.logaddexp(*logs), rtol=1e-7)


def test_pca_is_scikit_learns_likelihood_without_its_constant() -> None:
    from sklearn.decomposition import PCA

    ours = make_detector("pca", variance=0.8).fit(FITTED)
    peer = PCA(n_components=0.8, svd_solver="full").fit(standard(FITTED))
    assert peer.n_components_ < 4
    apart = ours.score(FRESH) + 2 * peer.score_samples(standard(FRESH))
    np.testing.assert_allclose(apart, apart[0], rtol=1e-9)


def test_mcd_is_pyods() -> None:
    from pyod.models.mcd import MCD

    peer = MCD(support_fraction=0.75, random_state=2).fit(standard(FITTED))
    ours = make_detector("mcd", seed=2).fit(FITTED).score(FRESH)
    np.testing.assert_allclose(ours, peer.decision_function(standard(FRESH)), **CLOSE)


def test_mahalanobis_is_scikit_learns_mahalanobis_distance() -> None:
    from sklearn.covariance import LedoitWolf

    peer = LedoitWolf().fit(standard(FITTED)).mahalanobis(standard(FRESH))
    np.testing.assert_allclose(make_detector("mahalanobis").fit(FITTED).score(FRESH), peer, **CLOSE)


def test_ocsvm_is_scikit_learns() -> None:
    from sklearn.svm import OneClassSVM

    peer = OneClassSVM(nu=0.2, gamma=2 / (4 * FITTED.var())).fit(FITTED)
    ours = make_detector("ocsvm", nu=0.2, gamma=2.0).fit(FITTED).score(FRESH)
    np.testing.assert_allclose(ours, -peer.decision_function(FRESH), **CLOSE)


def test_autoencoder_is_its_network_written_slowly() -> None:
    detector = make_detector("autoencoder", epochs=2, hidden=[6, 3]).fit(FITTED)
    state = detector.state
    layers = [
        (state[f"weights{i}"].tolist(), state[f"bias{i}"].tolist()) for i in range(int(state["layers"]))
    ]
    assert [len(bias) for _, bias in layers] == [6, 2, 6, 4]  # the narrowest is half as wide as the row
    for row, score in zip(FRESH[:5], detector.score(FRESH[:5]), strict=True):
        wanted = ((row - state["mean"]) / state["scale"]).tolist()
        output = naive.apply_network(layers, wanted)
        error = sum((a - b) ** 2 for a, b in zip(output, wanted, strict=True)) / 4
        assert score == pytest.approx(error, rel=1e-9)


def test_autoencoder_learns_and_training_leaves_no_trace_in_torch() -> None:
    import torch

    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    cause = RNG.normal(size=(600, 1))
    related = cause @ np.array([[1.0, -1.0, 0.5, 2.0]]) + 0.05 * RNG.normal(size=(600, 4))
    short, long = (make_detector("autoencoder", epochs=epochs).fit(related) for epochs in (1, 60))
    assert long.score(related).mean() < 0.2 * short.score(related).mean()
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads


def test_autoencoder_trains_on_a_gpu_where_there_is_one_and_says_so_where_not() -> None:
    import torch

    detector = make_detector("autoencoder", device="cuda", epochs=20)
    if not torch.cuda.is_available():
        with pytest.raises(DetectorError, match="finds no GPU here; allowed here: 'cpu'"):
            detector.fit(FITTED)
        return
    here = make_detector("autoencoder", epochs=20).fit(FITTED).score(FRESH)
    np.testing.assert_allclose(detector.fit(FITTED).score(FRESH), here, rtol=0.05)


@pytest.mark.parametrize("name", ["gmm", "pca", "mcd", "mahalanobis", "autoencoder", "iforest"])
def test_units_do_not_matter(name: str) -> None:
    units = np.array([1.0, 1e-4, 1024.0, 1e6])
    plain = make_detector(name).fit(FITTED).score(FRESH)
    other = make_detector(name).fit(FITTED * units).score(FRESH * units)
    # the forest draws its cuts in float32, the network is trained in it
    tolerance = {"autoencoder": 0.5, "iforest": 0.05}.get(name, 1e-6)
    np.testing.assert_allclose(other, plain, rtol=tolerance)


@pytest.mark.parametrize("name", ["gmm", "pca", "mcd", "mahalanobis"])
def test_a_broken_relation_is_seen_though_each_value_is_usual(name: str) -> None:
    cause = RNG.normal(size=(500, 1))
    together = cause @ np.ones((1, 4)) + 0.1 * RNG.normal(size=(500, 4))
    broken = np.array([[1.0, -1.0, 1.0, 1.0]])
    detector = make_detector(name).fit(together)
    assert detector.score(broken)[0] > detector.score(together).max()


@pytest.mark.parametrize(
    "members", [["knn"], ["knn", "knn"], "knn", ["knn", "ensemble_mean"], ["knn", "rod"]]
)
def test_members_of_an_ensemble_are_different_detectors(members: object) -> None:
    with pytest.raises(DetectorError, match="ensemble_mean: members"):
        make_detector("ensemble_mean", members=members)


@pytest.mark.parametrize("name", ["ensemble_mean", "ensemble_max", "ensemble_trimmed"])
def test_ensembles_join_their_members_on_one_scale(name: str) -> None:
    names = ["hbos", "knn", "pca", "copod", "mahalanobis"]
    halves = np.random.default_rng(2).permutation(len(FITTED))
    first, second = (FITTED[np.sort(half)] for half in (halves[:150], halves[150:]))
    scores = []
    for member in names:
        low, middle, high = np.quantile(make_detector(member).fit(first).score(second), (0.25, 0.5, 0.75))
        scores.append(
            (make_detector(member).fit(FITTED).score(FRESH) - middle) / ((high - low) / 1.3489795003921634)
        )
    joined = {
        "ensemble_mean": np.mean(scores, axis=0),
        "ensemble_max": np.max(scores, axis=0),
        "ensemble_trimmed": np.sort(scores, axis=0)[1:-1].mean(axis=0),
    }
    ours = make_detector(name, seed=2, members=names).fit(FITTED).score(FRESH)
    np.testing.assert_allclose(ours, joined[name], **CLOSE)


def test_one_member_moves_the_largest_and_not_the_trimmed_mean() -> None:
    members = ["hbos", "knn", "mahalanobis"]
    row = np.array([[60.0, 0, 0, 0]])
    most, trimmed = (
        make_detector(f"ensemble_{way}", members=members).fit(FITTED) for way in ("max", "trimmed")
    )
    assert most.score(row)[0] > 1.5 * trimmed.score(row)[0] > 0


def test_kde_is_scikit_learns() -> None:
    from sklearn.neighbors import KernelDensity

    width = 0.7 * 300 ** (-1 / 8)
    peer = KernelDensity(bandwidth=width).fit(standard(FITTED))
    ours = make_detector("kde", bandwidth=0.7).fit(FITTED).score(FRESH)
    # far out its tree rounds in the fourth digit; a sum of normal densities does not
    np.testing.assert_allclose(ours, -peer.score_samples(standard(FRESH)), rtol=1e-3)
    logs = [
        multivariate_normal(row, width**2 * np.eye(4)).logpdf(standard(FRESH)) for row in standard(FITTED)
    ]
    np.testing.assert_allclose(ours, np.log(300) - np.logaddexp.reduce(logs), rtol=1e-9)


def test_kpca_is_pyods() -> None:
    from pyod.models.kpca import KPCA

    peer = KPCA(n_components=12, gamma=0.5 / 4).fit(standard(FITTED))
    ours = make_detector("kpca", n_components=12, gamma=0.5).fit(FITTED).score(FRESH)
    np.testing.assert_allclose(ours, peer.decision_function(standard(FRESH)), atol=1e-7)


def test_abod_orders_rows_as_pyod_does() -> None:
    from pyod.models.abod import ABOD

    rows = FRESH[:20]
    peer = ABOD(n_neighbors=7).fit(FITTED).decision_function(rows)
    ours = make_detector("abod", n_neighbors=7).fit(FITTED).score(rows)
    np.testing.assert_allclose(ours, -np.log(-peer), rtol=1e-6)


@pytest.mark.slow
def test_cblof_is_pyods() -> None:
    from pyod.models.cblof import CBLOF

    groups = np.concatenate([FITTED * 0.2, FITTED[:40] * 0.2 + 9, FITTED[:3] * 0.2 - 30])
    peer = CBLOF(n_clusters=4, random_state=3).fit(groups - groups.mean(axis=0))
    ours = make_detector("cblof", seed=3, n_clusters=4).fit(groups)
    assert len(ours.state["centres"]) < 4  # some cluster is small
    np.testing.assert_allclose(
        ours.score(FRESH), peer.decision_function(FRESH - groups.mean(axis=0)), **CLOSE
    )


def test_sampling_is_the_distance_to_the_nearest_sampled_row() -> None:
    detector = make_detector("sampling", seed=1, subset_size=9).fit(FITTED)
    assert all(row in FITTED.tolist() for row in detector.state["rows"].tolist())
    near = [naive.find_nearest_rows(detector.state["rows"].tolist(), row.tolist(), 1)[0][0] for row in FRESH]
    np.testing.assert_allclose(detector.score(FRESH), near, rtol=1e-12)


def test_inne_is_pyods_on_the_same_spheres() -> None:
    from pyod.models.inne import INNE

    from pynomaly.detectors.methods.subsample_methods import build_spheres

    peer = INNE(n_estimators=30, max_samples=6, random_state=2).fit(FITTED)
    ours = make_detector("inne", n_estimators=30, max_samples=6).fit(FITTED)
    ours._state = build_spheres(peer._centroids)
    np.testing.assert_allclose(ours.score(FITTED), peer.decision_function(FITTED), **CLOSE)


def test_sgdocsvm_is_scikit_learns() -> None:
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import SGDOneClassSVM

    mapped = Nystroem(gamma=1 / (4 * FITTED.var()), n_components=30, random_state=4).fit(FITTED)
    peer = SGDOneClassSVM(nu=0.3, random_state=4).fit(mapped.transform(FITTED))
    ours = make_detector("sgdocsvm", seed=4, nu=0.3, landmarks=30).fit(FITTED).score(FRESH)
    np.testing.assert_allclose(ours, -peer.decision_function(mapped.transform(FRESH)), rtol=1e-5, atol=1e-5)


def test_loda_counts_the_rows_that_share_a_bin() -> None:
    detector = make_detector("loda", seed=2, n_cuts=9, n_bins=7).fit(FITTED)
    cuts = detector.state["projections"]
    assert ((cuts != 0).sum(axis=0) == 2).all()  # the root of 4 columns
    fitted, rows = standard(FITTED) @ cuts, standard(FRESH) @ cuts
    wanted = np.zeros(len(FRESH))
    for cut in range(9):
        counts, edges = np.histogram(fitted[:, cut], bins=7)
        for row, value in enumerate(rows[:, cut]):
            inside = edges[0] <= value <= edges[-1]
            count = counts[min(int((value - edges[0]) / (edges[1] - edges[0])), 6)] if inside else 0
            wanted[row] -= np.log((count + 1) / (300 + 8) / (edges[1] - edges[0])) / 9
    np.testing.assert_allclose(detector.score(FRESH), wanted, rtol=1e-9)


def test_rare_and_unseen_values_stand_out_by_how_rare_they_are() -> None:
    codes = np.repeat([1.0, 2.0, 3.0, 7.0], [600, 300, 99, 1])
    table = np.column_stack([codes, RNG.permutation(codes)])
    detector = make_detector("rare").fit(table)
    common, usual, seldom, once, unseen = detector.score(
        np.array([[value, 1.0] for value in (1, 2, 3, 7, 5)])
    )
    assert common < usual < seldom < once < unseen
    extra = [600.5, 600.5], [600.5, 300.5], [600.5, 99.5], [600.5, 1.5], [600.5, 0.5]
    wanted = [-np.log(a / 1002.5) - np.log(b / 1002.5) for a, b in extra]
    np.testing.assert_allclose([common, usual, seldom, once, unseen], wanted)


def test_rare_cuts_a_measured_column_into_bins() -> None:
    detector = make_detector("rare", n_bins=10).fit(FITTED[:, :1])
    low, high = FITTED[:, 0].min(), FITTED[:, 0].max()
    inside, edge, outside = detector.score(np.array([[np.median(FITTED[:, 0])], [high], [high + 1e-6]]))
    assert inside < edge < outside == detector.score(np.array([[low - 100.0]]))[0]


def test_vae_scores_with_the_mean_of_its_middle() -> None:
    detector = make_detector("vae", epochs=2, hidden=[6, 3]).fit(FITTED)
    state = detector.state
    turn, end = state["layers"]
    part = [(state[f"weights{i}"].tolist(), state[f"bias{i}"].tolist()) for i in range(end)]
    assert [len(bias) for _, bias in part] == [6, 2, 6, 4]  # log variances are not kept
    for row, score in zip(FRESH[:5], detector.score(FRESH[:5]), strict=True):
        wanted = ((row - state["mean"]) / state["scale"]).tolist()
        output = naive.apply_network(part[turn:], naive.apply_network(part[:turn], wanted))
        error = sum((a - b) ** 2 for a, b in zip(output, wanted, strict=True)) / 4
        assert score == pytest.approx(error, rel=1e-9)


def test_deepsvdd_scores_the_distance_from_its_centre() -> None:
    detector = make_detector("deepsvdd", epochs=2, hidden=[6, 3]).fit(FITTED)
    state = detector.state
    for row, score in zip(FRESH[:5], detector.score(FRESH[:5]), strict=True):
        image = (row - state["mean"]) / state["scale"] @ state["weights0"]
        image = np.where(image > 0, image, 0.1 * image) @ state["weights1"]
        assert score == pytest.approx(((image - state["centre"]) ** 2).sum(), rel=1e-9)


def test_dagmm_scores_under_a_mixture_of_code_and_error() -> None:
    detector = make_detector("dagmm", epochs=2, hidden=[6, 3], n_components=2).fit(FITTED)
    state = detector.state
    code_end, given_end, _ = state["layers"]
    part = [(state[f"weights{i}"].tolist(), state[f"bias{i}"].tolist()) for i in range(given_end)]
    for row, score in zip(FRESH[:5], detector.score(FRESH[:5]), strict=True):
        wanted = (row - state["mean"]) / state["scale"]
        code = naive.apply_network(part[:code_end], wanted.tolist())
        output = np.array(naive.apply_network(part[code_end:], code))
        alike = output @ wanted / (np.linalg.norm(output) * np.linalg.norm(wanted) + 1e-6)
        latent = np.array([*code, np.log1p(((output - wanted) ** 2).mean()), alike])
        spread = [np.linalg.inv(root @ root.T) for root in state["roots"]]
        # each offset is the log weight and the constant of its component
        logs = [
            offset - 0.5 * (latent - middle) @ np.linalg.solve(covariance, latent - middle)
            for offset, middle, covariance in zip(state["offsets"], state["means"], spread, strict=True)
        ]
        assert score == pytest.approx(-np.logaddexp(*logs), rel=1e-6)


@pytest.mark.parametrize("name", ["vae", "deepsvdd", "dagmm"])
def test_networks_learn(name: str) -> None:
    cause = RNG.normal(size=(600, 1))
    related = cause @ np.array([[1.0, -1.0, 0.5, 2.0]]) + 0.05 * RNG.normal(size=(600, 4))
    broken = np.array([[2.0, 2.0, 1.0, 4.0], [-2.0, 2.0, 1.0, -4.0]])
    scores = make_detector(name, epochs=60).fit(related).score(np.concatenate([related, broken]))
    assert (scores[-2:] > np.quantile(scores[:-2], 0.95)).all()
