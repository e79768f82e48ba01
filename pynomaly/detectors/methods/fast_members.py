"""Cheap ensemble members: distance to and density among sampled rows, rarity of cells, extreme cells.

All use each column's own distribution, so that neither scale nor skew of a column decides, and keep a
bounded number of rows: the cost of scoring does not depend on the number of fitted rows. Used by `auto`;
they have no catalogue entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from pynomaly.detectors.attributions import ExplanationMethod, distance_terms
from pynomaly.detectors.base import Detector, State
from pynomaly.detectors.numerics.compiled import compile_loop, prefer_compiled, sum_bin_rarity
from pynomaly.detectors.numerics.exact import Array, row_sum
from pynomaly.detectors.numerics.nearest import NearestRows
from pynomaly.detectors.parameters import IntegerParameter, Parameter

__all__ = ["BinRarity", "NormalTails", "SampledDensity", "SampledNeighbours"]

_KNOTS = 257


class SampledNeighbours(Detector):
    """Mean, over random samples of the fitted rows, of the distance to the k-th nearest row of each sample.

    Small samples thin out a cluster of anomalies until it no longer hides its members. Columns are mapped to
    normal scores, and continue as a logarithm beyond the fitted range.

    References
    ----------
    Pang, Ting, Albrecht: LeSiNN: Detecting Anomalies by Identifying Least Similar Nearest Neighbours.
    ICDM Workshop 2015.
    Sugiyama, Borgwardt: Rapid Distance-Based Outlier Detection via Sampling. NeurIPS 2013.
    """

    name: ClassVar[str] = "sampled neighbours"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "samples": IntegerParameter(8, 1, 1000),
        "sample_rows": IntegerParameter(256, 2, 10_000),
        "n_neighbors": IntegerParameter(6, 1, 1000),
    }
    explains: ClassVar[ExplanationMethod] = "terms"

    _slopes: Array
    _samples: list[NearestRows]

    def _fit(self, X: Array) -> State:
        state = _fit_normal_scores(X)
        slopes = _compute_slopes(state)
        rng = np.random.default_rng(self.seed)
        size = min(self.params["sample_rows"], len(X))
        draws = [rng.choice(len(X), size, replace=False) for _ in range(self.params["samples"])]
        return {
            **state,
            "rows": np.stack([_map_to_normal_scores(X[places], state, slopes) for places in draws]),
        }

    def _prepare(self) -> None:
        self._slopes = _compute_slopes(self.state)
        self._samples = [NearestRows(sample) for sample in self.state["rows"]]

    def _score(self, X: Array) -> Array:
        normal_rows = _map_to_normal_scores(X, self.state, self._slopes)
        k = min(self.params["n_neighbors"], self.state["rows"].shape[1])
        distances = [sample.query(normal_rows, k)[0][:, -1] for sample in self._samples]
        mean: Array = row_sum(np.stack(distances, axis=1)) / len(distances)
        return mean

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        normal_rows = _map_to_normal_scores(x, self.state, self._slopes)
        k = min(self.params["n_neighbors"], self.state["rows"].shape[1])
        neighbours = [sample.rows[sample.query(normal_rows, k)[1][0, -1]] for sample in self._samples]
        terms = np.stack([distance_terms(normal_rows[0], row) for row in neighbours], axis=1)
        return row_sum(terms)[None] / len(neighbours), np.zeros(1)


class BinRarity(Detector):
    """Sum over the columns of minus the log of the share of fitted rows in the same bin.

    Unlike a density, a share has no unit: a column counts the same in millimetres and in metres. Bins have
    equal width; their number is the square root of the number of rows, from 5 to 30. Cells beyond the range
    are rarest.

    References
    ----------
    Goldstein, Dengel: Histogram-based Outlier Score (HBOS). KI 2012.
    """

    name: ClassVar[str] = "rarity"
    explains: ClassVar[ExplanationMethod] = "terms"

    def _fit(self, X: Array) -> State:
        bins = int(np.clip(np.sqrt(len(X)), 5, 30))
        columns = [np.histogram(column, bins=bins) for column in X.T]
        inside = np.array([count for count, _ in columns]) + 1.0
        beyond = np.ones((X.shape[1], 1))  # cells beyond either end of the range
        shares = np.concatenate([beyond, inside, beyond], axis=1) / (len(X) + bins)
        return {"edges": np.array([edges for _, edges in columns]), "rarity": -np.log(shares)}

    def _score(self, X: Array) -> Array:
        if prefer_compiled(15.0 * X.size):
            edges = self.state["edges"]
            reach = np.zeros(len(edges))
            return sum_bin_rarity(X, edges, reach, reach, self.state["rarity"][:, 1:])
        return row_sum(self._cell_rarity(X))

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        expected = self._cell_rarity(usual)
        return self._cell_rarity(x) - expected, row_sum(expected)

    def _cell_rarity(self, X: Array) -> Array:
        """Return the rarity of each cell's bin, shape (n, d)."""
        edges, rarity = self.state["edges"], self.state["rarity"]
        cells = np.empty_like(X)
        for place, column in enumerate(X.T):
            index = np.searchsorted(edges[place], column, side="right")
            index[column == edges[place, -1]] = edges.shape[1] - 1  # the last bin includes its upper edge
            cells[:, place] = rarity[place, index]
        return cells


