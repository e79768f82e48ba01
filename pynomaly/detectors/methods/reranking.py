"""Re-ranks scores by known anomalies: rows like them rise, and rows the detector finds odd stay high.

Needs a detector already fitted on rows without the known anomalies, and at least 20 known anomalies.
Randomised trees learn them from the rows and the detector's own score. The new score is the detector's
score, in deviations, plus the log-odds of the trees. It is used only if it ranks better on held-out folds, by
a corrected resampled t-test; `used` tells whether. Fit O(trees n log n), score O(trees log n) a row; saved as
plain arrays beside the detector's. Called by :mod:`pynomaly.model.fitting.known_anomalies`, for bundles whose
reference has labels.

Folds share most of the rows they learn from, so their differences vary less than those of independent samples
would: with their plain standard error, known anomalies that carry nothing were used in 28 to 33 of a hundred
models.

References
----------
Nadeau, Bengio (2003), Inference for the generalization error, Machine Learning 52, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pynomaly.detectors import sklearn_door
from pynomaly.detectors.numerics.exact import Array, row_sum
from pynomaly.errors import DetectorError, IntegrityError

__all__ = ["FOLDS", "LEAST_POSITIVES", "Reranking"]

LEAST_POSITIVES = 20
FOLDS = 5
CHANCE = 0.05
"""Level of the test, one-sided. Half of it would lose models that known anomalies raise from .65 to .9."""

_TREES, _LEAF = 100, 3
_CAP = 20.0  # deviations; the trees' log-odds reach about 7
_BLOCK = 512
_FLOAT32 = float(np.finfo(np.float32).max)
_NODES = ("left", "right", "feature", "threshold", "odds")

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Reranking:
    """Trees fitted on the known anomalies, and the evidence on whether they help.

    Attributes
    ----------
    arrays : mapping of str to ndarray
        Everything scoring needs; for ``numpy.savez``.
    positives, rows : int
        Numbers of known anomalies and of all rows in the fit.
    before, after : float
        Average precision on held-out folds, of the detector's scores and of the new scores.
    error : float
        Standard error of their difference over the folds, corrected for the rows that they share.
    used : bool
        Whether scores are changed: the gain is more than chance explains.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    positives: int
    rows: int
    before: float
    after: float
    error: float = 0.0
    used: bool = False

    @classmethod
    def fit(
        cls,
        X: Array,
        scores: Array,
        labels: npt.ArrayLike,
        seed: int = 0,
        blocks: npt.ArrayLike | None = None,
    ) -> Reranking:
        """Learn from labelled rows.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Finite numbers, as the detector takes them.
        scores : ndarray of shape (n,)
            The detector's scores of these rows. Rows it was fitted on score too low; use calibration rows.
        labels : array of shape (n,)
            1 for a known anomaly, 0 for every other row.
        seed : int
        blocks : array of shape (n,), optional
            Known anomalies with the same number depend on each other and stay in one fold, because trees
            fitted on one hour of an incident would recognise the next hour. Other rows are independent where
            all of them have one number, and else stay in one fold by their numbers, too.

        Raises
        ------
        DetectorError
            Shapes that differ, a label that is neither 0 nor 1, fewer than 20 of either, or rows of either
            in fewer than 5 blocks.
        """
        from scipy.special import stdtrit

        truth = _require_labels(X, scores, labels)
        middle, spread = _median_and_deviation(scores[truth == 0])
        unit = (middle, spread)
        folds = _assign_folds(truth, np.arange(len(truth)) if blocks is None else np.asarray(blocks), seed)
        held_out = np.empty(len(truth))
        for fold in range(FOLDS):
            out = folds == fold
            arrays = _grow_trees(X[~out], scores[~out], truth[~out], seed, unit)
            held_out[out] = _blend_scores(arrays, X[out], scores[out])
        # Average precision is computed within each fold, because the trees of folds share no scale.
        before, after = (
            np.array([_average_precision(truth[folds == i], values[folds == i]) for i in range(FOLDS)])
            for values in (scores, held_out)
        )
        gain = float((after - before).mean())
        error = math.sqrt((1 / FOLDS + 1 / (FOLDS - 1)) * float((after - before).var(ddof=1)))
        used = gain > error * float(stdtrit(FOLDS - 1, 1 - CHANCE))
        arrays = _grow_trees(X, scores, truth, seed, unit)
        means = float(before.mean()), float(after.mean())
        return cls(arrays, int(truth.sum()), len(truth), *means, error, used)

    def score(self, X: Array, scores: Array) -> Array:
        """Return new scores from the rows and the detector's scores; each row independently.

        Returns
        -------
        ndarray of shape (n,), float64
            In deviations of the detector's scores of normal rows if the re-ranking is used, else `scores`.

        Raises
        ------
        DetectorError
            Different numbers of rows and scores, or a width that differs from the fit's.
        """
        if len(X) != len(scores) or X.shape[1] != int(self.arrays["width"]):
            raise DetectorError(
                f"reranking of {int(self.arrays['width'])} columns was given rows {X.shape} "
                f"and {len(scores)} scores"
            )
        if not self.used or not len(X):
            return scores.astype(np.float64)
        parts = [
            _blend_scores(self.arrays, X[start : start + _BLOCK], scores[start : start + _BLOCK])
            for start in range(0, len(X), _BLOCK)
        ]
        return np.concatenate(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain values, without the arrays."""
        return {
            "positives": self.positives,
            "rows": self.rows,
            "before": self.before,
            "after": self.after,
            "error": self.error,
            "used": self.used,
        }

    @classmethod
    def restore(cls, facts: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Reranking:
        """Build a re-ranking from the saved facts and arrays.

        Raises
        ------
        IntegrityError
            A fact or an array is missing, or does not fit the others.
        """
        try:
            reranking = cls(
                dict(arrays),
                int(facts["positives"]),
                int(facts["rows"]),
                float(facts["before"]),
                float(facts["after"]),
                float(facts["error"]),
                bool(facts["used"]),
            )
            _require_trees(reranking.arrays)
            _blend_scores(reranking.arrays, np.zeros((1, int(reranking.arrays["width"]))), np.zeros(1))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise IntegrityError(f"saved reranking is incomplete: {error}") from error
        return reranking


def _require_labels(X: Array, scores: Array, labels: npt.ArrayLike) -> Labels:
    truth = np.asarray(labels)
    if X.ndim != 2 or not len(X) == len(scores) == len(truth):
        raise DetectorError(
            f"reranking was given rows {X.shape}, {len(scores)} scores and {len(truth)} labels; "
            "allowed: (n, d), n and n"
        )
    if not np.isin(truth, (0, 1)).all():
        raise DetectorError("reranking was given a label that is neither 1 (known anomaly) nor 0")
    for label, kind in ((1, "known anomalies"), (0, "other rows")):
        count = int((truth == label).sum())
        if count < LEAST_POSITIVES:
            raise DetectorError(f"reranking was given {count} {kind}; at least {LEAST_POSITIVES} are needed")
    return truth.astype(np.int64)


def _assign_folds(truth: Labels, blocks: npt.NDArray[Any], seed: int) -> Labels:
    """Return each row's fold: folds are stratified by label and hold whole blocks of dependent rows."""
    if blocks.shape != truth.shape:
        raise DetectorError(f"reranking was given {len(truth)} labels and blocks of shape {blocks.shape}")
    folds, rng = np.empty(len(truth), dtype=np.int64), np.random.default_rng(seed)
    for label in (0, 1):
        rows = np.flatnonzero(truth == label)
        is_single = label == 0 and np.ptp(blocks[rows]) == 0
        numbers, member = np.unique(rows if is_single else blocks[rows], return_inverse=True)
        if len(numbers) < FOLDS:
            kind = "known anomalies" if label else "normal rows"
            raise DetectorError(
                f"the {len(rows)} {kind} lie in {len(numbers)} blocks of dependent rows; "
                f"at least {FOLDS} are needed"
            )
        folds[rows] = (rng.permutation(len(numbers)) % FOLDS)[member]
    return folds


def _require_trees(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Raise ValueError if an index points outside the arrays, or the trees have too many levels."""
    nodes, width = len(arrays["left"]), int(arrays["width"])
    pointers = [arrays[name] for name in ("left", "right", "starts")]
    whole = all(part.dtype.kind == "i" for part in (*pointers, arrays["feature"], arrays["levels"]))
    inside = all(part.size and part.min() >= 0 and part.max() < nodes for part in pointers)
    features_valid = nodes and arrays["feature"].min() >= 0 and arrays["feature"].max() <= width
    if not (whole and inside and features_valid and len({len(arrays[name]) for name in _NODES}) == 1):
        raise ValueError("its trees point outside themselves")
    if not 0 <= int(arrays["levels"]) <= nodes:
        raise ValueError(f"its trees have {int(arrays['levels'])} levels of {nodes} nodes")


def _median_and_deviation(scores: Array) -> tuple[float, float]:
    """Return median and deviation (interquartile range over 1.349) of scores; the deviation is not 0."""
    low, middle, high = np.quantile(scores, [0.25, 0.5, 0.75])
    return float(middle), float((high - low) / 1.349) or float(scores.std()) or 1.0


def _build_tree_inputs(X: Array, units: Array) -> Array:
    """Return the input of the trees: row and detector's score, clipped to float32; shape (n, d + 1)."""
    inputs: Array = np.clip(np.concatenate([X, units[:, None]], axis=1), -_FLOAT32, _FLOAT32)
    return inputs


def _grow_trees(
    X: Array, scores: Array, truth: Labels, seed: int, unit: tuple[float, float]
) -> dict[str, npt.NDArray[Any]]:
    """Fit the trees and return them as flat arrays over all nodes."""
    units = (scores - unit[0]) / unit[1]
    forest = sklearn_door.fit(
        "ensemble",
        "ExtraTreesClassifier",
        _build_tree_inputs(X, units),
        truth,
        n_estimators=_TREES,
        min_samples_leaf=_LEAF,
        max_features=None,
        class_weight="balanced",
        random_state=seed,
    )
    flat: dict[str, list[npt.NDArray[Any]]] = {key: [] for key in _NODES}
    starts, levels, start = [], 0, 0
    for estimator in forest.estimators_:
        tree = estimator.tree_
        leaf, itself = tree.children_left == -1, np.arange(tree.node_count)
        share = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
        flat["left"].append(np.where(leaf, itself, tree.children_left) + start)
        flat["right"].append(np.where(leaf, itself, tree.children_right) + start)
        flat["feature"].append(np.where(leaf, 0, tree.feature))
        flat["threshold"].append(np.where(leaf, 0.0, tree.threshold))
        flat["odds"].append(share[:, 1])
        starts.append(start)
        levels, start = max(levels, int(tree.max_depth)), start + tree.node_count
    return {key: np.concatenate(parts) for key, parts in flat.items()} | {
        "starts": np.array(starts),
        "levels": np.array(levels),
        "unit": np.array(unit),
        "width": np.array(X.shape[1]),
    }


def _blend_scores(arrays: Mapping[str, npt.NDArray[Any]], X: Array, scores: Array) -> Array:
    """Return the detector's score in deviations, capped smoothly, plus the log-odds of the trees' share."""
    middle, spread = arrays["unit"]
    units = (scores - middle) / spread
    inputs = _build_tree_inputs(X, units).astype(np.float32)
    flat, rows = inputs.ravel(), (np.arange(len(X)) * inputs.shape[1])[:, None]
    starts = arrays["starts"]
    node = np.broadcast_to(starts, (len(X), len(starts)))
    for _ in range(int(arrays["levels"])):  # a leaf is its own child
        goes_left = flat[rows + arrays["feature"][node]] <= arrays["threshold"][node]
        node = np.where(goes_left, arrays["left"][node], arrays["right"][node])
    share = row_sum(arrays["odds"][node]) / len(starts)
    odds = np.log(share + 1e-3) - np.log(1 - share + 1e-3)
    over = np.maximum(np.abs(units) / _CAP, 1.0)
    capped: Array = np.clip(units, -_CAP, _CAP) + np.sign(units) * np.log(over)
    reranked: Array = capped / 4 + odds
    return reranked


def _average_precision(truth: Labels, scores: Array) -> float:
    """Return the area under precision over recall; tied scores count as one step."""
    order = np.argsort(-scores, kind="stable")
    hits, falling = np.cumsum(truth[order]), scores[order]
    last = np.append(falling[1:] != falling[:-1], True)  # the end of each run of ties
    precision, positives = hits[last] / (np.flatnonzero(last) + 1), hits[last]
    return float(np.sum(np.diff(positives, prepend=0) * precision) / truth.sum())
