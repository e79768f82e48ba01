"""Reranking: known anomalies raise rows like them, chance labels change nothing, files give it back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pynomaly.detectors import make_detector
from pynomaly.detectors.methods import reranking as module
from pynomaly.detectors.methods.reranking import Reranking, _average_precision
from pynomaly.errors import DetectorError, IntegrityError
from tests import naive


def labelled(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Half of what is odd is an anomaly: rows far to the right, not those far to the left."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 3))
    X[: rows // 10, 0] += 6
    X[rows // 10 : rows // 5, 0] -= 6
    return X, (np.arange(rows) < rows // 10).astype(np.int64)


DETECTOR = make_detector("iforest").fit(np.random.default_rng(0).normal(size=(400, 3)))
X, TRUTH = labelled(600, seed=1)
FOUND = Reranking.fit(X, DETECTOR.score(X), TRUTH)
FRESH, FRESH_TRUTH = labelled(400, seed=2)
SCORES = DETECTOR.score(FRESH)


def test_rows_like_the_known_anomalies_rise() -> None:
    assert FOUND.used
    before = average_precision_score(FRESH_TRUTH, SCORES)
    assert average_precision_score(FRESH_TRUTH, FOUND.score(FRESH, SCORES)) > before + 0.2


def test_labels_by_chance_change_nothing() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(500, 3))
    scores = rows[:, 0]
    chance = Reranking.fit(rows, scores, (scores > np.quantile(scores, 0.94)).astype(int))
    assert not chance.used  # the scores alone rank perfectly
    np.testing.assert_array_equal(chance.score(rows, scores), scores)


def test_a_row_scores_the_same_alone_and_in_any_batch() -> None:
    together = FOUND.score(np.tile(FRESH, (3, 1)), np.tile(SCORES, 3))
    alone = np.concatenate([FOUND.score(FRESH[[at]], SCORES[[at]]) for at in range(50)])
    np.testing.assert_array_equal(together[:50], alone)
    np.testing.assert_array_equal(together[:400], together[800:])
    order = np.random.default_rng(0).permutation(400)
    np.testing.assert_array_equal(FOUND.score(FRESH[order], SCORES[order]), together[order])


def test_saved_facts_and_arrays_give_it_back(tmp_path) -> None:
    np.savez(tmp_path / "trees.npz", allow_pickle=False, **FOUND.arrays)
    facts = json.loads(json.dumps(FOUND.to_dict()))
    with np.load(tmp_path / "trees.npz", allow_pickle=False) as archive:
        again = Reranking.restore(facts, dict(archive))
    np.testing.assert_array_equal(again.score(FRESH, SCORES), FOUND.score(FRESH, SCORES))
    with pytest.raises(IntegrityError, match="incomplete"):
        Reranking.restore(facts, {"width": np.array(3)})
    with pytest.raises(IntegrityError, match="incomplete"):
        Reranking.restore({}, FOUND.arrays)


def test_far_scores_stay_finite_and_in_order() -> None:
    far = FOUND.score(FRESH[:2], np.array([1e90, 1e200]))
    assert np.isfinite(far).all()
    assert FOUND.score(FRESH[[0]], np.array([1e9]))[0] > FOUND.score(FRESH[[0]], np.array([1e6]))[0]


@pytest.mark.parametrize(
    ("positives", "words"), [(19, "19 known anomalies; at least 20"), (590, "10 other rows")]
)
def test_too_few_of_either_are_refused(positives: int, words: str) -> None:
    with pytest.raises(DetectorError, match=words):
        Reranking.fit(X, DETECTOR.score(X), (np.arange(600) < positives).astype(int))


@pytest.mark.slow
def test_incidents_stay_in_one_fold_and_fewer_than_five_teach_nothing() -> None:
    """Every incident sits at a place of its own among usual rows: hours of one say nothing of the next."""
    rng = np.random.default_rng(1)
    usual = rng.uniform(size=(400, 2))
    odd = np.repeat(rng.uniform(size=(10, 2)), 6, axis=0) + 0.003 * rng.normal(size=(60, 2))
    rows, labels = np.concatenate([usual, odd]), (np.arange(460) >= 400).astype(int)
    scores = rng.normal(size=460)  # a detector that sees nothing
    blocks = np.concatenate([np.full(400, -1), np.arange(60) // 6])
    by_row, by_incident = (Reranking.fit(rows, scores, labels, blocks=groups) for groups in (None, blocks))
    assert by_row.used
    assert by_row.after > 0.8
    assert by_incident.after < 0.4
    with pytest.raises(DetectorError, match="lie in 4 blocks of dependent rows; at least 5"):
        Reranking.fit(rows, scores, labels, blocks=np.minimum(blocks, 3))
    with pytest.raises(DetectorError, match="blocks of shape"):
        Reranking.fit(rows, scores, labels, blocks=blocks[1:])


def test_a_gain_is_used_where_the_corrected_test_over_the_folds_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Gains are given fold by fold; 2.132 is the upper 5 % quantile of Student's with four degrees."""
    for gains in ([0.1, 0.1, 0.2, 0.1, 0.15], [0.1, -0.1, 0.2, 0.1, 0.15], [0.01, 0.2, 0.3, 0.02, 0.25]):
        values = iter([0.5] * 5 + [0.5 + gain for gain in gains])
        monkeypatch.setattr(module, "_average_precision", lambda truth, scores, left=values: next(left))
        taught = Reranking.fit(X, DETECTOR.score(X), TRUTH)
        statistic = naive.corrected_t(gains, 1 / 4)
        assert taught.used == (statistic > 2.132)
        assert (taught.after - taught.before) / taught.error == pytest.approx(statistic)


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(DetectorError, match="599 labels"):
        Reranking.fit(X, DETECTOR.score(X), TRUTH[1:])
    with pytest.raises(DetectorError, match="neither 1"):
        Reranking.fit(X, DETECTOR.score(X), TRUTH * 2)
    with pytest.raises(DetectorError, match="3 columns"):
        FOUND.score(FRESH[:, :2], SCORES)


def test_average_precision_is_scikit_learns_with_ties() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        truth, scores = (rng.random(60) < 0.3).astype(int), np.round(rng.normal(size=60), 1)
        truth[0] = 1
        assert _average_precision(truth, scores) == pytest.approx(average_precision_score(truth, scores))
