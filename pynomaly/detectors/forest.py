"""Isolation forest: rows that random cuts separate early are anomalous.

Works on most tables of numbers, needs no scaling, and shrugs off a few anomalies among the rows it is
fitted on. Fails where anomalies hide in a dense cluster of their own, or differ only in how columns go
together. Fit O(trees * samples log samples), score O(trees log samples) a row. The fit is PyOD's
(scikit-learn's underneath); the trees are then laid out flat, and walked for all rows and trees at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from pynomaly.detectors import pyod_door
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.exact import Array, row_sum
from pynomaly.detectors.parameters import Number, Parameter, Whole

__all__ = ["IsolationForest"]

_FLOAT32 = float(np.finfo(np.float32).max)


class IsolationForest(Detector):
    """Isolation forest; the score is ``2 ** -(mean depth / expected depth)``, in (0, 1].

    References
    ----------
    Liu, Ting, Zhou: Isolation Forest. ICDM 2008.
    """

    name: ClassVar[str] = "iforest"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "n_estimators": Whole(100, 1, 5000),
        "max_samples": Whole(256, 2, 100_000),
        "max_features": Number(1.0, 0, 1, open_low=True),
    }
    block_rows: ClassVar[int] = 512  # rows times trees stay in cache

    def _fit(self, X: Array) -> State:
        fitted = pyod_door.fit(
            "iforest",
            "IForest",
            np.clip(X, -_FLOAT32, _FLOAT32),
            n_estimators=self.params["n_estimators"],
            max_samples=min(self.params["max_samples"], len(X)),
            max_features=self.params["max_features"],
            random_state=self.seed,
        ).detector_
        trees = [
            _flat(estimator.tree_, features)
            for estimator, features in zip(fitted.estimators_, fitted.estimators_features_, strict=True)
        ]
        sizes = np.array([len(tree["depth"]) for tree in trees])
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        for tree, start in zip(trees, starts, strict=True):
            tree["left"] += start
            tree["right"] += start
        state = {key: np.concatenate([tree[key] for tree in trees]) for key in trees[0]}
        expected = _expected_depth(np.array([fitted.max_samples_]))[0] * len(trees)
        return {**state, "starts": starts, "expected": np.array(expected), "levels": _levels(state, starts)}

    def _score(self, X: Array) -> Array:
        state = self.state
        left, right, feature, threshold = (state[key] for key in ("left", "right", "feature", "threshold"))
        # The trees were grown on float32, and a split is only right on the same rounding.
        narrow = np.clip(X, -_FLOAT32, _FLOAT32).astype(np.float32)
        flat, rows = narrow.ravel(), (np.arange(len(X)) * X.shape[1])[:, None]
        node = np.broadcast_to(state["starts"], (len(X), len(state["starts"])))
        for _ in range(int(state["levels"])):  # a leaf leads to itself
            goes_left = flat[rows + feature[node]] <= threshold[node]
            node = np.where(goes_left, left[node], right[node])
        scores: Array = np.exp2(-row_sum(state["depth"][node]) / float(state["expected"]))
        return scores


def _flat(tree: Any, features: Any) -> State:
    """One tree as arrays over its nodes; `depth` is that of a leaf plus what its rows would still need."""
    leaf = tree.children_left == -1
    itself = np.arange(tree.node_count)
    depth = np.zeros(tree.node_count)
    for node in itself[~leaf]:  # children come after their parent
        depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
    return {
        "left": np.where(leaf, itself, tree.children_left),
        "right": np.where(leaf, itself, tree.children_right),
        "feature": np.where(leaf, 0, np.asarray(features)[np.where(leaf, 0, tree.feature)]),
        "threshold": np.where(leaf, 0.0, tree.threshold),
        "depth": np.where(leaf, depth + _expected_depth(tree.n_node_samples), 0.0),
    }


def _levels(state: State, starts: Any) -> Any:
    """Steps from a root to the deepest leaf."""
    levels, reached = 0, np.asarray(starts)
    while True:
        inner = reached[state["left"][reached] != reached]
        if not len(inner):
            return np.array(levels)
        reached = np.concatenate([state["left"][inner], state["right"][inner]])
        levels += 1


def _expected_depth(rows: Any) -> Array:
    """Mean depth of an unsuccessful search in a binary tree of that many rows (Liu et al., eq. 1)."""
    n = np.asarray(rows, dtype=np.float64)
    big = np.maximum(n, 3)
    depth: Array = 2 * (np.log(big - 1) + np.euler_gamma) - 2 * (big - 1) / big
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, depth))
