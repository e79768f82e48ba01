"""Two cheap members of an ensemble: distance to sampled rows, and how rare each cell is in its column.

Both read columns in units of their own distribution, so that neither scale nor skew of a column decides,
and both keep a bounded part of the rows: scoring costs the same whatever was fitted on. `auto` is made of
them; they are no rows of the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.exact import Array, row_sum
from pynomaly.detectors.parameters import Parameter, Whole

__all__ = ["Rarity", "SampledNeighbours"]

_KNOTS = 257


class SampledNeighbours(Detector):
    """Mean, over a few random samples of the fitted rows, of the distance to the k-th nearest row of each.

    Small samples thin out a cluster of anomalies until it no longer hides its members. Columns are
    mapped to normal scores, and go on as a logarithm beyond the fitted range.

    References
    ----------
    Pang, Ting, Albrecht: LeSiNN: Detecting Anomalies by Identifying Least Similar Nearest Neighbours.
    ICDM Workshop 2015.
    Sugiyama, Borgwardt: Rapid Distance-Based Outlier Detection via Sampling. NeurIPS 2013.
    """

    name: ClassVar[str] = "sampled neighbours"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "samples": Whole(8, 1, 1000),
        "sample_rows": Whole(256, 2, 10_000),
        "n_neighbors": Whole(6, 1, 1000),
    }

    def _fit(self, X: Array) -> State:
        state = _normal_scores(X)
        rng = np.random.default_rng(self.seed)
        size = min(self.params["sample_rows"], len(X))
        chosen = [rng.choice(len(X), size, replace=False) for _ in range(self.params["samples"])]
        return {**state, "rows": np.stack([_mapped(X[places], state) for places in chosen])}

    def _score(self, X: Array) -> Array:
        from scipy.spatial.distance import cdist

        mapped = _mapped(X, self.state)
        rows = self.state["rows"]
        place = min(self.params["n_neighbors"], rows.shape[1]) - 1
        # cdist works pair by pair: no other row of the batch can move a distance
        distances = [np.partition(cdist(mapped, sample), place, axis=1)[:, place] for sample in rows]
        mean: Array = row_sum(np.stack(distances, axis=1)) / len(rows)
        return mean


class Rarity(Detector):
    """Sum over the columns of minus the log of the share of fitted rows in the same bin.

    Unlike a density, a share has no unit: a column measured in millimetres counts as one in metres. Bins
    are of equal width, about the root of the rows and at most 30; beyond the range nothing was seen.

    References
    ----------
    Goldstein, Dengel: Histogram-based Outlier Score (HBOS). KI 2012.
    """

    name: ClassVar[str] = "rarity"

    def _fit(self, X: Array) -> State:
        bins = int(np.clip(np.sqrt(len(X)), 5, 30))
        columns = [np.histogram(column, bins=bins) for column in X.T]
        seen = np.array([count for count, _ in columns]) + 1.0
        never = np.ones((X.shape[1], 1))  # what lies beyond either end
        shares = np.concatenate([never, seen, never], axis=1) / (len(X) + bins)
        return {"edges": np.array([edges for _, edges in columns]), "rarity": -np.log(shares)}

    def _score(self, X: Array) -> Array:
        edges, rarity = self.state["edges"], self.state["rarity"]
        cells = np.empty_like(X)
        for place, column in enumerate(X.T):
            found = np.searchsorted(edges[place], column, side="right")
            found[column == edges[place, -1]] = edges.shape[1] - 1  # the last bin holds its upper edge
            cells[:, place] = rarity[place, found]
        return row_sum(cells)


def _normal_scores(X: Array) -> State:
    """For each column, values (knots) and the normal quantile of the share of rows up to each."""
    from scipy.special import ndtri

    rows, knots, scores = len(X), [], []
    for column in np.sort(X, axis=0).T:
        knot = np.quantile(column, np.linspace(0, 1, _KNOTS), method="nearest")
        below = np.searchsorted(column, knot, side="left")
        up_to = np.searchsorted(column, knot, side="right")
        knots.append(knot)
        scores.append(ndtri(((below + up_to) / 2 + 0.5) / (rows + 1)))
    spread = np.quantile(X, 0.9, axis=0) - np.quantile(X, 0.1, axis=0)
    deviation = X.std(axis=0)
    spread = np.where(spread > 0, spread, np.where(deviation > 0, deviation, 1.0))
    # the floor keeps the largest cell over the smallest spread a finite number
    return {"knots": np.array(knots), "scores": np.array(scores), "spread": np.maximum(spread, 1e-200)}


def _mapped(X: Array, state: State) -> Array:
    """X with each column as normal scores."""
    mapped = np.empty_like(X)
    for place, column in enumerate(X.T):
        knots, spread = state["knots"][place], state["spread"][place]
        above = np.log1p(np.maximum(column - knots[-1], 0.0) / spread)
        below = np.log1p(np.maximum(knots[0] - column, 0.0) / spread)
        mapped[:, place] = np.interp(column, knots, state["scores"][place]) + above - below
    return mapped