class NormalTails(Detector):
    """Mean over the columns of the squared normal score: how far out a row lies in its columns on average.

    Ignores relations between columns, so they cannot mislead it. No single column decides, because a normal
    score depends on ranks (and beyond the fitted range grows only as a logarithm).
    """

    name: ClassVar[str] = "tails"
    explains: ClassVar[ExplanationMethod] = "terms"

    _slopes: Array

    def _fit(self, X: Array) -> State:
        return _fit_normal_scores(X)

    def _prepare(self) -> None:
        self._slopes = _compute_slopes(self.state)

    def _score(self, X: Array) -> Array:
        normal_rows = _map_to_normal_scores(X, self.state, self._slopes)
        mean: Array = row_sum(normal_rows * normal_rows) / X.shape[1]
        return mean

    def _terms(self, x: Array, usual: Array) -> tuple[Array, Array]:
        actual, expected = (
            _map_to_normal_scores(part, self.state, self._slopes) ** 2 / x.shape[1] for part in (x, usual)
        )
        return actual - expected, row_sum(expected)


class SampledDensity(Detector):
    """Log of the local outlier factor among sampled rows, on normal scores; about 0 is normal.

    Needs fitted rows that are known to be normal: a group of anomalies among them would be as dense as its
    own surroundings, and not be seen.

    References
    ----------
    Breunig et al.: LOF: Identifying Density-Based Local Outliers. SIGMOD 2000.
    """

    name: ClassVar[str] = "sampled density"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "sample_rows": IntegerParameter(1024, 2, 10_000),
        "n_neighbors": IntegerParameter(5, 1, 1000),
    }

    _slopes: Array
    _rows: NearestRows

    def _fit(self, X: Array) -> State:
        from scipy.spatial.distance import cdist

        state = _fit_normal_scores(X)
        size = min(self.params["sample_rows"], len(X))
        places = np.random.default_rng(self.seed).choice(len(X), size, replace=False)
        rows = _map_to_normal_scores(X[places], state, _compute_slopes(state))
        distances = cdist(rows, rows)
        np.fill_diagonal(distances, np.inf)  # no row is its own neighbour
        near, places = _find_smallest(distances, min(self.params["n_neighbors"], size - 1))
        reach = near.max(axis=1)
        floor = 0.01 * float(reach.mean()) or 1.0  # keeps the density of equal rows finite
        spacing = np.maximum(near, reach[places]).mean(axis=1) + floor
        return {**state, "rows": rows, "reach": reach, "spacing": spacing, "floor": np.array(floor)}

    def _prepare(self) -> None:
        self._slopes = _compute_slopes(self.state)
        self._rows = NearestRows(self.state["rows"])

    def _score(self, X: Array) -> Array:
        reach, spacing = self.state["reach"], self.state["spacing"]
        k = min(self.params["n_neighbors"], len(reach) - 1)
        near, places = self._rows.query(_map_to_normal_scores(X, self.state, self._slopes), k)
        own_spacing = row_sum(np.maximum(near, reach[places])) / k + float(self.state["floor"])
        factor: Array = np.log(own_spacing * row_sum(1.0 / spacing[places]) / k)
        return factor


def _find_smallest(distances: Array, k: int) -> tuple[Array, npt.NDArray[np.intp]]:
    """Return the k smallest of each row and their places, unsorted; shapes (n, k)."""
    places = np.argpartition(distances, k - 1, axis=1)[:, :k]
    return np.take_along_axis(distances, places, axis=1), places


def _fit_normal_scores(X: Array) -> State:
    """Return knots (values) of each column and the normal quantile of the share of rows up to each knot."""
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
    # with this lower bound the largest cell over the smallest spread is still finite
    return {"knots": np.array(knots), "scores": np.array(scores), "spread": np.maximum(spread, 1e-200)}


def _compute_slopes(state: State) -> Array:
    """Return the slope of the normal score between knots, shape (d, knots); 0 after the last knot."""
    gaps, rises = np.diff(state["knots"], axis=1), np.diff(state["scores"], axis=1)
    slopes = np.divide(rises, gaps, out=np.zeros_like(gaps), where=gaps > 0)
    return np.concatenate([slopes, np.zeros((len(slopes), 1))], axis=1)


def _map_to_normal_scores(X: Array, state: State, slopes: Array) -> Array:
    """Return X with each column mapped to normal scores, shape (n, d)."""
    knots, scores, spread = state["knots"], state["scores"], state["spread"]
    normal_rows: Array
    beyond: Array
    if prefer_compiled(30.0 * X.size):
        normal_rows, beyond = compile_loop(_map_loop)(X, knots, scores, slopes, spread)
    else:
        normal_rows = np.empty_like(X)
        for place, column in enumerate(X.T):
            knot = knots[place]
            inside = np.clip(column, knot[0], knot[-1])
            at = np.searchsorted(knot, inside, side="right") - 1
            normal_rows[:, place] = slopes[place][at] * (inside - knot[at]) + scores[place][at]
        beyond = (X - np.clip(X, knots[:, 0], knots[:, -1])) / spread
    outside = beyond != 0.0
    far = beyond[outside]
    normal_rows[outside] += np.copysign(np.log1p(np.abs(far)), far)
    return normal_rows


def _map_loop(X, knots, scores, slopes, spread):  # type: ignore[no-untyped-def]  # numba types it
    normal_rows, beyond = np.empty_like(X), np.empty_like(X)
    last = knots.shape[1] - 1
    for begin in range(0, len(X), 64):  # rows that stay in cache from one column to the next
        for column in range(X.shape[1]):
            knot = knots[column]
            for row in range(begin, min(begin + 64, len(X))):
                cell = X[row, column]
                inside = min(max(cell, knot[0]), knot[last])
                low, length = 0, last + 1  # the last knot that is not above the cell
                while length > 1:
                    half = length >> 1
                    low += half * int(knot[low + half] <= inside)
                    length -= half
                normal_rows[row, column] = slopes[column, low] * (inside - knot[low]) + scores[column, low]
                beyond[row, column] = (cell - inside) / spread[column]
    return normal_rows, beyond
