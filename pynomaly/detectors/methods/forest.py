"""Isolation forest: rows that random cuts separate early are anomalous.

Works on most tables of numbers, needs no scaling, and tolerates a few anomalies among the fitted rows. Fails
where anomalies form a dense cluster of their own, or differ only in the relation between columns. Fit
O(trees * samples log samples), score O(trees log samples) a row. The fit is PyOD's (scikit-learn's
underneath); the trees are then stored as flat arrays and walked for all rows and trees at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pynomaly.detectors import pyod_door
from pynomaly.detectors.attributions import (
    ColumnGroups,
    ExplanationMethod,
    ScoreParts,
    secant_slope,
    sum_terms_by_group,
)
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.compiled import prefer_compiled, walk_forest
from pynomaly.detectors.numerics.exact import Array, row_sum
from pynomaly.detectors.numerics.paths import ForestLeaves, collect_leaves
from pynomaly.detectors.parameters import IntegerParameter, NumberParameter, Parameter

__all__ = ["IsolationForest"]

_CACHED_ROWS = 512
"""Rows walked at a time, so that one node for each row and tree stays in cache."""

_FLOAT32 = float(np.finfo(np.float32).max)


class IsolationForest(Detector):
    """Isolation forest; the score is ``2 ** -(mean depth / expected depth)``, in (0, 1].

    A column's part is its Shapley value of the depth, see `paths`, times the slope of the score from the mean
    depth of the fitted rows to that of the row: parts and the score of that mean depth sum to the score.

    References
    ----------
    Liu, Ting, Zhou: Isolation Forest. ICDM 2008.
    """

    name: ClassVar[str] = "iforest"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "n_estimators": IntegerParameter(100, 1, 5000),
        "max_samples": IntegerParameter(256, 2, 100_000),
        "max_features": NumberParameter(1.0, 0, 1, open_low=True),
    }
    explains: ClassVar[ExplanationMethod] = "paths"

    _leaves: ForestLeaves | None = None

    def _fit(self, X: Array) -> State:
        forest = pyod_door.fit(
            "iforest",
            "IForest",
            np.clip(X, -_FLOAT32, _FLOAT32),
            n_estimators=self.params["n_estimators"],
            max_samples=min(self.params["max_samples"], len(X)),
            max_features=self.params["max_features"],
            random_state=self.seed,
        ).detector_
        trees = [
            _flatten_tree(estimator.tree_, features)
            for estimator, features in zip(forest.estimators_, forest.estimators_features_, strict=True)
        ]
        sizes = np.array([len(tree["depth"]) for tree in trees])
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.uint32)
        for tree, start in zip(trees, starts, strict=True):
            tree["child"] += start
        state = {key: np.concatenate([tree[key] for tree in trees]) for key in trees[0]}
        expected = _expected_depth(np.array([forest.max_samples_]))[0] * len(trees)
        levels = max(tree.tree_.max_depth for tree in forest.estimators_)
        return {**state, "starts": starts, "expected": np.array(expected), "levels": np.array(levels)}

    def _score(self, X: Array) -> Array:
        # The trees were grown on float32, so a split is correct only with the same rounding.
        if prefer_compiled(4.0 * len(X) * len(self.state["starts"]) * int(self.state["levels"])):
            nodes = (
                self.state[key] for key in ("starts", "child", "feature", "threshold", "depth", "levels")
            )
            return self._depth_to_score(walk_forest(X, *nodes))
        narrow = np.clip(X, -_FLOAT32, _FLOAT32).astype(np.float32)
        return np.concatenate(
            [self._walk_trees(narrow[at : at + _CACHED_ROWS]) for at in range(0, len(X), _CACHED_ROWS)]
        )

    def _prepare(self) -> None:
        self._leaves = None  # computed on the first explanation

    def _explain(self, x: Array, usual: Array, groups: ColumnGroups) -> ScoreParts:
        if self._leaves is None:
            self._leaves = collect_leaves(
                self.state, _expected_depth(np.arange(1, self.params["max_samples"] + 1))
            )
        narrow = np.clip(x, -_FLOAT32, _FLOAT32).astype(np.float32)[0]
        deeper = self._leaves.shapley(narrow, x.shape[1])
        expected = self._leaves.expected
        slope = secant_slope(self._depth_to_score, expected, expected + float(deeper.sum()))
        return sum_terms_by_group(slope * deeper[None], self._depth_to_score(np.array([expected])), groups)

    def _walk_trees(self, narrow: npt.NDArray[np.float32]) -> Array:
        """Return scores by walking all rows and trees together, one level at a time; shape (n,)."""
        state = self.state
        child, feature, threshold = (state[key] for key in ("child", "feature", "threshold"))
        flat, rows = narrow.ravel(), (np.arange(len(narrow)) * narrow.shape[1])[:, None]
        node = np.broadcast_to(state["starts"], (len(narrow), len(state["starts"])))
        for _ in range(int(state["levels"])):
            node = child[node] + (flat[rows + feature[node]] > threshold[node])
        return self._depth_to_score(row_sum(state["depth"][node]))

    def _depth_to_score(self, total: Array) -> Array:
        scores: Array = np.exp2(-total / float(self.state["expected"]))
        return scores


def _flatten_tree(tree: Any, features: Any) -> State:
    """Return one tree as arrays over its nodes, level by level, so that siblings are adjacent.

    ``child`` is the left child and the right one follows it. A leaf is its own child and its threshold is
    infinite, so that a walk stays there. ``depth`` is the depth of a leaf plus the expected further depth of
    its rows; it is 0 for inner nodes.
    """
    order, depth = [0], [0]
    for place, node in enumerate(order):  # grows as it is read: level by level
        if tree.children_left[node] != -1:
            order += [tree.children_left[node], tree.children_right[node]]
            depth += [depth[place] + 1] * 2
    nodes = np.array(order)
    leaf = tree.children_left[nodes] == -1
    child = np.arange(len(nodes), dtype=np.uint32)
    child[~leaf] = 1 + 2 * np.arange((~leaf).sum(), dtype=np.uint32)
    threshold = tree.threshold[nodes]
    narrow = threshold.astype(np.float32)
    # A float32 is above the threshold exactly when it is above the largest float32 not above the threshold.
    narrow = np.where(narrow > threshold, np.nextafter(narrow, np.float32(-np.inf)), narrow)
    column = np.asarray(features, dtype=np.uint32)[np.where(leaf, 0, tree.feature[nodes])]
    return {
        "child": child,
        "feature": np.where(leaf, 0, column).astype(np.uint32),
        "threshold": np.where(leaf, np.float32(np.inf), narrow).astype(np.float32),
        "depth": np.where(leaf, np.array(depth) + _expected_depth(tree.n_node_samples[nodes]), 0.0),
    }


def _expected_depth(rows: Any) -> Array:
    """Return the mean depth of an unsuccessful search in a binary tree of `rows` rows (Liu et al., eq. 1)."""
    n = np.asarray(rows, dtype=np.float64)
    big = np.maximum(n, 3)
    depth: Array = 2 * (np.log(big - 1) + np.euler_gamma) - 2 * (big - 1) / big
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, depth))
